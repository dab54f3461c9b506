"""Prototype 2: a bare WSGI callable under gunicorn's gthread worker."""

from collections.abc import Iterable
from typing import Any

from bench.prototypes.answer import answer


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """One review."""
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    if environ["PATH_INFO"] != "/mutate" or environ["REQUEST_METHOD"] != "POST":
        start_response("404 Not Found", [("Content-Length", "0")])
        return [b""]
    out = answer(body)
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(out)))])
    return [out]
