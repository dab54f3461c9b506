"""The port for metrics of the sidecar, which every pod of the cluster may reach: floods there cost the pod no token."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from testbed.entra import running
from tests.helper_commands.processes import Commands, Pod, Process

pytestmark = pytest.mark.slow

HEADER = "0a1b2c3d-4e5f-4a6b-8c7d-8e9f0a1b2c3d"
ATTACKS = {
    "silence": b"",
    "half a request": b"GET /metrics HTTP/1.1\r\nHost: a\r\n",
    "metrics without a pause": b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n",
    "a long line": b"GET /" + b"a" * 100_000,
    "no end of headers": b"GET /metrics HTTP/1.1\r\n" + b"a: b\r\n" * 20_000,
    "not HTTP": bytes(range(256)) * 100,
    "the token endpoint": b"GET /msi/token?api-version=2019-08-01&resource=https://graph.microsoft.com HTTP/1.1\r\n"
    b"Host: a\r\nX-IDENTITY-HEADER: " + HEADER.encode() + b"\r\n\r\n",
}


class Sidecar:
    """A running token endpoint with metrics."""

    def __init__(self, commands: Commands) -> None:
        commands.pod.federate()
        commands.environ["IDENTITY_HEADER"] = HEADER
        flags = ("--endpoint", "http://127.0.0.1:0/msi/token", "--metrics-port", "0")
        self.process: Process = commands.start("serve", *flags)
        self.url = self.process.line_with("tokens of application").rpartition(" at ")[2]
        found = re.search(r"port (\d+)", self.process.line_with("metrics at port"))
        assert found
        self.port = int(found[1])

    def token(self) -> float:
        """Gets one, and returns how long it took, in seconds."""
        began = time.monotonic()
        parameters = {"api-version": "2019-08-01", "resource": "https://graph.microsoft.com"}
        answer = requests.get(self.url, parameters, headers={"X-IDENTITY-HEADER": HEADER}, timeout=30)
        assert answer.status_code == 200, answer.text
        return time.monotonic() - began

    def memory(self) -> int:
        """In KiB."""
        found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())
        assert found
        return int(found[1])

    def threads(self) -> int:
        found = re.search(r"Threads:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())
        assert found
        return int(found[1])


@pytest.fixture(scope="module")
def sidecar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidecar]:
    with running() as entra, Commands(Pod(entra, tmp_path_factory.mktemp("pod"))) as commands:
        yield Sidecar(commands)


@contextlib.contextmanager
def attack(port: int, data: bytes, count: int) -> Iterator[list[bytes]]:
    """So many clients send this, wait for the end of their connection, and begin again. Gives what was answered."""
    stop = threading.Event()
    answers: list[bytes] = []

    def client() -> None:
        while not stop.is_set():
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                connection.sendall(data)
                answers.append(b"".join(iter(lambda: connection.recv(4096), b"")))

    threads = [threading.Thread(target=client) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("data", ATTACKS.values(), ids=ATTACKS.keys())
def test_tokens_are_given_all_the_same(sidecar: Sidecar, data: bytes) -> None:
    """Forty clients: tokens come as fast as before, with few threads and little memory, and no attacker gets one."""
    sidecar.token()
    before = sidecar.memory()
    with attack(sidecar.port, data, 40) as answers:
        slowest, most = 0.0, 0
        for _ in range(10):
            slowest, most = max(slowest, sidecar.token()), max(most, sidecar.threads())
            time.sleep(0.03)
    assert slowest < 5  # each would wait for a place otherwise
    assert most <= 16 + 10  # with those of the endpoint
    assert sidecar.memory() - before < 8 * 1024
    assert not any(b'"access_token"' in each or b"eyJ" in each for each in answers)


def test_afterwards_it_is_scraped_as_before(sidecar: Sidecar) -> None:
    """Also right behind a flood that goes on: a scrape finds its place within seconds."""
    with attack(sidecar.port, b"", 40):
        assert scraped(sidecar.port)
    assert scraped(sidecar.port)


def scraped(port: int) -> bool:
    """Whether Prometheus, which tries again at each interval, gets its answer in one of ten tries."""
    for _ in range(10):
        with contextlib.suppress(requests.RequestException):
            answer = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10)
            if "m365_identity_exchanges_total" in answer.text:
                return True
    return False
