"""Real TLS, over asyncio and uvloop: what a connection meets before, during and after a swap."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from certs import serving as serving_module
from certs.authority import Authority, make_leaf
from certs.constraints import permits, permitted_names
from certs.errors import MismatchedPair, PairError, RefusedPair, UntimelyPair
from certs.pem import Pair
from certs.serving import Serving, _memory_file, _shared_file, handshake
from tests.authorities import make_authority
from tests.certs.fakes import NAME, NAMES

DAY = timedelta(days=1)
NOW = datetime.now(UTC)  # OpenSSL asks the machine's clock
OLD, NEW = (make_authority(now=NOW, lifetime=30 * DAY) for _ in range(2))

LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])


def leaf(authority: Authority, lifetime: timedelta = DAY) -> Pair:
    return make_leaf(authority, names=NAMES, now=NOW, lifetime=lifetime)


def run(loop: Callable[[], asyncio.AbstractEventLoop], test: Callable[[], Awaitable[None]]) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(test())  # type: ignore[arg-type]


@asynccontextmanager
async def echo(serving: Serving) -> AsyncIterator[int]:
    """A server that echoes lines; its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(line)
        except (ConnectionError, ssl.SSLError):
            pass
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=serving.listening_context)
    async with server:
        yield server.sockets[0].getsockname()[1]


def client(*authorities: Authority, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata="".join(authority.pem for authority in authorities))
    if version:
        context.minimum_version = context.maximum_version = version
    return context


class Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, port: int, context: ssl.SSLContext, name: str | None = NAME) -> Connection:
        # An empty name sends no SNI.
        return cls(*await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name))

    @property
    def issuer(self) -> str:
        der = self.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return x509.load_der_x509_certificate(der).issuer.rfc4514_string()

    async def works(self) -> bool:
        self.writer.write(b"hello\n")
        return await self.reader.readline() == b"hello\n"

    def close(self) -> None:
        self.writer.transport.abort()


def subject(authority: Authority) -> str:
    return authority.certificate.subject.rfc4514_string()


@LOOPS
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_swap_is_met_by_new_connections_and_unnoticed_by_open_ones(loop: Any, version: ssl.TLSVersion) -> None:
    """The old connection answers before and after, the new one gets the new leaf; no connection is cut."""

    async def test() -> None:
        serving = Serving()
        serving.replace(leaf(OLD))
        async with echo(serving) as port:
            before = await Connection.open(port, client(OLD, NEW, version=version))
            serving.replace(leaf(NEW))
            after = await Connection.open(port, client(OLD, NEW, version=version))
            assert (before.issuer, after.issuer) == (subject(OLD), subject(NEW))
            assert await before.works()
            assert await after.works()
            before.close()
            after.close()

    run(loop, test)


@LOOPS
def test_a_client_without_a_name_meets_the_current_leaf_too(loop: Any) -> None:
    """A probe by IP address sends no SNI; it must not get what the listening context was made with."""

    async def test() -> None:
        serving = Serving()
        serving.replace(leaf(NEW))
        context = client(NEW)
        context.check_hostname = False
        async with echo(serving) as port:
            connection = await Connection.open(port, context, name="")
            assert connection.issuer == subject(NEW)
            connection.close()

    run(loop, test)


@LOOPS
def test_before_there_is_a_pair_a_client_is_refused_as_unknown_and_the_server_lives(loop: Any) -> None:
    """A handshake with an empty context would be an alert that explains nothing; and the next client finds a leaf."""

    async def test() -> None:
        serving = Serving()
        assert (serving.not_after, serving.fingerprint, serving.usable()) == (None, None, False)
        async with echo(serving) as port:
            with pytest.raises(ssl.SSLCertVerificationError) as refused:
                await Connection.open(port, client(OLD))
            assert refused.value.verify_code in {18, 19, 20, 21}  # no path to a trusted certificate
            serving.replace(leaf(OLD))
            connection = await Connection.open(port, client(OLD))
            assert await connection.works()
            connection.close()

    run(loop, test)


@LOOPS
def test_swaps_in_the_middle_of_handshakes_fail_none(loop: Any) -> None:
    """Forty connections are opened while the leaf is swapped forty times: all of them work."""

    async def test() -> None:
        serving = Serving()
        serving.replace(leaf(OLD))
        pairs = [leaf(OLD), leaf(NEW)]
        async with echo(serving) as port:
            context = client(OLD, NEW)

            async def connect() -> bool:
                connection = await Connection.open(port, context)
                worked = await connection.works()
                connection.close()
                return worked

            async def swap() -> None:
                for number in range(40):
                    serving.replace(pairs[number % 2])
                    await asyncio.sleep(0)

            *worked, _ = await asyncio.gather(*(connect() for _ in range(40)), swap())
            assert all(worked)

    run(loop, test)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_from_before_a_swap_does_no_harm_after_it(version: ssl.TLSVersion) -> None:
    """TLS 1.3 gives no session out, so the certificate is always seen; one of TLS 1.2 is resumed or begun anew."""
    serving = Serving()
    serving.replace(leaf(OLD))
    context = client(OLD, NEW, version=version)
    session = _connect(serving, context).session
    serving.replace(leaf(NEW))
    again = _connect(serving, context, session=session)
    assert again.version() == {ssl.TLSVersion.TLSv1_2: "TLSv1.2", ssl.TLSVersion.TLSv1_3: "TLSv1.3"}[version]
    if version is ssl.TLSVersion.TLSv1_3:
        assert not again.session_reused
    fresh = _connect(serving, context).getpeercert(binary_form=True)
    assert fresh is not None
    assert x509.load_der_x509_certificate(fresh).issuer.rfc4514_string() == subject(NEW)


def test_tls_1_1_is_refused() -> None:
    """The listening context decides it, and it is never another one."""
    assert Serving().listening_context.minimum_version is ssl.TLSVersion.TLSv1_2


def _connect(serving: Serving, context: ssl.SSLContext, session: Any = None) -> ssl.SSLObject:
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = serving.listening_context.wrap_bio(there, back, server_side=True)
    mine = context.wrap_bio(back, there, server_hostname=NAME, session=session)
    for _ in range(4):
        for side in (mine, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    server.write(b"x")
    assert mine.read(1) == b"x"
    return mine


def _other_usage() -> Pair:
    pair = leaf(OLD)
    builder = (
        x509.CertificateBuilder()
        .subject_name(pair.certificate.subject)
        .issuer_name(OLD.certificate.subject)
        .public_key(pair.certificate.public_key())
        .serial_number(5)
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    )
    return Pair(certificate=builder.sign(OLD.key, hashes.SHA256()), key=pair.key)


def _weak() -> Pair:
    key = rsa.generate_private_key(65537, 1024)
    builder = (
        x509.CertificateBuilder()
        .subject_name(OLD.certificate.subject)
        .issuer_name(OLD.certificate.subject)
        .public_key(key.public_key())
        .serial_number(6)
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
    )
    return Pair(certificate=builder.sign(key, hashes.SHA256()), key=key)


@pytest.mark.parametrize(
    ("bad", "names", "kind", "words"),
    [
        (
            lambda: Pair(certificate=leaf(OLD).certificate, key=leaf(OLD).key),
            (),
            MismatchedPair,
            "belongs to another certificate",
        ),
        (
            lambda: make_leaf(OLD, names=NAMES, now=NOW - DAY, lifetime=DAY - timedelta(minutes=5)),
            (),
            UntimelyPair,
            "expired on",
        ),
        (
            lambda: make_leaf(make_authority(now=NOW + DAY, lifetime=DAY), names=NAMES, now=NOW + DAY, lifetime=DAY),
            (),
            UntimelyPair,
            "not valid before",
        ),
        (lambda: leaf(OLD), ("other.m365.svc",), RefusedPair, "is not for other.m365.svc, only for webhook, "),
        (_other_usage, (), RefusedPair, "serverAuth is missing"),
        (_weak, (), RefusedPair, "OpenSSL refuses the certificate: EE_KEY_TOO_SMALL"),
    ],
    ids=["mismatch", "expired", "future", "name", "usage", "weak"],
)
def test_a_pair_that_no_client_would_take_changes_nothing(
    bad: Callable[[], Pair], names: tuple[str, ...], kind: type[PairError], words: str
) -> None:
    """It is refused with the reason, and the one before serves on, to new connections too."""
    serving = Serving()
    good = leaf(OLD)
    serving.replace(good)
    before = serving.fingerprint, serving.not_after, serving._current
    with pytest.raises(kind) as refused:
        serving.replace(bad(), names=names)
    assert words in str(refused.value)
    assert (serving.fingerprint, serving.not_after, serving._current) == before
    der = _connect(serving, client(OLD)).getpeercert(binary_form=True)
    assert der is not None
    assert x509.load_der_x509_certificate(der) == good.certificate


def test_a_live_context_is_never_changed() -> None:
    """Each pair gets a context of its own, and what is listened with stays the same for ever."""
    serving = Serving()
    listening, contexts = serving.listening_context, set()
    for authority in (OLD, NEW, OLD):
        serving.replace(leaf(authority))
        contexts.add(serving._current)
    assert len(contexts) == 3
    assert serving.listening_context is listening
    assert listening not in contexts


def test_a_context_that_cannot_shake_hands_is_found_out() -> None:
    """An empty one, and one with another leaf than it should have."""
    with pytest.raises(RefusedPair) as refused:
        handshake(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), leaf(OLD))
    assert "no TLS handshake is possible" in str(refused.value)
    serving = Serving()
    with pytest.raises(RefusedPair) as refused:
        handshake(serving.listening_context, leaf(OLD))
    assert "did not finish" in str(refused.value)


def test_names_are_matched_as_clients_match_them() -> None:
    """A wildcard stands for one label, letters' case for nothing."""
    serving = Serving()
    serving.replace(
        make_leaf(OLD, names=["*.m365.svc", "127.0.0.1"], now=NOW, lifetime=DAY),
        names=["Webhook.M365.svc", "127.0.0.1"],
    )
    with pytest.raises(RefusedPair):
        serving.replace(make_leaf(OLD, names=["*.svc"], now=NOW, lifetime=DAY), names=["webhook.m365.svc"])


def test_a_key_is_in_a_file_for_as_long_as_openssl_reads_it_and_never_on_a_disk() -> None:
    """A memory file has no name and no other owner; the fallback is in shared memory, mode 0600, and removed."""
    with _memory_file(b"key") as path:
        assert Path(path).read_bytes() == b"key"
        assert Path(path).stat().st_mode & 0o777 == 0o600
        assert str(Path(path).readlink()).startswith("/memfd:")
        descriptor = int(path.rsplit("/", 1)[1])
        assert not os.get_inheritable(descriptor)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
    with _shared_file(b"key") as path:
        assert path.startswith("/dev/shm/")
        assert Path(path).stat().st_mode & 0o777 == 0o600
    assert not Path(path).exists()


def test_without_a_memory_file_shared_memory_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some kernels and sandboxes have no memfd; nothing is left behind then either."""
    before = set(Path("/dev/shm").iterdir())
    monkeypatch.delattr(os, "memfd_create")
    serving = Serving()
    serving.replace(leaf(OLD))
    assert _connect(serving, client(OLD)).getpeercert()
    assert {path for path in set(Path("/dev/shm").iterdir()) - before if path.name.startswith("m365wi-pair-")} == set()


def test_half_open_handshakes_do_not_hold_a_swap() -> None:
    """Clients that send three bytes and stop are the server's business; the next pair is served all the same."""

    async def test() -> None:
        serving = Serving()
        serving.replace(leaf(OLD))
        async with echo(serving) as port:
            held = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
            for half in held:
                half.sendall(b"\x16\x03\x01")
            serving.replace(leaf(NEW))
            connection = await Connection.open(port, client(NEW))
            assert await connection.works()
            connection.close()
            for half in held:
                half.close()
            await asyncio.sleep(0)

    run(uvloop.new_event_loop, test)


def test_even_the_authority_of_the_first_moment_signs_for_no_other_name() -> None:
    """The placeholder that no client trusts was signed by it, and its key is gone."""
    made: list[x509.Certificate] = []

    def remember(**options: Any) -> Authority:
        made.append((authority := make_authority(**options)).certificate)
        return authority

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serving_module, "make_authority", remember)
        Serving()
    (authority,) = made
    assert permitted_names(authority) == ("not-ready.invalid",)
    assert not permits(authority, NAME)
