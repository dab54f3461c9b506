"""A real server process, its certificates and its log; and what connections share, for tests without a process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import resource
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pytest

from certs.authority import make_leaf
from testbed.cluster.processes import wait_until
from tests.authorities import make_authority
from tests.server.client import Client, Response
from webhook.metrics import Metrics
from webhook.server.lifecycle import Lifecycle
from webhook.server.limits import Limits
from webhook.server.open_connections import OpenConnections
from webhook.server.shared import Shared

ENTRY = Path(__file__).with_name("entry.py")
ROOT = ENTRY.parents[2]
PATIENCE = 120.0  # seconds, for what takes one

# One process holds both ends of hundreds of connections.
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard != resource.RLIM_INFINITY else max(soft, 8192), hard))


class Server:
    """A webhook process and everything that it has logged."""

    def __init__(
        self,
        folder: Path,
        *,
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] | None = None,
        **options: Any,
    ) -> None:
        """folder: of the certificates. command: instead of entry.py with the options."""
        self.ca = folder / "ca.pem"
        usual = [str(ENTRY), json.dumps({"folder": str(folder), **options})]
        arguments = [sys.executable, *(command or usual)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default", **(environment or {})}
        # A session of its own, so that parent and worker can be ended together.
        self.process = subprocess.Popen(
            arguments, stderr=subprocess.PIPE, env=environment, cwd=folder, start_new_session=True
        )
        self.text: list[bytes] = []
        self._news = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._news:
                self.text.append(line)
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    @property
    def lines(self) -> list[dict[str, Any]]:
        with self._news:
            return [json.loads(line) for line in self.text]

    def wait_for(self, message: str, *, count: int = 1, **values: Any) -> dict[str, Any]:
        """The line number `count` with this message and these values."""
        deadline = time.monotonic() + PATIENCE
        with self._news:
            while True:
                found = [json.loads(line) for line in self.text]
                found = [line for line in found if line["message"] == message and values.items() <= line.items()]
                if len(found) >= count:
                    line: dict[str, Any] = found[count - 1]
                    return line
                if self._ended or not self._news.wait(deadline - time.monotonic()):
                    raise AssertionError(f"never logged: {message} {values}\n{b''.join(self.text).decode()}")

    def ready(self) -> Self:
        ready = self.wait_for("ready")
        self.port = int(ready["listen"].rpartition(":")[2])
        self.ops_port = int(ready["ops_listen"].rpartition(":")[2])
        return self

    @property
    def worker(self) -> int:
        """The worker's process id."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0])

    def context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.ca))
        context.check_hostname = False
        return context

    def client(self, context: ssl.SSLContext | None = None) -> Client:
        return Client(self.port, context or self.context())

    def operations(self) -> Client:
        return Client(self.ops_port, None)

    def ask(self, body: bytes | dict[str, Any] = b"{}", **options: str) -> Response:
        """One request on a connection of its own."""
        with self.client() as client:
            return client.ask(body, **options)

    def metric(self, name: str) -> float:
        """The value of a series, named as Prometheus prints it."""
        text = self._metrics()
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
        assert found, f"{name} is not in\n{text}"
        return float(found[1])

    def _metrics(self) -> str:
        """The page, asked for again if this process is so slow that the server lost patience with it."""
        for _ in range(10):
            with contextlib.suppress(OSError), self.operations() as client:
                response = client.get("/metrics")
                if response.status == 200:
                    return response.body.decode()
        raise AssertionError("the metrics cannot be read")

    def refused(self, cause: str) -> float:
        return self.metric(f'm365wi_connections_refused_total{{cause="{cause}"}}')

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """For what only the process itself can tell, by its metrics. A connection that it refuses says nothing yet."""
        wait_until(condition, "what was waited for", seconds=PATIENCE)

    def end(self, *, kill: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal, and wait for the process to end; its exit code."""
        self.process.send_signal(kill)
        return self.wait()

    def wait(self) -> int:
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code

    def destroy(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ca.pem, pair-first.pem and pair-second.pem, good for a day, as all tests share them."""
    folder = tmp_path_factory.mktemp("certificates")
    now, day = datetime.now(UTC), timedelta(days=1)
    authority = make_authority(now=now, lifetime=day)
    (folder / "ca.pem").write_text(authority.pem)
    for name in ("first", "second"):
        pair = make_leaf(authority, names=["webhook", "127.0.0.1"], now=now, lifetime=day)
        (folder / f"pair-{name}.pem").write_bytes(pair.private_pem())
    return folder


@pytest.fixture
def serve(certificates: Path) -> Iterator[Callable[..., Server]]:
    """Starts a server with the given options; it is gone after the test."""
    servers: list[Server] = []

    def start(**options: Any) -> Server:
        servers.append(Server(certificates, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.destroy()


@pytest.fixture(scope="session")
def server(certificates: Path) -> Iterator[Server]:
    """One with the limits that it has in production, for tests that leave it as they found it."""
    server = Server(certificates)
    yield server.ready()
    server.destroy()


@pytest.fixture(scope="session")
def impatient(certificates: Path) -> Iterator[Server]:
    """One with time limits that a test can wait for."""
    server = Server(certificates, limits={"handshake": 2.0, "request": 2.0})
    yield server.ready()
    server.destroy()


@pytest.fixture
async def shared() -> Shared:
    """What connections have in common, on the event loop of the test."""
    loop, limits = asyncio.get_running_loop(), Limits(shutdown=0.01)
    return Shared(
        loop=loop,
        application=None,  # type: ignore[arg-type]
        lifecycle=Lifecycle(),
        metrics=Metrics(version="1"),
        limits=limits,
        connections=OpenConnections(loop, limits),
    )
