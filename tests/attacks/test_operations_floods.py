"""Floods on the operations port: the kubelet's probes are answered all the same."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.server.conftest import Server

pytestmark = pytest.mark.slow

METRICS = b"GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n"


@contextlib.contextmanager
def metrics_without_a_pause(server: Server, count: int) -> Iterator[None]:
    """So many clients ask for metrics, 20 times in one write, and again as soon as they are answered or cut off."""
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            with contextlib.suppress(OSError), server.operations() as client:
                while not stop.is_set():
                    client.send(METRICS * 20)
                    for _ in range(20):
                        client.response()

    threads = [threading.Thread(target=ask) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def probe(server: Server, path: str) -> float:
    """Seconds that a probe takes, as the kubelet sends it: on a connection of its own."""
    start = time.monotonic()
    with server.operations() as client:
        assert client.get(path, connection="close").status == 200
    return time.monotonic() - start


def silent(server: Server, count: int, stack: contextlib.ExitStack) -> None:
    """So many connections that never say a word."""
    for _ in range(count):
        stack.enter_context(server.operations())


@pytest.mark.parametrize("scrapers", [0, 16, 100])
def test_every_probe_is_answered_within_a_second(serve: Callable[..., Server], scrapers: int) -> None:
    """200 silent connections, and clients that ask for metrics without a pause: more than there are places, too."""
    server = serve().ready()
    with contextlib.ExitStack() as stack:
        stack.enter_context(metrics_without_a_pause(server, scrapers))
        worst = 0.0
        for number in range(26):
            silent(server, 8, stack)
            worst = max(worst, probe(server, ("/livez", "/readyz")[number % 2]))
            time.sleep(0.05)
        assert worst < 1
        assert server.ask().status == 200
