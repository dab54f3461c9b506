"""A fresh connection to ourselves, and what follows from it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from certs.authority import Authority, make_leaf
from certs.errors import DialError, RefusedDial
from certs.managed.self_dial import Dialler
from certs.pem import parse_pair
from certs.serving import Serving
from testbed.cluster import pki
from tests.authorities import make_authority
from tests.certs.fakes import NAME, NAMES, FakeClock, Replica, World

DAY = timedelta(days=1)
NOW = datetime.now(UTC)
OURS, OTHER = (make_authority(now=NOW, lifetime=DAY) for _ in range(2))


@asynccontextmanager
async def server(serving: Serving | None) -> AsyncIterator[int]:
    """A TLS server; without a `Serving`, one that accepts and sends nothing."""

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        done.append(writer)

    done: list[asyncio.StreamWriter] = []
    listening = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=serving.listening_context if serving else None)
    async with listening:
        yield listening.sockets[0].getsockname()[1]
        for writer in done:
            writer.transport.abort()


@asynccontextmanager
async def answering(content: bytes) -> AsyncIterator[int]:
    """A server that answers with `content`, whatever it is sent, and closes the connection."""
    over = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write(content)
        writer.close()
        await writer.wait_closed()
        over.set()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening:
        yield listening.sockets[0].getsockname()[1]
        await over.wait()


@pytest.fixture
def serving() -> Serving:
    serving = Serving()
    serving.replace(make_leaf(OURS, names=NAMES, now=NOW, lifetime=DAY))
    return serving


async def test_a_good_certificate_is_accepted(serving: Serving) -> None:
    """By the bundle that was published and the name that kube-apiserver asks for."""
    async with server(serving) as port:
        await Dialler("127.0.0.1", port)(bundle=(OTHER.pem + OURS.pem).encode(), name=NAME)


@pytest.mark.usefixtures("strict_tls")
async def test_an_authority_that_go_takes_is_accepted() -> None:
    """One that somebody made without key usage and key identifier, and put into the Secret."""
    bare = pki.Authority()
    pair = parse_pair(bare.certificate, bare.key)
    assert isinstance(pair.key, ec.EllipticCurvePrivateKey)
    serving = Serving()
    serving.replace(
        make_leaf(Authority(certificate=pair.certificate, key=pair.key), names=NAMES, now=NOW, lifetime=DAY)
    )
    async with server(serving) as port:
        await Dialler("127.0.0.1", port)(bundle=bare.certificate, name=NAME)


@pytest.mark.parametrize(
    ("bundle", "name", "words"),
    [(OTHER.pem, NAME, "unable to get local issuer"), (OURS.pem, "other.m365.svc", "Hostname mismatch")],
)
async def test_a_bad_one_is_refused_with_the_reason(serving: Serving, bundle: str, name: str, words: str) -> None:
    """As kube-apiserver would refuse it."""
    async with server(serving) as port:
        with pytest.raises(RefusedDial) as refused:
            await Dialler("127.0.0.1", port)(bundle=bundle.encode(), name=name)
    assert words in str(refused.value)


async def test_without_an_answer_nothing_is_known() -> None:
    """A server that does not listen yet, or hangs, says nothing about the certificate."""
    async with server(None) as port:
        with pytest.raises(DialError) as hung:
            await Dialler("127.0.0.1", port, limit=0.05)(bundle=OURS.pem.encode(), name=NAME)
    with pytest.raises(DialError) as gone:
        await Dialler("127.0.0.1", port)(bundle=OURS.pem.encode(), name=NAME)
    assert not isinstance(hung.value, RefusedDial)
    assert not isinstance(gone.value, RefusedDial)
    assert "no TLS handshake within 0.05 s" in str(hung.value)
    assert "no connection: Connect call failed" in str(gone.value)


async def test_an_error_without_a_text_is_named_by_its_class(monkeypatch: pytest.MonkeyPatch) -> None:
    async def open_connection(*_: object, **__: object) -> None:
        raise ConnectionAbortedError

    monkeypatch.setattr(asyncio, "open_connection", open_connection)
    with pytest.raises(DialError) as failed:
        await Dialler("127.0.0.1", 1)(bundle=OURS.pem.encode(), name=NAME)
    assert str(failed.value) == "no connection: ConnectionAbortedError"


async def test_a_handshake_that_fails_for_another_reason_is_a_refusal_too() -> None:
    """Every client would fail: the server gives up, or OpenSSL cannot read the bundle."""
    alert = b"\x15\x03\x03\x00\x02\x02\x28"  # fatal: handshake failure
    async with answering(alert) as port:
        with pytest.raises(RefusedDial) as refused:
            await Dialler("127.0.0.1", port)(bundle=OURS.pem.encode(), name=NAME)
    assert "the TLS handshake failed" in str(refused.value)
    with pytest.raises(RefusedDial) as unread:
        await Dialler("127.0.0.1", port)(bundle=b"-----BEGIN CERTIFICATE-----\nrubbish\n", name=NAME)
    assert "cannot read the bundle" in str(unread.value)


async def test_a_server_that_closes_the_connection_says_nothing_about_its_certificate() -> None:
    """It has too many connections, or it is shutting down."""
    async with answering(b"") as port:
        with pytest.raises(DialError) as closed:
            await Dialler("127.0.0.1", port)(bundle=OURS.pem.encode(), name=NAME)
    assert not isinstance(closed.value, RefusedDial)


class EndOfTest(Exception):
    pass


class Dialled:
    """A dial whose results are given, and a replica that uses it."""

    def __init__(self, *answers: Exception | None) -> None:
        self.world, self.answers, self.calls = World(), list(answers), 0
        self.replica = Replica(self.world, dial=self)
        self.pauses: list[float] = []

    async def __call__(self, *, bundle: bytes, name: str) -> None:
        assert bundle == self.world.entry().bundle
        assert name == NAME
        self.calls += 1
        if self.answers and (answer := self.answers.pop(0)):
            raise answer

    async def run(self, rounds: int) -> None:
        """`run`, for so many rounds."""
        clock, dialled = FakeClock(self.world), self

        async def sleep(seconds: float) -> None:
            if len(dialled.pauses) == rounds:
                raise EndOfTest
            dialled.pauses.append(seconds)
            await clock.sleep(seconds)

        self.replica.source._pause.wait = sleep  # type: ignore[method-assign]
        with pytest.raises(EndOfTest):
            await self.replica.source.run()


async def test_each_rotation_is_dialled_once() -> None:
    """As soon as the server listens, not a round later, and not again until something changes."""
    dialled = Dialled()
    await dialled.replica.source.start()
    await dialled.run(1)
    assert dialled.pauses == [1]
    assert dialled.calls == 1
    await dialled.run(5)
    assert dialled.calls == 1
    assert dialled.replica.source.describe().dialled == "ok"
    dialled.world.time += 4 * DAY
    dialled.pauses.clear()
    await dialled.run(3)
    assert dialled.calls == 2


async def test_a_server_that_does_not_listen_yet_is_dialled_again_and_not_reported() -> None:
    """Certificates start before the server listens; the pauses are short until it answers."""
    dialled = Dialled(DialError("no connection"), DialError("no connection"))
    await dialled.run(3)
    assert dialled.calls == 3
    assert dialled.pauses[1] < dialled.pauses[2] < 5
    assert dialled.replica.source.healthy()
    assert dialled.replica.source.describe().problems == ()
    assert dialled.replica.source.describe().dialled == "ok"


async def test_a_refused_certificate_makes_a_replica_unhealthy_until_it_is_accepted() -> None:
    """Other replicas may be fine, so this one should get no calls; the problem is one line."""
    dialled = Dialled(RefusedDial("the certificate was refused"), RefusedDial("the certificate was refused"))
    await dialled.run(2)
    source = dialled.replica.source
    assert not source.healthy()
    assert [problem.text for problem in source.describe().problems] == [
        "a fresh connection to this replica fails: the certificate was refused"
    ]
    dialled.pauses.clear()
    await dialled.run(1)
    assert source.healthy()
    assert source.describe().problems == ()


async def test_a_bug_in_dialling_ends_neither_the_rounds_nor_the_serving(caplog: pytest.LogCaptureFixture) -> None:
    """It is counted as in a round, and its text is not logged."""
    dialled = Dialled(ValueError("-----BEGIN PRIVATE KEY-----"))
    await dialled.replica.source.start()
    await dialled.run(2)
    assert dialled.calls == 2
    assert dialled.replica.counts("bugs") == (1,)
    assert dialled.replica.source.healthy()
    (record,) = [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert "ValueError at test_self_dial.py" in record.message
    assert "BEGIN" not in record.message


async def test_the_pause_is_never_long() -> None:
    """Half a minute, a little less by chance."""
    dialled = Dialled()
    await dialled.run(10)
    assert all(24 <= pause <= 30 for pause in dialled.pauses[1:])
