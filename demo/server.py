"""The webhook as a process, with a certificate that is made here."""

import http.client
import os
import socket
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

_START_SECONDS = 30.0


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
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=10)
        try:
            headers = {"Content-Type": "application/json", "User-Agent": "kube-apiserver-admission"}
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def stop(self) -> None:
        """Stops the process as Kubernetes does, and waits for its end. A second call does nothing."""
        self.process.terminate()
        try:
            self.process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def running(folder: Path, arguments: Sequence[str], *, certificates: str = "files", port: int = 0) -> Iterator[Running]:
    """The webhook, started with `arguments` and stopped at the end. Its certificate and log go to `folder`.

    certificates: `files` for a certificate that is made here, or another mode of the webhook. port: 0 for a free one.
    """
    now = datetime.now(UTC)
    authority = make_authority(now=now, lifetime=timedelta(days=1))
    pair = make_leaf(authority, names=["localhost", "127.0.0.1"], now=now, lifetime=timedelta(hours=12))
    both, log = folder / "tls.pem", folder / "webhook.log"
    both.touch(mode=0o600)
    both.write_bytes(pair.private_pem())
    port, ops_port = port or free_port(), free_port()
    command = [
        *(sys.executable, "-m", "webhook", "serve"),
        *("--listen", f"127.0.0.1:{port}", "--ops-listen", f"127.0.0.1:{ops_port}"),
        *("--certificates", certificates),
        *(("--tls-cert", str(both)) if certificates == "files" else ()),
        *arguments,
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=dict(os.environ))
    webhook = Running(port, ops_port, authority.pem, log, process)
    try:
        _await_ready(process, ops_port, log)
        yield webhook
    finally:
        webhook.stop()


def free_port() -> int:
    """A free port of the loopback address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await_ready(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.05)
    raise RuntimeError(f"the webhook is not ready; its log:\n{log.read_text()}")
