"""A webhook process for the tests: the real server with a reviewer that does what the body says.

Run as `python entry.py OPTIONS`, a JSON object: folder (with pair-*.pem), and what Limits, Drain, Timeouts take.
A body may have: uid, sleep (seconds), status, answer (its size), swap (the pair that new connections are to meet),
raise, warn; until (a file: the answer waits until it exists), block (the same, and the event loop stands still).
"""

import asyncio
import json
import resource
import ssl
import sys
import time
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from webhook.core.decision import Decision
from webhook.core.messages import Kind, Severity, message
from webhook.logs import Log, configure
from webhook.metrics import Metrics
from webhook.reviewer import Answer
from webhook.server.application import Application
from webhook.server.background import running
from webhook.server.bodies import BUDGET
from webhook.server.deadlines import Timeouts
from webhook.server.lifecycle import Lifecycle
from webhook.server.limits import Limits
from webhook.server.operations import create_operations
from webhook.server.process import run
from webhook.server.worker_parts import Drain, WorkerParts
from webhook.server.wsgi import on_event_loop

DECISIONS = {
    200: Decision("injected", "injected", warnings=(message(Kind("WI999", Severity.WARNING, "mind the gap")),)),
    400: Decision("error", "bad-request"),
    500: Decision("error", "internal"),
    503: Decision("error", "lookup-failed"),
}


class Contexts:
    """One listening context, and behind it whichever pair is current."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.current = self.load("first")
        self.listening = self.load("first")
        self.listening.sni_callback = self.hand_over

    def load(self, name: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / f"pair-{name}.pem")
        return context

    def hand_over(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        connection.context = self.current


class FakeReviewer:
    """Answers as the body asks it to."""

    def __init__(self, contexts: Contexts, log: Log) -> None:
        self.contexts = contexts
        self.log = log

    async def review(self, body: bytes | bytearray, *, timeout: float) -> Answer:
        try:
            asked = orjson.loads(body)
        except orjson.JSONDecodeError:
            return Answer(400, b"the body is not JSON\n", DECISIONS[400])
        if "raise" in asked:
            raise RuntimeError(asked["raise"])
        if "swap" in asked:
            self.contexts.current = self.contexts.load(asked["swap"])
        if "warn" in asked:
            warnings.warn(asked["warn"], stacklevel=1)
        if "block" in asked:
            self.log.line("info", "blocking")
            while not Path(asked["block"]).exists():  # noqa: ASYNC240 - that is the point
                time.sleep(0.01)  # noqa: ASYNC251
        if "until" in asked:
            self.log.line("info", "waiting", uid=asked.get("uid"))
            await exists(asked["until"])
        if "sleep" in asked:
            self.log.line("info", "sleeping", uid=asked.get("uid"))
            await asyncio.sleep(asked["sleep"])
        status = asked.get("status", 200)
        out = orjson.dumps({"uid": asked.get("uid"), "timeout": timeout, "length": len(body)})
        out = out.ljust(asked.get("answer", 0))
        return Answer(
            status,
            out if status == 200 else b"as you asked\n",
            DECISIONS[status],
            retry_after=1 if status == 503 else None,
            uid=str(asked.get("uid")),
            namespace="shop",
            pod="app-*",
            account="terraform",
            dry_run=True,
            seconds_lookup=0.001,
        )


async def exists(path: str) -> None:
    """Wait until there is such a file."""
    while not Path(path).exists():  # noqa: ASYNC110, ASYNC240 - it is another process that makes the file
        await asyncio.sleep(0.01)


@asynccontextmanager
async def logged(options: dict[str, Any], log: Log) -> AsyncIterator[None]:
    """Background work that logs its start and its end, and fails or takes time if the options say so."""
    if options.get("start_fails"):
        raise RuntimeError("no start today")
    if "start_waits_for" in options:
        await exists(options["start_waits_for"])
    log.line("info", "background started")
    yield
    log.line("info", "background ended")


def make_parts(options: dict[str, Any], log: Log) -> WorkerParts:
    """What the worker serves, with the faults that the options ask for."""
    if options.get("factory_fails"):
        raise RuntimeError("no parts today")
    lifecycle, metrics = Lifecycle(), Metrics(version="0.0.0-test")
    contexts = Contexts(Path(options["folder"]))
    if options.get("old_tls"):
        contexts.listening.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    failures = iter(range(options.get("background_failures", 0)))

    async def background() -> None:
        if next(failures, None) is not None:
            raise RuntimeError("background failure")
        log.line("info", "background runs")
        await asyncio.Event().wait()

    reviews = Application(
        FakeReviewer(contexts, log).review,
        metrics=metrics,
        log=log,
        lifecycle=lifecycle,
        timeouts=Timeouts(**options.get("timeouts", {})),
        budget=options.get("budget", BUDGET),
    )
    checks = {"weather": lambda: (not options.get("rain"), "rain" if options.get("rain") else "sun")}
    operations = on_event_loop(create_operations(lifecycle, metrics, checks))
    return WorkerParts(
        reviews=reviews,
        operations=operations,
        background=[logged(options, log), running("background", background, pause=0.01)],
        context=lambda: contexts.listening,
        lifecycle=lifecycle,
        metrics=metrics,
    )


def main() -> None:
    options = json.loads(sys.argv[1])
    log = configure(level=options.get("level", "info"))
    if "files" in options:
        resource.setrlimit(resource.RLIMIT_NOFILE, (options["files"], options["files"]))
    run(
        partial(make_parts, options, log),
        listen=options.get("listen", "127.0.0.1:0"),
        ops_listen="127.0.0.1:0",
        limits=Limits(**options.get("limits", {})),
        drain=Drain(**options.get("drain", {})),
    )


if __name__ == "__main__":
    main()
