"""Floods on the operations port: the kubelet's probes are answered all the same."""

import contextlib
import threading
import time
from collections.abc import Iterator

import pytest

from tests.attacks.beside import Webhook, seen_beside

pytestmark = pytest.mark.slow

METRICS = b"GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n"


@contextlib.contextmanager
def metrics_without_a_pause(webhook: Webhook, count: int) -> Iterator[None]:
    """So many clients ask for metrics, 20 times in one write, and again as soon as they are answered or cut off."""
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            with contextlib.suppress(OSError), webhook.operations() as client:
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


def silent(webhook: Webhook, count: int, stack: contextlib.ExitStack) -> None:
    """So many connections that never say a word."""
    for _ in range(count):
        stack.enter_context(webhook.operations())


@pytest.mark.parametrize("scrapers", [0, 16, 100])
def test_every_probe_is_answered_within_a_second(webhook: Webhook, scrapers: int) -> None:
    """200 silent connections, and clients that ask for metrics without a pause: more than there are places, too."""

    def attack() -> None:
        with contextlib.ExitStack() as stack:
            stack.enter_context(metrics_without_a_pause(webhook, scrapers))
            for _ in range(25):
                silent(webhook, 8, stack)
                time.sleep(0.05)

    seen = seen_beside(webhook, attack)
    assert seen.failures == []
    assert seen.probe < 1
