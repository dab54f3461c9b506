"""What the server agrees to in TLS: only suites that encrypt and authenticate in one step, and no session ticket."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa

from certs.authority import make_leaf
from certs.pem import Pair
from certs.serving import Serving
from tests.authorities import make_authority

pytestmark = pytest.mark.slow

NAME = "webhook.example.svc"
NOW = datetime.now(UTC)  # OpenSSL asks the machine's clock
DAY = timedelta(days=1)
EVERY = "ALL:COMPLEMENTOFALL:@SECLEVEL=0"


def offered() -> list[str]:
    """Every suite of TLS 1.2 and earlier that OpenSSL has."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers(EVERY)
    return [each["name"] for each in context.get_ciphers() if each["protocol"] != "TLSv1.3"]


def of_rsa() -> Pair:
    """A pair with a key of RSA, as one that somebody made by hand may have."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), NOW - DAY, NOW + DAY)
    return Pair(certificate=builder.sign(key, hashes.SHA256()), key=key)


def serving(kind: str) -> Serving:
    """A server's TLS with a certificate of that kind."""
    served = Serving()
    authority = make_authority(now=NOW, lifetime=30 * DAY)
    served.replace(of_rsa() if kind == "RSA" else make_leaf(authority, names=[NAME], now=NOW, lifetime=DAY))
    return served


def client(version: ssl.TLSVersion, ciphers: str = EVERY) -> ssl.SSLContext:
    """A client that takes any certificate, with one version."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    context.set_ciphers(ciphers)
    return context


def connect(served: Serving, context: ssl.SSLContext) -> ssl.SSLObject:
    """The client's side of a connection that has carried a byte. Raises SSLError."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = served.listening_context.wrap_bio(there, back, server_side=True)
    mine = context.wrap_bio(back, there, server_hostname=NAME)
    for _ in range(4):
        for side in (mine, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    server.write(b"x")
    assert mine.read(1) == b"x"
    return mine


@pytest.mark.parametrize("kind", ["ECDSA", "RSA"])
def test_of_all_suites_only_the_aead_ones_are_agreed_to(kind: str) -> None:
    """Each that OpenSSL offers, alone: with GCM or CHACHA20 and a fresh key it connects, every other is refused."""
    served = serving(kind)
    agreed = set()
    for name in offered():
        try:
            context = client(ssl.TLSVersion.TLSv1_2, f"{name}:@SECLEVEL=0")
        except ssl.SSLError:
            continue
        try:
            connection = connect(served, context)
        except ssl.SSLError:
            continue
        agreed.add(name)
        assert (connection.cipher() or ("",))[0] == name
    aes = {f"ECDHE-{kind}-AES{bits}-GCM-SHA{digest}" for bits, digest in ((128, 256), (256, 384))}
    assert agreed == {*aes, f"ECDHE-{kind}-CHACHA20-POLY1305"}


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("kind", ["ECDSA", "RSA"])
def test_no_session_ticket_is_sent(kind: str, version: ssl.TLSVersion) -> None:
    """Neither in the handshake nor after it, to a client that asks for one."""
    session = connect(serving(kind), client(version)).session
    assert session is None or not session.has_ticket


def test_no_context_has_another_suite_or_a_ticket() -> None:
    """Neither the one that listens nor the one that a connection is handed."""
    served = serving("ECDSA")
    for context in (served.listening_context, served._current):
        assert all(each["aead"] for each in context.get_ciphers())
        assert context.options & ssl.OP_NO_TICKET
        assert context.num_tickets == 0
