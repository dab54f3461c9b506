"""The operations application, for people and probes: plain HTTP on a port of its own, in the process that reviews.

    /livez     200 while the process and its event loop are alive: the loop itself has to answer
    /readyz    200 when every check passes, else 503; a line a check: `[+] name: detail` or `[-] name: detail`
    /metrics   for Prometheus, in the format that it asks for
    /          these three

A Flask application, called on the event loop and not in a thread: everything here takes well under a millisecond, a
thread would compete with reviews for the interpreter, and a pool of threads is something that a client who reads slowly
can fill up. What a page asks of a person's CPU time for longer than that has to go to a thread.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from io import BytesIO, StringIO
from typing import Any, Final

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from webhook.metrics import Metrics
from webhook.server.application import CLOSE, Receive, Scope, Send, State

Check = Callable[[], tuple[bool, str]]
"""Whether something is as it should be, and a detail of one line. Called on the event loop: it must not wait."""

MAX_BODY: Final = 1024 * 1024

_log = logging.getLogger("webhook")


def create_operations(state: State, metrics: Metrics, checks: Mapping[str, Check] | None = None) -> Flask:
    """The application. `checks` are asked by /readyz in their order, after one on the server itself."""
    application = Flask("webhook.server.operations", static_folder=None)
    every_check = {"server": lambda: _server(state), **(checks or {})}

    @application.get("/")
    def index() -> Response:
        return _text("/livez\n/readyz\n/metrics\n")

    @application.get("/livez")
    def livez() -> Response:
        return _text("ok\n")

    @application.get("/readyz")
    def readyz() -> Response:
        results = {name: _asked(name, check) for name, check in every_check.items()}
        lines = [f"[{'+' if passed else '-'}] {name}: {detail}\n" for name, (passed, detail) in results.items()]
        return _text("".join(lines), 200 if all(passed for passed, _ in results.values()) else 503)

    @application.get("/metrics")
    def metrics_page() -> Response:
        content, content_type = metrics.exposition(request.headers.get("Accept", ""))
        return Response(content, content_type=content_type)

    @application.errorhandler(Exception)
    def failed(error: Exception) -> Response:
        if isinstance(error, HTTPException):
            return _text(f"{error.name.lower()}\n", error.code or 500)
        _log.error("%s failed", request.path, exc_info=error)
        return _text("internal error\n", 500)

    return application


def _server(state: State) -> tuple[bool, str]:
    if state.stopped:
        return False, "stopped"
    if state.draining:
        return False, "draining"
    return (True, "serving") if state.started else (False, "starting")


def _asked(name: str, check: Check) -> tuple[bool, str]:
    try:
        passed, detail = check()
    except Exception as error:  # noqa: BLE001 - a check that breaks is a check that fails
        _log.exception("the check %s failed", name)
        return False, type(error).__name__
    return passed, " ".join(detail.split())


def _text(text: str, status: int = 200) -> Response:
    return Response(text, status, content_type="text/plain; charset=utf-8")


def on_event_loop(application: Flask) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """`application` as an ASGI callable that runs it on the event loop, once the whole request is there."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"no {scope['type']} here")
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return
            body += message["body"]
            more = message["more_body"]
            if len(body) > MAX_BODY:
                await _respond(send, AnyResponse("request entity too large\n", 413), (CLOSE,))
                return
        await _respond(send, AnyResponse.from_app(application, _environ(scope, bytes(body)), buffered=True))

    return call


async def _respond(send: Send, response: AnyResponse, more: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    content = response.get_data()
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
    headers = [header for header in headers if header[0] != b"content-length"]
    length = (b"content-length", b"%d" % len(content))
    await send({"type": "http.response.start", "status": response.status_code, "headers": [*headers, length, *more]})
    await send({"type": "http.response.body", "body": content})


def _environ(scope: Scope, body: bytes) -> dict[str, Any]:
    """The WSGI environment (PEP 3333) of an ASGI scope."""
    host, port = scope.get("server") or ("localhost", 80)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode().decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "REMOTE_ADDR": (scope.get("client") or ("",))[0],
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": BytesIO(body),
        "wsgi.errors": StringIO(),  # nobody writes to it: Flask logs like everything else
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in scope["headers"]:
        key = name.decode("latin-1").upper().replace("-", "_")
        if key == "CONTENT_TYPE":
            environ[key] = value.decode("latin-1")
        elif key not in ("CONTENT_LENGTH", "TRANSFER_ENCODING"):
            key = f"HTTP_{key}"
            environ[key] = f"{environ[key]},{value.decode('latin-1')}" if key in environ else value.decode("latin-1")
    return environ
