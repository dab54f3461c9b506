"""The image for arm64 under Debian's emulator of its processor: everything can be imported, and the server answers."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from bench import pods
from tests.server.client import Client
from webhook import __version__

pytestmark = pytest.mark.release

EMULATOR = "qemu-aarch64-static"
COMMANDS = "/opt/m365wi/bin"
IMPORT_ALL = """
import importlib, importlib.util, pathlib, platform, sys
import importlib.metadata as metadata

left_out = {"__main__", "gunicorn.workers.geventlet", "gunicorn.workers.ggevent", "gunicorn.workers.gtornado"}
names = set()
for one in metadata.distributions():
    for file in one.files or ():
        name = file.as_posix()
        if name.endswith(".so") and file.locate().exists():
            names.add(name.partition(".")[0].replace("/", "."))
        elif name.endswith("/__init__.py") and name.count("/") == 1:
            names.add(file.parts[0])
for package in ("webhook", "certs", "m365_identity"):
    home = pathlib.Path(importlib.util.find_spec(package).origin).parent
    for path in home.rglob("*.py"):
        parts = (package, *path.relative_to(home).with_suffix("").parts)
        if parts[-1] != "__main__":
            names.add(".".join(part for part in parts if part != "__init__"))
for name in sorted(names):
    importlib.import_module(name)
cached = [getattr(module, "__cached__", None) for module in sys.modules.values()]
stale = [name for name in cached if name and not pathlib.Path(name).is_file()]
print(platform.machine(), len(names), stale)
"""


@pytest.fixture(scope="module")
def root(roots: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The image's files, with the emulator and the kernel's /proc."""
    emulator = shutil.which(EMULATOR)
    if emulator is None:
        pytest.fail(f"{EMULATOR} is missing: apt-get install qemu-user-static", pytrace=False)
    folder = tmp_path_factory.mktemp("emulated") / "root"
    shutil.copytree(roots["arm64"], folder, symlinks=True)
    folder.chmod(0o755)
    shutil.copy(emulator, folder / "emulator")
    (folder / "proc").mkdir()
    (folder / "accounts.yaml").write_text(yaml.safe_dump(pods.service_account()))
    subprocess.run(["mount", "-t", "proc", "proc", folder / "proc"], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder / "proc"], check=True)


def command(root: Path, *arguments: str) -> list[str]:
    """A command of the image, as the image's user."""
    environment = [f"PATH={COMMANDS}", "LANG=C.UTF-8", "PYTHONDONTWRITEBYTECODE=1"]
    chroot = shutil.which("chroot") or "/usr/sbin/chroot"
    return ["env", "-i", *environment, chroot, "--userspec=65532:65532", str(root), "/emulator", *arguments]


def run(root: Path, *arguments: str) -> str:
    """What a command of the image prints."""
    done = subprocess.run(command(root, *arguments), capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_everything_can_be_imported(root: Path) -> None:
    """Every compiled module and every package; none is compiled anew, so the bytecode is for this Python."""
    machine, count, stale = run(root, f"{COMMANDS}/python", "-c", IMPORT_ALL).split(maxsplit=2)
    assert machine == "aarch64"
    assert int(count) > 300
    assert stale == "[]\n"


@pytest.mark.parametrize("name", ["m365-webhook", "m365-identity"])
def test_the_commands_run(root: Path, name: str) -> None:
    """Version and help."""
    assert __version__ in run(root, f"{COMMANDS}/python", f"{COMMANDS}/{name}", "--version")
    assert "usage: " in run(root, f"{COMMANDS}/python", f"{COMMANDS}/{name}", "--help")


def test_the_server_answers_a_review(root: Path) -> None:
    """Over TLS, as kube-apiserver asks; the pod gets its identity."""
    review = pods.review()
    with serving(root) as port:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with Client(port, context) as client:
            client.socket.settimeout(60)
            response = client.ask(review, path="/mutate?timeout=30s")
    assert response.status == 200
    pods.check_answer(review, response.body)


@contextmanager
def serving(root: Path) -> Iterator[int]:
    """The server with one ServiceAccount from a file; its port, once it says that it is ready."""
    port, ops = free_port(), free_port()
    arguments = ["serve", "--accounts", "/accounts.yaml", f"--listen=127.0.0.1:{port}", f"--ops-listen=127.0.0.1:{ops}"]
    asked = command(root, f"{COMMANDS}/python", f"{COMMANDS}/m365-webhook", *arguments)
    with subprocess.Popen(asked, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        log: list[str] = []
        rest = threading.Thread(target=log.extend, args=(process.stderr,))
        try:
            for line in process.stderr:
                log.append(line)
                if '"message":"ready"' in line:
                    break
            else:
                pytest.fail("".join(log), pytrace=False)
            rest.start()
            yield port
        finally:
            process.terminate()
        rest.join()


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
