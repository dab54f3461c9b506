"""Prototype 3: a bare ASGI callable under gunicorn's asgi worker, with uvloop, and gunicorn_h1c if it is installed."""

from typing import Any

from bench.prototypes.answer import answer


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """One review."""
    body = b""
    more = True
    while more:
        message = await receive()
        body += message["body"]
        more = message["more_body"]
    status, out = (200, answer(body)) if scope["path"] == "/mutate" and scope["method"] == "POST" else (404, b"")
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(out))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": out})
