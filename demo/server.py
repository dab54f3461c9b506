"""The webhook as a process, with a certificate that is made here."""

import http.client
import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from certs.authority import make_authority, make_leaf

_START_SECONDS = 120.0  # it takes one or two, but the machine may be busy
_END_SECONDS = 30.0


@dataclass(frozen=True)
class Running:
    """A webhook that is ready. authority: PEM of the certificate to trust."""

    port: int
    ops_port: int
    authority: str
    log: Path
    process: "subprocess.Popen[bytes]"

    @property
    def pid(self) -> int:
        """The process that was started: gunicorn's parent process. Its child answers."""
        return self.process.pid

    @property
    def url(self) -> str:
        """The URL for reviews."""
        return f"https://127.0.0.1:{self.port}/mutate"

    def post(self, body: bytes, *, path: str = "/mutate?timeout=5s") -> tuple[int, bytes]:
        """Sends one review as kube-apiserver does; returns status and body of the answer."""
        context = ssl.create_default_context(cadata=self.authority)
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=30)
        try:
            headers = {"Content-Type": "application/json", "User-Agent": "kube-apiserver-admission"}
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def stop(self) -> None:
        """Stops the process as Kubernetes does, and waits for its end. A second call does nothing."""
        stop(self.process)


@contextmanager
def running(folder: Path, arguments: Sequence[str], *, certificates: str = "files", port: int = 0) -> Iterator[Running]:
    """The webhook, started with `arguments` and stopped at the end. Its certificate and log go to `folder`.

    certificates: `files` for a certificate that is made here, or another mode of the webhook. port: 0 for one that the
    kernel chooses, which no other program can take before the webhook does.
    """
    now = datetime.now(UTC)
    names = ["localhost", "127.0.0.1"]
    authority = make_authority(now=now, lifetime=timedelta(days=1), names=names)
    pair = make_leaf(authority, names=names, now=now, lifetime=timedelta(hours=12))
    both, log = folder / "tls.pem", folder / "webhook.log"
    both.touch(mode=0o600)
    both.write_bytes(pair.private_pem())
    command = [
        *(sys.executable, "-m", "webhook", "serve"),
        *("--listen", f"127.0.0.1:{port}", "--ops-listen", "127.0.0.1:0"),
        *("--certificates", certificates),
        *(("--tls-cert", str(both)) if certificates == "files" else ()),
        *arguments,
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=dict(os.environ))
    try:
        ports = _await_ready(process, log)
        yield Running(*ports, authority.pem, log, process)
    finally:
        stop(process)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """Ends a webhook as Kubernetes does, and waits for its end."""
    process.terminate()
    try:
        process.wait(timeout=_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _await_ready(process: "subprocess.Popen[bytes]", log: Path) -> tuple[int, int]:
    """The ports that it listens on, once it is ready."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        ports = _ports(log)
        if ports is not None and _answers(ports[1]):
            return ports
        time.sleep(0.05)
    raise RuntimeError(f"the webhook is not ready; its log:\n{log.read_text()}")


def _ports(log: Path) -> tuple[int, int] | None:
    """For reviews and for operations, as the webhook logs them when it listens."""
    whole_lines = log.read_bytes().rpartition(b"\n")[0].splitlines()
    for line in map(json.loads, (each for each in whole_lines if each.startswith(b"{"))):
        if line["message"] == "ready":
            return _port(line["listen"]), _port(line["ops_listen"])
    return None


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
