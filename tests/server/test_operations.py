"""The operations application, by itself and behind the event loop."""

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint
from flask.testing import FlaskClient

from tests.server.client import post
from tests.server.conftest import Server
from webhook.metrics import Metrics
from webhook.server.lifecycle import Lifecycle
from webhook.server.operations import Check, create_operations, is_ready
from webhook.server.wsgi import on_event_loop

Serve = Callable[..., Server]


def pages(lifecycle: Lifecycle | None = None, **checks: Check) -> FlaskClient:
    return create_operations(lifecycle or Lifecycle(started=True), Metrics(version="1.2.3"), checks).test_client()


def test_readyz_names_every_check_in_order() -> None:
    """One line a check, 200 only when all pass."""
    client = pages(certificate=lambda: (True, "valid until Monday"), trust=lambda: (True, "published"))
    response = client.get("/readyz")
    assert (response.status_code, response.mimetype) == (200, "text/plain")
    assert response.text == "[+] server: serving\n[+] certificate: valid until Monday\n[+] trust: published\n"


def test_readyz_is_503_when_one_check_fails() -> None:
    """The others are asked and shown all the same."""
    response = pages(trust=lambda: (False, "not\npublished"), api=lambda: (True, "reached")).get("/readyz")
    assert response.status_code == 503
    assert response.text.splitlines()[1:] == ["[-] trust: not published", "[+] api: reached"]


@pytest.mark.parametrize(("started", "passes"), [(True, True), (True, False), (False, True)])
def test_a_replica_is_ready_if_readyz_says_so(started: bool, passes: bool) -> None:
    """All checks have to pass, that of the server as well."""
    checks: dict[str, Check] = {"trust": lambda: (passes, "said")}
    assert is_ready(Lifecycle(started=started), checks) is (started and passes)
    assert pages(Lifecycle(started=started), **checks).get("/readyz").status_code == (
        200 if started and passes else 503
    )


def test_a_check_that_breaks_is_a_check_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    """Its error is for the log; the page names only its kind."""

    def broken() -> tuple[bool, str]:
        raise LookupError("details")

    response = pages(broken=broken).get("/readyz")
    assert (response.status_code, response.text.splitlines()[1]) == (503, "[-] broken: LookupError")
    assert "the check broken failed" in caplog.text


@pytest.mark.parametrize(
    ("lifecycle", "said"),
    [
        (Lifecycle(), "starting"),
        (Lifecycle(started=True, draining=True), "draining"),
        (Lifecycle(started=True, draining=True, stopped=True), "stopped"),
    ],
)
def test_readyz_knows_the_life_of_the_server(lifecycle: Lifecycle, said: str) -> None:
    """Not ready before the start and after SIGTERM, while liveness holds."""
    client = pages(lifecycle)
    assert (client.get("/readyz").status_code, client.get("/readyz").text) == (503, f"[-] server: {said}\n")
    assert (client.get("/livez").status_code, client.get("/livez").text) == (200, "ok\n")


def test_the_index_lists_pages_that_exist() -> None:
    """And nothing else does."""
    client = pages()
    listed = client.get("/").text.split()
    assert listed == ["/startupz", "/livez", "/readyz", "/metrics"]
    assert [client.get(path).status_code for path in listed] == [200, 200, 200, 200]
    missing = client.get("/static/x")
    assert (missing.status_code, missing.text, missing.mimetype) == (404, "not found\n", "text/plain")
    assert client.post("/livez").status_code == 405


@pytest.mark.parametrize(
    ("accept", "content_type", "ending"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8", ""),
        ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text; version=1.0.0", "# EOF\n"),
    ],
)
def test_metrics_come_in_the_format_that_is_asked_for(accept: str, content_type: str, ending: str) -> None:
    """Prometheus asks for OpenMetrics; curl gets the older text."""
    response = pages().get("/metrics", headers={"Accept": accept})
    assert response.content_type.startswith(content_type)
    assert response.text.endswith(ending)
    assert 'm365wi_build_info{version="1.2.3"} 1.0\n' in response.text


def test_a_bug_in_a_page_is_500_without_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """As everywhere."""
    application = create_operations(Lifecycle(), Metrics(version="1"))

    @application.get("/bug")
    def bug() -> str:
        raise RuntimeError("ours")

    response = application.test_client().get("/bug")
    assert (response.status_code, response.text) == (500, "internal error\n")
    assert "RuntimeError: ours" in caplog.text


@pytest.mark.slow
def test_liveness_is_the_event_loops(serve: Serve, tmp_path: Path) -> None:
    """While the loop that reviews stands still, /livez is not answered; it is when the loop turns again."""
    server = serve().ready()
    with server.client() as client, server.operations() as probe:
        assert probe.get("/livez").status == 200
        client.send(post({"uid": "block", "block": str(tmp_path / "go-on")}))
        server.wait_for("blocking")
        probe.send(b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n")
        probe.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            probe.response()
        (tmp_path / "go-on").touch()
        probe.socket.settimeout(10)
        assert probe.response().status == 200


def test_the_real_server_serves_all_pages(server: Server) -> None:
    """On their own port, without TLS, on one connection, HEAD as well."""
    with server.operations() as client:
        assert client.get("/livez").body == b"ok\n"
        assert client.get("/readyz").body == b"[+] server: serving\n[+] weather: sun\n"
        assert client.get("/metrics", accept="application/openmetrics-text").body.endswith(b"# EOF\n")
        assert client.get("/%2e%2e/etc").status == 404
        assert client.get("/caf%c3%a9?x=%ff").status == 404
        client.send(b"HEAD /livez HTTP/1.1\r\nhost: a\r\n\r\nGET /livez HTTP/1.1\r\nhost: a\r\n\r\n")
        assert client._until(b"\r\n\r\n").startswith(b"HTTP/1.1 200 OK\r\n")
        assert client.response().body == b"ok\n"


def test_the_ports_do_not_serve_each_others_pages(server: Server) -> None:
    """No metrics over TLS, no reviews without it."""
    with server.client() as reviews, server.operations() as operations:
        assert reviews.get("/metrics").status == 404
        assert operations.ask(path="/mutate").status == 404


@pytest.mark.slow
def test_a_failing_check_shows_in_the_real_server(serve: Serve) -> None:
    """Reviews are served all the same: readiness is for kube-proxy, it does not refuse calls."""
    server = serve(rain=True).ready()
    with server.operations() as client:
        response = client.get("/readyz")
    assert (response.status, response.body) == (503, b"[+] server: serving\n[-] weather: rain\n")
    assert server.ask().status == 200


async def called(application: Any, **scope: Any) -> tuple[list[dict[str, Any]], threading.Thread | None]:
    """What an ASGI callable sends for a request."""
    sent: list[dict[str, Any]] = []
    body = [{"type": "http.request", "body": scope.pop("body", b""), "more_body": False}]

    async def receive() -> dict[str, Any]:
        return body.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    base = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [], "http_version": "1.1"}
    await application({**base, "scheme": "http", **scope}, receive, send)
    return sent, None


async def test_flask_sees_the_request_as_it_was_sent() -> None:
    """Method, path, query, repeated headers and body arrive, and the page runs on the event loop."""
    application = create_operations(Lifecycle(), Metrics(version="1"))
    seen: dict[str, Any] = {}

    @application.post("/echo/<name>")
    def echo(name: str) -> str:
        from flask import request

        seen.update(name=name, args=request.args.getlist("a"), data=request.get_data(), x=request.headers["X-Y"])
        seen.update(thread=threading.current_thread(), loop=asyncio.get_running_loop())
        return "done"

    headers = [(b"x-y", b"1"), (b"x-y", b"2"), (b"content-type", b"text/x"), (b"host", b"localhost")]
    sent, _ = await called(
        on_event_loop(application),
        method="POST",
        path="/echo/\u00e9",
        query_string=b"a=1&a=2",
        headers=headers,
        body=b"hi",
    )
    assert sent[0]["status"] == 200
    assert seen == {
        "name": "\u00e9",
        "args": ["1", "2"],
        "data": b"hi",
        "x": "1,2",
        "thread": threading.current_thread(),
        "loop": asyncio.get_running_loop(),
    }


async def test_a_big_body_is_refused() -> None:
    """Nothing here needs more than a megabyte."""
    sent, _ = await called(
        on_event_loop(create_operations(Lifecycle(), Metrics(version="1"))), body=b"x" * (1024 * 1024 + 1)
    )
    assert sent[0]["status"] == 413
    assert (b"connection", b"close") in sent[0]["headers"]


async def test_a_slow_page_has_a_thread_and_rests_as_long_as_it_took() -> None:
    """One at a time: the event loop goes on meanwhile, and a second one waits until the first has rested."""
    application = create_operations(Lifecycle(), Metrics(version="1"))
    begun: list[float] = []
    ended: list[float] = []
    loop, has_begun = asyncio.get_running_loop(), asyncio.Event()

    @application.post("/explain")
    def explain() -> str:
        begun.append(time.monotonic())
        loop.call_soon_threadsafe(has_begun.set)
        assert threading.current_thread() is not threading.main_thread()
        released.wait(60)
        ended.append(time.monotonic())
        return "done"

    released = threading.Event()
    asgi = on_event_loop(application)
    first, second = (asyncio.create_task(called(asgi, method="POST", path="/explain")) for _ in range(2))
    await has_begun.wait()
    sent, _ = await called(asgi, path="/livez")
    assert sent[0]["status"] == 200
    assert len(begun) == 1
    await asyncio.sleep(0.1)
    released.set()
    for each in (first, second):
        assert (await each)[0][0]["status"] == 200
    assert begun[1] - ended[0] >= 0.9 * (ended[0] - begun[0])


async def test_other_pages_of_the_folder_have_no_thread() -> None:
    """Only what is posted takes long."""
    application = create_operations(Lifecycle(), Metrics(version="1"))

    @application.get("/explain")
    def form() -> str:
        assert threading.current_thread() is threading.main_thread()
        return "form"

    sent, _ = await called(on_event_loop(application), path="/explain")
    assert sent[0]["status"] == 200


def test_more_pages_are_listed() -> None:
    """With the four that are always there."""
    more = Blueprint("more", __name__, url_prefix="/more")
    client = create_operations(Lifecycle(started=True), Metrics(version="1"), more=[more]).test_client()
    assert client.get("/").text.split() == ["/startupz", "/livez", "/readyz", "/metrics", "/more"]
