"""The operations application, for people and probes: plain HTTP on a port of its own, in the process that reviews.

    /startupz  200; `webhook.server.startup` holds it back until /readyz is 200 for the first time
    /livez     200 while the process and its event loop are alive: the loop itself must answer
    /readyz    200 if every check passes, else 503; one line for each check: `[+] name: detail` or `[-] name: detail`
    /metrics   for Prometheus, in the format that it asks for
    /explain   if it is switched on: what the webhook would do with a manifest, and why (`webhook.offline.explain`)
    /          a list of these

A Flask application, called on the event loop and not in a thread: every page takes well under a millisecond, a thread
would compete with reviews for the interpreter, and clients that read slowly can fill a pool of threads. /explain takes
longer, and has a thread (`webhook.server.wsgi`).
"""

import logging
from collections.abc import Callable, Mapping, Sequence

from flask import Blueprint, Flask, Response, request
from werkzeug.exceptions import HTTPException

from webhook.metrics import Metrics
from webhook.server.lifecycle import Lifecycle

Check = Callable[[], tuple[bool, str]]
"""Returns whether something is as it should be, and a detail of one line. Called on the event loop: must not wait."""

_log = logging.getLogger("webhook")


def create_operations(
    lifecycle: Lifecycle,
    metrics: Metrics,
    checks: Mapping[str, Check] | None = None,
    more: Sequence[Blueprint] = (),
) -> Flask:
    """The application. /readyz runs `checks` in their order, after a check of the server itself. more: other pages."""
    application = Flask("webhook.server.operations", static_folder=None)
    for blueprint in more:
        application.register_blueprint(blueprint)

    @application.get("/")
    def index() -> Response:
        pages = ("/startupz", "/livez", "/readyz", "/metrics", *(each.url_prefix for each in more))
        return _text("".join(f"{page}\n" for page in pages))

    @application.get("/startupz")
    @application.get("/livez")
    def livez() -> Response:
        return _text("ok\n")

    @application.get("/readyz")
    def readyz() -> Response:
        results = _results(lifecycle, checks or {})
        lines = [f"[{'+' if passed else '-'}] {name}: {detail}\n" for name, (passed, detail) in results.items()]
        return _text("".join(lines), 200 if all(passed for passed, _ in results.values()) else 503)

    @application.get("/metrics")
    def metrics_page() -> Response:
        content, content_type = metrics.exposition(request.headers.get("Accept", ""))
        return Response(content, content_type=content_type)

    @application.errorhandler(Exception)
    def failed(error: Exception) -> Response:
        if isinstance(error, HTTPException) and error.code:
            return _text(f"{error.name.lower()}\n", error.code)
        _log.error("%s failed", request.path, exc_info=error)
        return _text("internal error\n", 500)

    return application


def is_ready(lifecycle: Lifecycle, checks: Mapping[str, Check]) -> bool:
    """Whether /readyz is 200."""
    return all(passed for passed, _ in _results(lifecycle, checks).values())


def _results(lifecycle: Lifecycle, checks: Mapping[str, Check]) -> dict[str, tuple[bool, str]]:
    every_check = {"server": lambda: _server(lifecycle), **checks}
    return {name: _run(name, check) for name, check in every_check.items()}


def _server(lifecycle: Lifecycle) -> tuple[bool, str]:
    if lifecycle.stopped:
        return False, "stopped"
    if lifecycle.draining:
        return False, "draining"
    return (True, "serving") if lifecycle.started else (False, "starting")


def _run(name: str, check: Check) -> tuple[bool, str]:
    try:
        passed, detail = check()
    except Exception as error:  # noqa: BLE001 - a check that raises has failed
        _log.exception("the check %s failed", name)
        return False, type(error).__name__
    return passed, " ".join(detail.split())


def _text(text: str, status: int = 200) -> Response:
    return Response(text, status, content_type="text/plain; charset=utf-8")
