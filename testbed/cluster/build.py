"""Builds etcd and Kubernetes from their Go modules, once for each user and version, into a cache outside the checkout.

    python -m testbed.cluster.build                  etcd, kubectl and the control plane of every minor
    python -m testbed.cluster.build --version 1.37   of one minor
    python -m testbed.cluster.build --all            and kube-scheduler, kubelet, kube-proxy: a cluster with a node

`go/*/go.mod` name the versions. A binary is in `CACHE/NAME-VERSION-KEY-OS-ARCH/`. The key is made from go.mod, go.sum
and the flags: a changed dependency is built again, and nothing is ever overwritten. CACHE is $M365WI_CACHE,
else $XDG_CACHE_HOME/m365wi, else ~/.cache/m365wi. Builds run one at a time under a file lock; a process that
waited finds the binary. Go is needed only to build.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import os
import platform
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed.cluster import toolchain
from testbed.cluster.toolchain import BuildError

__all__ = ["MINORS", "Binaries", "BuildError", "binaries", "binary", "cache_root", "main", "missing"]

MINORS = ("1.37", "1.34")
MODULES = Path(__file__).parent / "go"
CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager")
NODE = ("kube-scheduler", "kubelet", "kube-proxy")
FLAGS = ("-mod=readonly", "-trimpath", "-buildvcs=false")
ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}

Report = Callable[[str], None]


def to_stderr(line: str) -> None:
    """The default report: one line of progress, at once."""
    sys.stderr.write(f"cluster build: {line}\n")
    sys.stderr.flush()


@dataclass(frozen=True)
class Binaries:
    """The programs of one control plane; envtest's has no `controller_manager`."""

    etcd: Path
    apiserver: Path
    controller_manager: Path | None
    kubectl: Path


@dataclass(frozen=True)
class Module:
    """One of our go.mod files, the upstream module whose commands it builds, and at most one build tag."""

    directory: Path
    upstream: str
    tag: str = ""

    @property
    def version(self) -> str:
        """The version that go.mod pins, such as v1.37.2."""
        return self._find(rf"^\s*(?:require )?{re.escape(self.upstream)} (v\S+)")

    @property
    def go(self) -> tuple[int, ...]:
        """The oldest Go that builds it."""
        return tuple(int(part) for part in self._find(r"^go (\S+)").split("."))

    def package(self, tool: str) -> str:
        """The import path of the command `tool`."""
        return self.upstream if tool == "etcd" else f"{self.upstream}/cmd/{tool}"

    @property
    def linker_flags(self) -> str:
        """The linker's flags: no symbols, and the version that the program reports."""
        stamp = (
            f" -X k8s.io/component-base/version.gitVersion={self.version}"
            if self.upstream == "k8s.io/kubernetes"
            else ""
        )
        return f"-s -w{stamp}"

    @property
    def key(self) -> str:
        """Twelve hexadecimal digits that change with all that the build depends on, except Go's own release."""
        digest = hashlib.sha256(" ".join([*FLAGS, self.linker_flags, *([self.tag] if self.tag else [])]).encode())
        for name in ("go.mod", "go.sum"):
            digest.update((self.directory / name).read_bytes())
        return digest.hexdigest()[:12]

    def _find(self, pattern: str) -> str:
        found = re.search(pattern, (self.directory / "go.mod").read_text(encoding="utf-8"), re.MULTILINE)
        assert found, f"{self.directory / 'go.mod'}: nothing matches {pattern}"
        return found[1]


def module_of(tool: str, minor: str) -> Module:
    """The module that builds `tool`; kubectl is built once, from the newest minor."""
    if tool == "etcd":
        return Module(MODULES / "etcd", "go.etcd.io/etcd/server/v3")
    if minor not in MINORS:
        raise BuildError(
            f"Kubernetes {minor} is not one of {', '.join(MINORS)}. To fix it: add {MODULES.name}/k8s-{minor}/go.mod."
        )
    return Module(MODULES / f"k8s-{MINORS[0] if tool == 'kubectl' else minor}", "k8s.io/kubernetes")


def cache_root() -> Path:
    """Where binaries are kept; precedence in the module's docstring."""
    if named := os.environ.get("M365WI_CACHE"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "m365wi"


def place_of(tool: str, minor: str) -> Path:
    """Where the cache keeps `tool`, built or not."""
    module = module_of(tool, minor)
    machine = platform.machine().lower()
    name = "etcd" if tool == "etcd" else "kubernetes"
    where = f"{name}-{module.version}-{module.key}-{sys.platform}-{ARCHITECTURES.get(machine, machine)}"
    return cache_root() / where / tool


def binary(tool: str, minor: str = MINORS[0], *, report: Report = to_stderr) -> Path:
    """The path of `tool` (such as "kubectl") for a Kubernetes minor. It is built first if the cache does not have it.

    Raises BuildError.
    """
    return cached(tool, module_of(tool, minor), place_of(tool, minor), report=report)


def folder_of(name: str, module: Module) -> Path:
    """Where the cache keeps what another module than those of Kubernetes builds, on a machine of this kind."""
    return cache_root() / f"{name}-{module.version}-{module.key}-{sys.platform}-{os.uname().machine}"


def cached(tool: str, module: Module, place: Path, *, report: Report) -> Path:
    """`place`, where `tool` is; it is built first if the cache does not have it. Raises BuildError."""
    if place.exists():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with one_at_a_time(cache_root() / "build.lock", report=report):
        if not place.exists():  # another process may have built it while this one waited
            build(tool, module, place, report=report)
    return place


def binaries(minor: str, *, report: Report = to_stderr) -> Binaries:
    """Everything that a control plane of `minor` is made of; what is missing is built. Raises BuildError."""
    return Binaries(
        etcd=binary("etcd", report=report),
        apiserver=binary("kube-apiserver", minor, report=report),
        controller_manager=binary("kube-controller-manager", minor, report=report),
        kubectl=binary("kubectl", report=report),
    )


def show(paths: Callable[[], Iterable[Path]]) -> int:
    """Prints the paths of what is built, one a line. Returns the exit status of a command: 1 if a build fails."""
    try:
        for path in paths():
            sys.stdout.write(f"{path}\n")
    except BuildError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def missing(minor: str) -> list[str]:
    """The tools of a control plane of `minor` that the cache does not have."""
    return [tool for tool in ("etcd", *CONTROL_PLANE, "kubectl") if not place_of(tool, minor).exists()]


def build(tool: str, module: Module, place: Path, *, report: Report) -> None:
    """Compiles into a folder next to `place` and renames it, so that a half-written binary never has the name."""
    go = toolchain.find_go(at_least=module.go, cache=cache_root(), report=report)
    for stale in place.parent.glob(f".{tool}.*"):
        stale.unlink()  # left by a build that was killed: we hold the lock
    staging = place.with_name(f".{tool}.{os.getpid()}")
    flags = [*FLAGS, *([f"-tags={module.tag}"] if module.tag else []), "-ldflags", module.linker_flags]
    command = [str(go), "build", *flags, "-o", str(staging), module.package(tool)]
    report(f"{tool} {module.version}: building with {go}; the first time takes up to 5 minutes on 2 cores")
    started = time.monotonic()
    try:
        fix = (
            f"run it by hand in testbed/cluster/go/{module.directory.name}; it needs the Go module proxy and disk space"
        )
        toolchain.run(tool, command, fix=fix, env=toolchain.environment(go), cwd=module.directory)
        staging.replace(place)
    finally:
        staging.unlink(missing_ok=True)
    report(f"{tool} {module.version}: built in {time.monotonic() - started:.0f} s")


@contextlib.contextmanager
def one_at_a_time(lock: Path, *, report: Report) -> Iterator[None]:
    """Holds `lock` against every other process of this user. The kernel releases it when the process ends."""
    with lock.open("a") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("another process is building; waiting for it")
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


def main(arguments: Sequence[str] | None = None) -> int:
    """The command of the module's docstring; prints each binary's path. Exit status 1 if a build fails."""
    parser = argparse.ArgumentParser(
        prog="python -m testbed.cluster.build", description="Build the test clusters' binaries."
    )
    parser.add_argument("--version", choices=MINORS, help="one Kubernetes minor instead of every one")
    parser.add_argument("--all", action="store_true", help="also what a node needs: " + ", ".join(NODE))
    options = parser.parse_args(arguments)
    tools = ("etcd", "kube-apiserver", "kubectl", "kube-controller-manager", *(NODE if options.all else ()))
    wanted = [(tool, minor) for minor in ([options.version] if options.version else MINORS) for tool in tools]
    try:
        paths = dict.fromkeys(
            binary(tool, minor) for tool, minor in wanted
        )  # in order; what both minors share is printed once
    except BuildError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write("".join(f"{path}\n" for path in paths))
    return 0


if __name__ == "__main__":
    sys.exit(main())
