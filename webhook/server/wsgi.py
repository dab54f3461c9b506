"""A WSGI application (Flask) as an ASGI application."""

import asyncio
import sys
import time
from collections.abc import Container
from io import BytesIO, StringIO
from typing import Any, Final
from wsgiref.types import WSGIApplication

from werkzeug.wrappers import Response

from webhook.server.asgi import CLOSE, ASGIApplication, Headers, Receive, Scope, Send

MAX_BODY: Final = 1024 * 1024  # only the page of `explain` takes a body; Flask would read it all into memory

PROBED: Final = ("/startupz", "/livez", "/readyz")
SLOW: Final = "/explain"

# A thread that computes gives the interpreter to the event loop after this time. Python's own is five times as long.
_SWITCH_SECONDS: Final = 0.001


def on_event_loop(application: WSGIApplication, first: Container[str] = PROBED, slow: str = SLOW) -> ASGIApplication:
    """`application`, called on the event loop and not in a thread, as soon as a request is complete.

    What it does must therefore be quick. A request with more than MAX_BODY bytes is answered with 413. Pages other
    than those of `first` are made one at a time, with a turn of the event loop after each, so that neither reviews nor
    probes wait for more than one of them. What is posted to `slow` is answered in a thread, one at a time, which rests
    afterwards for as long as it took: strangers get half of a thread at most.
    """
    sys.setswitchinterval(_SWITCH_SECONDS)  # once: it costs nothing as long as there is one thread
    one_at_a_time = asyncio.Lock()
    one_slow_at_a_time = asyncio.Lock()

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"{scope['type']} is not served here")
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return
            body += message["body"]
            more = message["more_body"]
            if len(body) > MAX_BODY:
                await _respond(send, Response("request entity too large\n", 413), (CLOSE,))
                return
        environ = _environ(scope, bytes(body))
        if scope["path"] in first:
            await _respond(send, Response.from_app(application, environ, buffered=True))
            return
        if scope["method"] == "POST" and scope["path"] == slow:
            async with one_slow_at_a_time:
                began = time.monotonic()
                response = await asyncio.to_thread(Response.from_app, application, environ, True)
                took = time.monotonic() - began
                await _respond(send, response)
                await asyncio.sleep(took)
            return
        async with one_at_a_time:
            await _respond(send, Response.from_app(application, environ, buffered=True))
            await asyncio.sleep(0)

    return call


async def _respond(send: Send, response: Response, more: Headers = ()) -> None:
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
        "wsgi.errors": StringIO(),  # unused: Flask uses logging
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
