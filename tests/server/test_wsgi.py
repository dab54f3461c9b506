"""A WSGI application on the event loop, without a server."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from typing import Any

import pytest

from webhook.server.wsgi import MAX_BODY, on_event_loop

SCOPE: dict[str, Any] = {
    "type": "http",
    "method": "GET",
    "path": "/page",
    "query_string": b"a=%20",
    "headers": [(b"host", b"a"), (b"content-length", b"9"), (b"transfer-encoding", b"chunked"), (b"x-y", b"1")],
    "http_version": "1.1",
    "scheme": "http",
}


class Pages:
    """A WSGI application that says ok, with a wrong length. environs: what it was called with."""

    def __init__(self) -> None:
        self.environs: list[dict[str, Any]] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.environs.append(environ)
        start_response("200 OK", [("Content-Length", "2"), ("X-Z", "1"), ("Content-Type", "text/x")])
        return [b"ok"]


async def ask(application: Any, *pieces: bytes, **scope: Any) -> list[dict[str, Any]]:
    """What is sent for a request with a body in these pieces; after them its client goes."""
    sent: list[dict[str, Any]] = []
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces[:-1]]
    messages += [{"type": "http.request", "body": piece, "more_body": False} for piece in pieces[-1:]]

    async def receive() -> dict[str, Any]:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await application({**SCOPE, **scope}, receive, send)
    return sent


async def test_the_environment_is_that_of_pep_3333() -> None:
    """The length is that of the body, and of the body's framing nothing is left."""
    pages = Pages()
    await ask(on_event_loop(pages), b"a", b"bc", server=("10.0.0.1", 9080), client=("10.0.0.2", 1), path="/\u00e9")
    environ = pages.environs[0]
    assert environ.pop("wsgi.input").read() == b"abc"
    assert environ.pop("wsgi.errors").getvalue() == ""
    assert environ == {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/\u00c3\u00a9",
        "QUERY_STRING": "a=%20",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "10.0.0.1",
        "SERVER_PORT": "9080",
        "REMOTE_ADDR": "10.0.0.2",
        "CONTENT_LENGTH": "3",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "HTTP_HOST": "a",
        "HTTP_X_Y": "1",
    }


@pytest.mark.parametrize("addresses", [{}, {"server": None, "client": None}])
async def test_a_request_without_addresses_has_those_of_nobody(addresses: dict[str, Any]) -> None:
    """ASGI allows it."""
    pages = Pages()
    await ask(on_event_loop(pages), b"", **addresses)
    environ = pages.environs[0]
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"], environ["REMOTE_ADDR"]) == ("localhost", "80", "")


async def test_an_answer_has_its_length_once_and_its_headers_in_small_letters() -> None:
    """HTTP/1.1 has no letters' case in names, and ASGI wants small ones."""
    start, body = await ask(on_event_loop(Pages()), b"")
    assert (start["status"], body["body"]) == (200, b"ok")
    assert sorted(start["headers"]) == [(b"content-length", b"2"), (b"content-type", b"text/x"), (b"x-z", b"1")]


async def test_a_body_may_have_a_mebibyte() -> None:
    """A byte more is 413, and the connection ends, because the rest has not been read."""
    pages = Pages()
    half = b"x" * (MAX_BODY // 2)
    assert (await ask(on_event_loop(pages), half, half))[0]["status"] == 200
    start, _ = await ask(on_event_loop(pages), half, half, b"x")
    assert (start["status"], len(pages.environs)) == (413, 1)
    assert (b"connection", b"close") in start["headers"]
    assert MAX_BODY == 1024 * 1024


async def test_a_client_that_goes_gets_no_page() -> None:
    """Before its body is complete."""
    pages = Pages()
    assert await ask(on_event_loop(pages)) == []
    assert pages.environs == []


async def test_probes_pass_pages_that_wait_for_each_other() -> None:
    """One page is made in a turn of the loop, in their order; a probe is answered in the turn in which it comes."""
    pages, turn, made = Pages(), 0, list[tuple[str, int]]()
    application = on_event_loop(pages)

    async def one(path: str) -> None:
        await ask(application, b"", path=path)
        made.append((path, turn))

    paths = ["/metrics", "/", "/metrics", "/livez", "/readyz"]
    tasks = [asyncio.create_task(one(path)) for path in paths]
    async with asyncio.timeout(0.9):
        while not all(task.done() for task in tasks):
            await asyncio.sleep(0)
            turn += 1
    assert [environ["PATH_INFO"] for environ in pages.environs] == ["/metrics", "/livez", "/readyz", "/", "/metrics"]
    assert [path for path, _ in made[:2]] == ["/livez", "/readyz"]
    assert len({when for path, when in made if path not in ("/livez", "/readyz")}) == 3
    assert made[0][1] < made[2][1]


async def test_threads_take_turns_quickly_from_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter's switch interval is set once, and not by each request that is answered in a thread."""
    chosen: list[float] = []
    monkeypatch.setattr(sys, "setswitchinterval", chosen.append)
    application = on_event_loop(Pages())
    assert chosen == [0.001]
    for _ in range(2):
        await ask(application, b"", method="POST", path="/explain")
    assert chosen == [0.001]
