"""The metrics of `serve`: what is at the port, what never is, and what strangers can do to it."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import requests

from m365_identity._commands import metrics_port
from m365_identity._commands.metrics_port import MetricsPort
from tests.helper_commands.processes import Commands, Process

pytestmark = pytest.mark.slow

BODY = b"metric 1\n"
GET = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"
HEADER = "0a1b2c3d-4e5f-4a6b-8c7d-8e9f0a1b2c3d"
EXCHANGES = "m365_identity_exchanges_total"


@pytest.fixture
def port() -> Iterator[int]:
    """Of a server in this process."""
    with MetricsPort(port=0, exposition=lambda: BODY) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def answer(connection: socket.socket) -> bytes:
    """All that comes until the connection ends."""
    return b"".join(iter(lambda: connection.recv(4096), b""))


def send(port: int, raw: bytes) -> bytes:
    """The answer to `raw`, b"" if the connection was cut."""
    with connect(port) as connection, contextlib.suppress(ConnectionError):
        connection.sendall(raw)
        return answer(connection)
    return b""


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("target", ["/metrics", "/metrics?x=y"])
def test_prometheus_is_answered(port: int, host: str, target: str) -> None:
    """Over IPv4 and IPv6; a connection has one request."""
    connection = http.client.HTTPConnection(host, port, timeout=20)
    with contextlib.closing(connection):
        connection.request("GET", target)
        found = connection.getresponse()
        assert (found.status, found.read()) == (200, BODY)
    assert found.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert found.headers["Connection"] == "close"


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        (b"GET /msi/token?api-version=2019-08-01 HTTP/1.1\r\nHost: a\r\nX-IDENTITY-HEADER: x\r\n\r\n", 404),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        (b"GET /metrics/ HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        (b"POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 405),
        (b"PRI * HTTP/2.0\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\nHost: a\n\n", 400),
        (b"GET /metrics HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400),
    ],
)
def test_anything_else_is_refused(port: int, raw: bytes, status: int) -> None:
    """By its status alone: nothing of the request is said again."""
    said = send(port, raw)
    assert said.startswith(f"HTTP/1.1 {status} ".encode())
    body = said.partition(b"\r\n\r\n")[2]
    assert body in (b"Not Found\n", b"Method Not Allowed\n", b"Bad Request\n")


@pytest.mark.parametrize("raw", [b"GET /" + b"a" * 5000, GET[:-2] + b"a: b\r\n" * 1000, b"\0" * 5000])
def test_a_request_that_is_too_long_is_cut_off(port: int, raw: bytes) -> None:
    """After 4 KiB."""
    assert BODY not in send(port, raw + b"\r\n\r\n")


def test_a_slow_client_is_cut_off(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole request counts, however many bytes come in the meantime."""
    monkeypatch.setattr(metrics_port._Handler, "seconds", 0.3)
    began = time.monotonic()
    with connect(port) as connection, contextlib.suppress(ConnectionError):
        while time.monotonic() - began < 10:
            connection.sendall(b"a")
            connection.settimeout(0.05)
            with contextlib.suppress(TimeoutError):
                if not connection.recv(1):
                    break
    assert time.monotonic() - began < 5


def silent(port: int, count: int, stack: contextlib.ExitStack) -> Sequence[socket.socket]:
    """So many connections that say nothing."""
    return [stack.enter_context(connect(port)) for _ in range(count)]


def test_silent_clients_make_room(port: int) -> None:
    """The oldest ends at once, not after its five seconds."""
    with contextlib.ExitStack() as stack:
        first, *others = silent(port, 17, stack)
        assert answer(first) == b""
        for each in others:
            each.setblocking(False)
            with pytest.raises(BlockingIOError):
                each.recv(1)
        began = time.monotonic()
        assert send(port, GET).endswith(BODY)
        assert time.monotonic() - began < 3


def test_there_are_never_more_threads_than_places(port: int) -> None:
    """Whoever floods the port waits."""
    before = threading.active_count()
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            silent(port, 12, stack)
            assert threading.active_count() - before <= 16


def test_a_flood_is_slowed_down(port: int) -> None:
    """A request takes a millisecond of the processor, which is for the tokens: at most 50 in a second."""
    began = time.monotonic()
    for _ in range(30):
        assert send(port, GET).endswith(BODY)
    assert time.monotonic() - began > 29 * 0.02 - 0.01


def test_a_port_that_is_taken_is_an_error(port: int) -> None:
    """Not a second server that gets some of the requests."""
    with pytest.raises(OSError, match="Address already in use"):
        MetricsPort(port=port, exposition=lambda: b"")


# With `serve` as a process.


def start(commands: Commands, *arguments: str) -> tuple[Process, str]:
    """The sidecar, and the address of its endpoint."""
    commands.environ["IDENTITY_HEADER"] = HEADER
    process = commands.start("serve", "--endpoint", "http://127.0.0.1:0/msi/token", *arguments)
    return process, process.line_with("tokens of application").rpartition(" at ")[2]


def with_metrics(commands: Commands, *arguments: str) -> tuple[str, int]:
    """The address of the endpoint, and the port of the metrics."""
    process, url = start(commands, "--metrics-port", "0", *arguments)
    found = re.search(r"metrics at port (\d+)", process.line_with("metrics at port"))
    assert found
    return url, int(found[1])


def token(url: str) -> requests.Response:
    parameters = {"api-version": "2019-08-01", "resource": "https://graph.microsoft.com"}
    return requests.get(url, parameters, headers={"X-IDENTITY-HEADER": HEADER}, timeout=30)


def scrape(port: int) -> str:
    found = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=30)
    assert found.status_code == 200
    return found.text


def test_the_sidecar_counts_what_it_does(commands: Commands) -> None:
    """Before the first request for a token there are zeros, and the times of the pod's token."""
    url, port = with_metrics(commands, "--patience", "0")
    assert f'{EXCHANGES}{{code="",outcome="ok"}} 0.0' in scrape(port)
    assert "m365_identity_service_account_token_expires_timestamp_seconds " in scrape(port)
    assert token(url).status_code == 503
    commands.pod.federate()
    assert token(url).status_code == 200
    assert token(url).status_code == 200
    text = scrape(port)
    assert f'{EXCHANGES}{{code="",outcome="ok"}} 1.0' in text
    assert re.search(EXCHANGES + r'\{code="70\d+",outcome="refused"\} 1\.0', text)
    assert "m365_identity_access_token_expires_timestamp_seconds " in text


def test_strangers_learn_no_name_and_get_no_token(commands: Commands) -> None:
    """Whoever reaches the port: no tenant, application, subject or resource, and the endpoint is not behind it."""
    commands.pod.federate()
    url, port = with_metrics(commands)
    given = token(url).json()["access_token"]
    text = scrape(port)
    settings = commands.pod.application
    for name in (settings.client_id, settings.tenant_id, "terraform", "shop", "graph", HEADER, given, "eyJ"):
        assert name not in text
    refused = token(f"http://127.0.0.1:{port}/msi/token")
    assert (refused.status_code, refused.text) == (404, "Not Found\n")
    endpoint = re.sub(r"/msi/token$", "", url)
    assert requests.get(f"{endpoint}/metrics", timeout=30).status_code == 404


def test_without_the_flag_there_is_no_port(commands: Commands) -> None:
    """The endpoint listens on loopback, and nothing else does."""
    process, _ = start(commands)
    assert [line.split()[1].partition(":")[0] for line in listening(process.pid)] == ["0100007F"]


def listening(pid: int) -> list[str]:
    """The lines of the kernel's tables for the sockets on which this process listens."""
    own = set()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            own.add(str(each.readlink()))
    tables = [Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    lines = [line for table in tables for line in table]
    return [line for line in lines if line.split()[3] == "0A" and f"socket:[{line.split()[9]}]" in own]


def test_a_port_that_is_taken_costs_no_token(commands: Commands, port: int) -> None:
    """Another container of the pod may have it; the log says so."""
    commands.pod.federate()
    commands.environ["IDENTITY_HEADER"] = HEADER
    process = commands.start("serve", "--endpoint", "http://127.0.0.1:0/msi/token", "--metrics-port", str(port))
    assert f"cannot listen on port {port}: Address already in use" in process.line_with("no metrics")
    assert token(process.line_with("tokens of application").rpartition(" at ")[2]).status_code == 200


def test_without_prometheus_client_it_says_what_to_install(commands: Commands, tmp_path: Path) -> None:
    """As an error of usage, before anything is served."""
    (tmp_path / "prometheus_client.py").write_text("raise ImportError\n")
    commands.environ["PYTHONPATH"] = str(tmp_path)
    commands.environ["IDENTITY_HEADER"] = HEADER
    done = commands.run("serve", "--endpoint", "http://127.0.0.1:0/msi/token", "--metrics-port", "0")
    assert done.code == 2
    assert "WIH008" in done.err


@pytest.mark.parametrize("value", ["-1", "65536"])
def test_a_port_is_a_port(commands: Commands, value: str) -> None:
    """Said by argparse."""
    done = commands.run("serve", f"--metrics-port={value}")
    assert done.code == 2
    assert f'"{value}" is not a port from 0 to 65535' in done.err
