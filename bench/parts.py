"""The processor time of a review by part, measured in this process: `python -m bench.parts`.

Each part is run alone, again and again, in turns with the others; what counts is its fastest turn, so that other load
of the machine matters little. The event loop's own work and the kernel's for a network are not in it: the table says
what is worth making faster, and `bench.compare` says what came of it.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import pods
from testbed.cluster.pki import Authority, trusting
from testbed.recorder import Recorder
from webhook.core.decision import decide, decide_early
from webhook.core.identity import Account
from webhook.core.policy import Policy
from webhook.core.response import respond
from webhook.core.review import parse
from webhook.logs import Log
from webhook.metrics import Metrics
from webhook.reviewer import Answer, Reviewer
from webhook.server.application import Application
from webhook.server.connection import Connection
from webhook.server.known_heads import KnownHeads
from webhook.server.lifecycle import Lifecycle
from webhook.server.limits import Limits
from webhook.server.open_connections import OpenConnections
from webhook.server.shared import Shared
from webhook.server.worker_parts import freeze

__all__ = ["Part", "measure", "table"]

TURNS, CALLS = 100, 100
HEAD = (
    b"POST /mutate-v1-pod?timeout=5s HTTP/1.1\r\nHost: m365-workload-identity.m365-workload-identity.svc:443\r\n"
    b"User-Agent: kube-apiserver-admission\r\nContent-Length: %d\r\nAccept: application/json, */*\r\n"
    b"Content-Type: application/json\r\nAccept-Encoding: gzip\r\n\r\n"
)
_AT_ONCE = 256 * 1024  # bytes; as much as uvloop reads
TLS = "TLS and sockets"
WHOLE, REST = "all but TLS and sockets", "the rest: between the parts, and caches that each part alone has to itself"


@dataclass(frozen=True)
class Part:
    """A part of a review, and its processor time in microseconds."""

    name: str
    microseconds: float


def measure(*, turns: int = TURNS, calls: int = CALLS) -> list[Part]:
    """The parts, and last what is left of a whole review."""
    with tempfile.TemporaryDirectory() as folder, _everything(Path(folder)) as runs:
        freeze()  # as the worker does
        best = dict.fromkeys(runs, float("inf"))
        for _ in range(turns):
            for name, run in runs.items():
                began = time.process_time()
                for _ in range(calls):
                    run()
                best[name] = min(best[name], (time.process_time() - began) / calls * 1e6)
    whole, tls = best.pop(WHOLE), best.pop(TLS) / 2  # half of it is the client's
    parts = [Part(TLS, tls), *(Part(name, each) for name, each in best.items())]
    return [*parts, Part(REST, max(whole - sum(best.values()), 0.0))]


def table(parts: list[Part]) -> list[str]:
    """The parts as Markdown."""
    whole = sum(part.microseconds for part in parts)
    lines = ["| processor time of a review, in process | µs | share |", "|---|---:|---:|"]
    lines += [f"| {part.name} | {part.microseconds:.1f} | {part.microseconds / whole:.0%} |" for part in parts]
    return [*lines, f"| together | {whole:.1f} | |"]


@contextmanager
def _everything(folder: Path) -> Iterator[dict[str, Callable[[], object]]]:
    """What to call for each part, and for all but the first together."""
    body = pods.review()
    annotations = pods.service_account()["metadata"]["annotations"]
    account, policy = Account(pods.NAMESPACE, pods.ACCOUNT, annotations), Policy()
    request = parse(body)
    decision = decide(request, account, policy)
    answer = respond(request.uid, decision)
    loop = asyncio.new_event_loop()
    with Path(os.devnull).open("wb", buffering=0) as nowhere, _Tls(folder, HEAD % len(body) + body, answer) as tls:
        log = Log(write=nowhere.write)
        reviewer = Reviewer(_Source(account), policy, kept=lambda *_: account)
        metrics, lifecycle = Metrics(version="1"), Lifecycle(started=True)
        application = Application(reviewer.review, metrics=metrics, log=log, lifecycle=lifecycle)
        at_once, silent = Answer(200, answer, decision), Log(level="error")
        http = Application(lambda *_, **__: at_once, metrics=metrics, log=silent, lifecycle=lifecycle)
        line = partial(
            log.line, "info", "review", outcome="injected", reason="injected", status=200, ms=0.123, uid=request.uid,
            namespace=request.namespace, pod=request.pod_name, account=request.account_name, dry_run=False,
            warnings=[], lookup_ms=0.0,
        )  # fmt: skip
        try:
            yield {
                TLS: tls.exchange,
                "HTTP and metrics": _connection(loop, http, body),
                "parsing and checking the review": lambda: parse(body),
                "decision": lambda: (decide_early(request, policy), decide(request, account, policy)),
                "answer": lambda: respond(request.uid, decision),
                "log line": line,
                WHOLE: _connection(loop, application, body),
            }
        finally:
            loop.close()


class _Source:
    """The one ServiceAccount, as the cluster has it."""

    def __init__(self, account: Account) -> None:
        self._account = account

    async def get(self, namespace: str, name: str, *, seconds: float) -> Account:
        return self._account


def _connection(loop: asyncio.AbstractEventLoop, application: Application, body: bytes) -> Callable[[], None]:
    """A kept connection to `application`; each call is a request on it, with its answer."""
    limits = Limits()
    shared = Shared(
        loop=loop,
        application=application,
        lifecycle=Lifecycle(started=True),
        metrics=Metrics(version="1"),
        limits=limits,
        connections=OpenConnections(loop, limits),
        needs_no_task=True,
        known=KnownHeads(application),
    )
    connection, transport, data = Connection(shared), Recorder(tls=True), HEAD % len(body) + body
    connection.connection_made(transport)

    def ask() -> None:
        transport.sent.clear()
        connection.data_received(data)
        if not transport.sent:
            raise RuntimeError("a request was not answered at once")

    return ask


class _Tls:
    """Both ends of a TLS connection over a pair of sockets."""

    def __init__(self, folder: Path, request: bytes, answer: bytes) -> None:
        self._request, self._answer = request, answer
        authority = Authority()
        pair = authority.server(["127.0.0.1"], ["localhost"])
        (folder / "crt").write_bytes(pair.certificate)
        (folder / "key").write_bytes(pair.key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "crt", folder / "key")
        self._near, self._far = socket.socketpair()
        self._server = _End(context, self._near)
        self._client = _End(trusting(authority.certificate), self._far, server_hostname="localhost")
        while not (self._client.shakes_hands() & self._server.shakes_hands()):
            self._client.pump(self._server)

    def __enter__(self) -> _Tls:
        return self

    def __exit__(self, *_: object) -> None:
        self._near.close()
        self._far.close()

    def exchange(self) -> None:
        """A request from the client to the server, and its answer. Each end does half of the work."""
        self._client.send(self._request)
        self._server.receive(len(self._request))
        self._server.send(self._answer)
        self._client.receive(len(self._answer))


class _End:
    """One end of a TLS connection, without a name that of the server."""

    def __init__(self, context: ssl.SSLContext, sock: socket.socket, server_hostname: str | None = None) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server_hostname is None, server_hostname=server_hostname
        )
        self._socket = sock

    def shakes_hands(self) -> bool:
        """Go on with the handshake; whether it is done."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def pump(self, other: _End) -> None:
        """Exchange what both have to say in the handshake, in memory."""
        other._incoming.write(self._outgoing.read())
        self._incoming.write(other._outgoing.read())

    def send(self, data: bytes) -> None:
        """Send `data`, which fits into the socket's buffer."""
        self._tls.write(data)
        self._socket.sendall(self._outgoing.read())

    def receive(self, size: int) -> None:
        """Receive `size` bytes that have been sent."""
        self._incoming.write(self._socket.recv(_AT_ONCE))
        if len(self._tls.read(_AT_ONCE)) != size:
            raise RuntimeError("what was sent has not arrived")


def main() -> int:
    """The command of the module's docstring."""
    print("\n".join(table(measure())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
