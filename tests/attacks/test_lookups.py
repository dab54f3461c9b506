"""A flood of made-up ServiceAccounts at the webhook's port, before a slow API server: real processes and sockets.

tests/accounts/test_turns.py has the exact times, in virtual time.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from demo.server import Running, running
from testbed.cluster.kubeconfig import Access, render
from testbed.cluster.pki import Authority
from tests.core.cases import USUAL_ANNOTATIONS
from tests.core.support import body, pod
from tests.server.client import post
from webhook.accounts import fair_queues

pytestmark = pytest.mark.slow

STRANGERS = 250  # connections; each asks for one name after the other
"""What a busy machine delays, it delays for all: so nothing is timed here: the order of the questions is counted."""


class ApiServer(ThreadingHTTPServer):
    """Answers after `seconds`. In the namespace `shop` every ServiceAccount exists, elsewhere none."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seconds = 0.0
        self.asked: list[str] = []  # for which names, in order
        self.under_way = self.most_under_way = 0
        self.lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    """One connection of the webhook."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: ApiServer

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(201, {"status": {"allowed": True}})

    def do_GET(self) -> None:
        *_, namespace, _, name = self.path.split("/")
        with self.server.lock:
            self.server.asked.append(name)
            self.server.under_way += 1
            self.server.most_under_way = max(self.server.most_under_way, self.server.under_way)
        time.sleep(self.server.seconds)
        with self.server.lock:
            self.server.under_way -= 1
        if namespace != "shop":
            self.answer(404, {"kind": "Status", "message": "not found"})
            return
        self.answer(200, {"metadata": {"namespace": namespace, "name": name, "annotations": USUAL_ANNOTATIONS}})

    def answer(self, status: int, document: object) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError):  # the webhook may have ended
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """The output of the test is for the test."""


@pytest.fixture
def api_server() -> Iterator[ApiServer]:
    with ApiServer() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def webhook(api_server: ApiServer, tmp_path: Path) -> Iterator[Running]:
    access = Access(f"http://127.0.0.1:{api_server.server_port}", Authority().certificate, token="a")
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(render(access))
    with running(tmp_path, ["--kubeconfig", str(kubeconfig)]) as webhook:
        yield webhook


class Connection:
    """A kept TLS connection to the webhook."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, webhook: Running, context: ssl.SSLContext) -> AsyncIterator[Connection]:
        reader, writer = await asyncio.open_connection("127.0.0.1", webhook.port, ssl=context)
        try:
            yield cls(reader, writer)
        finally:
            writer.transport.abort()

    async def ask(self, namespace: str, name: str) -> tuple[int, bytes]:
        """The status of a review for a pod of that ServiceAccount, and its answer."""
        self.writer.write(post(body(pod(serviceAccountName=name), namespace=namespace), path="/mutate?timeout=10s"))
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        return int(head.split()[1]), await self.reader.readexactly(int(length.split(b":")[1]))


async def beside_strangers(
    api_server: ApiServer, webhook: Running, namespace: Callable[[int], str], asked: int
) -> list[int]:
    """For each of `asked` look-ups in `shop`, beside a flood of names: how many names came before it."""
    context = ssl.create_default_context(cadata=webhook.authority)
    numbers, flooded = itertools.count(), asyncio.Event()

    async def flood() -> None:
        async with Connection.open(webhook, context) as connection:
            while True:
                number = next(numbers)
                if number == STRANGERS:
                    flooded.set()
                await connection.ask(namespace(number), f"made-up-{number}")

    strangers = []
    try:
        async with Connection.open(webhook, context) as victim:
            await victim.ask("shop", "first")
            strangers = [asyncio.ensure_future(flood()) for _ in range(STRANGERS)]
            await flooded.wait()
            before = [await names_before(api_server, victim, f"app-{number}") for number in range(asked)]
            assert not any(each.done() for each in strangers), "a stranger's connection ended"
    finally:
        for each in strangers:
            each.cancel()
        await asyncio.gather(*strangers, return_exceptions=True)
    await asyncio.sleep(0)  # the aborted connections close
    return before


async def names_before(api_server: ApiServer, victim: Connection, name: str) -> int:
    """How many names the API server is asked for while a pod of that ServiceAccount waits for its turn."""
    start = len(api_server.asked)
    status, answer = await victim.ask("shop", name)
    assert status == 200
    assert b"patch" in answer
    return api_server.asked.index(name) - start


@pytest.mark.parametrize("namespace", [lambda _: "evil", lambda number: f"n{number}"], ids=["one", "many"])
def test_a_victim_waits_for_its_own_question_only(
    api_server: ApiServer, webhook: Running, namespace: Callable[[int], str]
) -> None:
    """Beside strangers in one namespace, or in as many as they like: it is asked next, and not after those who wait."""
    api_server.seconds = 1.0
    before = asyncio.run(beside_strangers(api_server, webhook, namespace, 4))
    assert max(before) <= fair_queues.MOST_OF_STRANGERS
    assert api_server.most_under_way <= fair_queues.MOST_OF_STRANGERS + 1


def test_an_api_server_that_is_quick_gets_no_more_than_the_rate(api_server: ApiServer, webhook: Running) -> None:
    """After the burst, and the victim is served meanwhile."""
    start = time.monotonic()
    before = asyncio.run(beside_strangers(api_server, webhook, lambda _: "evil", 200))
    seconds = time.monotonic() - start
    assert len(api_server.asked) <= fair_queues.BURST + fair_queues.RATE * seconds + 201
    assert sorted(before)[len(before) // 2] <= fair_queues.MOST_OF_STRANGERS
