"""The images that the node tests run: ours, built from the real Dockerfile, and those that only tests need.

    webhook    the Dockerfile at the top
    previous   the webhook's image of the release before this one
    again      the webhook's, built a second time without a step of the first
    tests      the webhook's image with `testbed.entra`: the emulator, and helpers that trust it
    busybox    a shell for test pods; it also holds a pod's namespaces, like the image `pause`

Debian's buildah builds them, without a registry, on a base that debootstrap makes once. The base has the release of
Debian, and so the minor version of Python, of the Dockerfile's own base. Images and their steps are kept in the cache
(`testbed.cluster.build.cache_root`) until what they depend on changes. With kind (kind.py), Docker builds the same on
the base that the Dockerfile names.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from certs.authority import make_leaf
from certs.pem import bundle_pem
from testbed.cluster.build import cache_root, one_at_a_time, to_stderr
from testbed.cluster.processes import ClusterError
from testbed.node import packages, previous
from testbed.node.authority import authority
from testbed.node.previous import CHECKOUT
from webhook import __version__

__all__ = [
    "AGAIN",
    "BUSYBOX",
    "CHECKOUT",
    "PREVIOUS",
    "TESTS",
    "WEBHOOK",
    "Buildah",
    "Builder",
    "Image",
    "build_again",
    "build_all",
    "secrets",
]

WEBHOOK = "localhost/m365-workload-identity:test"
PREVIOUS = "localhost/m365-workload-identity:previous"
AGAIN = "localhost/m365-workload-identity:again"
TESTS = "localhost/m365wi-tests:test"
BUSYBOX = "localhost/m365wi-busybox:test"
# The names in the emulator's certificate in the tests' image; pods have them as aliases of its Service.
LOGIN, GRAPH = "login.microsoftonline.com", "graph.microsoft.com"
ARGUMENTS = {"VERSION": f"{__version__}-test"}
SUITE = "trixie"
BASE_PACKAGES = ("ca-certificates", "gcc", "libc6-dev", "python3", "python3-dev", "python3-pip", "python3-venv")
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
STEPS_KEPT = 12

BUSYBOX_FILE = """
FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
CMD ["sleep", "2147483647"]
"""
TESTS_FILE = """
ARG IMAGE
FROM ${IMAGE}
COPY . /tests
WORKDIR /tests
ENV REQUESTS_CA_BUNDLE=/tests/ca.pem SSL_CERT_FILE=/tests/ca.pem
ENTRYPOINT []
"""


@dataclass(frozen=True)
class Image:
    """An image's name, and the file from which it is loaded."""

    name: str
    archive: Path


class Builder(Protocol):
    """Builds images: buildah for our own node, Docker for kind."""

    def build(self, name: str, context: Path, arguments: Mapping[str, str], *, afresh: bool = False) -> None:
        """Builds `context` with its Dockerfile as the image `name`. afresh: no cached step is used."""

    def save(self, name: str) -> Image:
        """Writes the image into a file."""

    def busybox(self, context: Path) -> None:
        """Makes the image BUSYBOX; `context` is an empty folder."""


def build_all(builder: Builder) -> dict[str, Image]:
    """Every image by name. Builds what has changed, one image at a time. Raises ClusterError."""
    with alone():
        with empty_folder() as context:
            builder.busybox(context)
        builder.build(WEBHOOK, CHECKOUT, ARGUMENTS)
        with empty_folder() as context:
            previous.extract(context)
            builder.build(PREVIOUS, context, {})
        with empty_folder() as context:
            fill_tests(context)
            builder.build(TESTS, context, {"IMAGE": WEBHOOK})
        return {name: builder.save(name) for name in (BUSYBOX, WEBHOOK, PREVIOUS, TESTS)}


def build_again(builder: Builder) -> Image:
    """The webhook's image once more, from the beginning. Raises ClusterError."""
    with alone():
        builder.build(AGAIN, CHECKOUT, ARGUMENTS, afresh=True)
        return builder.save(AGAIN)


class Buildah:
    """Debian's buildah, with a store of its own, by default in the cache; needs root."""

    def __init__(self, home: Path | None = None) -> None:
        self._home = home or cache_root() / "buildah"

    def build(self, name: str, context: Path, arguments: Mapping[str, str], *, afresh: bool = False) -> None:
        """Builds, and caches each step. A step that installs uses the machine's network and trusted authorities."""
        self._ensure_base()
        build_arguments = {"BASE": self._base(), **arguments}
        variables = [part for key, value in build_arguments.items() for part in ("--build-arg", f"{key}={value}")]
        kept = ["--no-cache"] if afresh else []
        options = ["--layers", *kept, "--network=host", "--timestamp=0", *secrets(), *variables]
        self.run("build", *options, "--tag", name, str(context))
        if len(self.run("images", "--filter", "dangling=true", "--quiet").split()) > STEPS_KEPT:
            self.run("rmi", "--prune", "--force")

    def save(self, name: str) -> Image:
        """Writes the image as Docker does, which both containerd and kind read."""
        archive = self._home / f"{name.rpartition('/')[2].replace(':', '-')}.tar"
        archive.unlink(missing_ok=True)
        self.run("push", name, f"docker-archive:{archive}:{name}")
        return Image(name, archive)

    def busybox(self, context: Path) -> None:
        """Debian's static busybox, with a link for each command."""
        shutil.copy(packages.BUSYBOX, context)
        (context / "Dockerfile").write_text(BUSYBOX_FILE)
        self.build(BUSYBOX, context, {})

    def _base(self) -> str:
        key = hashlib.sha256(" ".join((SUITE, *BASE_PACKAGES)).encode()).hexdigest()[:12]
        return f"localhost/m365wi-base:{key}"

    def _ensure_base(self) -> None:
        if self.run("images", "--quiet", "--filter", f"reference={self._base()}").strip():
            return
        to_stderr(f"image: making a base of {SUITE} with debootstrap, once; that takes two minutes")
        try:
            self._make_base()
        except ClusterError as error:
            to_stderr(f"image: {error}; trying again")
            self._make_base()

    def _make_base(self) -> None:
        with empty_folder() as root:
            run_step(
                [
                    "debootstrap",
                    "--variant=minbase",
                    f"--include={','.join(BASE_PACKAGES)}",
                    SUITE,
                    str(root),
                    mirror(),
                ]
            )
            for waste in (*root.glob("var/cache/apt/archives/*.deb"), *root.glob("var/lib/apt/lists/*_*")):
                waste.unlink()
            container = self.run("from", "scratch").strip()
            self.run("add", "--quiet", container, str(root), "/")
            self.run("commit", "--quiet", "--rm", container, self._base())

    def run(self, *arguments: str) -> str:
        """Runs buildah with this store. Raises ClusterError."""
        store = ["--root", str(self._home / "store"), "--runroot", str(self._home / "run")]
        return run_step(["buildah", *store, *arguments], BUILDAH_ISOLATION="chroot")


def secrets() -> list[str]:
    """The options that give a build step the machine's authorities and its configuration of pip."""
    options = ["--secret", f"id=ca,src={AUTHORITIES}"] if AUTHORITIES.exists() else []
    if pip := os.environ.get("PIP_CONFIG_FILE"):
        options += ["--secret", f"id=pip,src={pip}"]
    return options


def fill_tests(context: Path) -> None:
    """Writes what the tests' image adds: the emulator, its certificate, and the certificate's authority."""
    shutil.copytree(CHECKOUT / "testbed/entra", context / "testbed/entra", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CHECKOUT / "tests/__init__.py", context / "tests")
    now = datetime.now(UTC)
    # The organization of Microsoft's certificates: the doctor reports any other one.
    signer = authority(organization="Microsoft Corporation", common_name="Microsoft TLS Issuing CA 01")
    pair = make_leaf(signer, names=[LOGIN, GRAPH], now=now, lifetime=timedelta(hours=12))
    for name, content in (
        ("ca.pem", signer.pem.encode()),
        ("tls.crt", bundle_pem([pair.certificate])),
        ("tls.key", pair.private_pem()),
        ("Dockerfile", TESTS_FILE.encode()),
    ):
        (context / name).write_bytes(content)


def suite() -> str:
    """The name of this machine's Debian."""
    for line in Path("/etc/os-release").read_text().splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.partition("=")[2].strip('"')
    raise ClusterError("/etc/os-release has no VERSION_CODENAME: which release of Debian is this?")


def mirror() -> str:
    """The mirror of this machine's apt, which has the other releases, too."""
    own, form = suite(), "$(REPO_URI) $(RELEASE)"
    said = run_step(["apt-get", "indextargets", "--format", form, "Created-By: Packages"])
    found = [line.split()[0] for line in said.splitlines() if line.split()[1:] == [own]]
    if not found:
        raise ClusterError(f"apt knows no source of {own}: apt-get update")
    return found[0]


def run_step(command: Sequence[str], **variables: str) -> str:
    """Runs a step and returns its output. Raises ClusterError with the end of the output if it fails."""
    done = subprocess.run(
        ["nice", *command],
        env=os.environ | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = f"{done.stdout}\n{done.stderr}".strip()[-3000:]
        raise ClusterError(f"{' '.join(command)}: exit status {done.returncode}, ending with\n{said}")
    return done.stdout


@contextmanager
def alone() -> Iterator[None]:
    """Keeps other processes of this machine from building images meanwhile."""
    cache_root().mkdir(parents=True, exist_ok=True)
    with one_at_a_time(cache_root() / "images.lock", report=to_stderr):
        yield


@contextmanager
def empty_folder() -> Iterator[Path]:
    """An empty folder in the cache, since /tmp may be too small for a Debian."""
    with tempfile.TemporaryDirectory(prefix="image-", dir=cache_root()) as folder:
        yield Path(folder)
