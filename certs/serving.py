"""The certificate of new connections, replaced without touching those that are open.

An SSLContext in use is never changed: `load_cert_chain` with a key that does not fit leaves a context broken for good.
The server listens with `Serving.listening_context`. Its `sni_callback`, which OpenSSL calls for a client
without a name, too, gives each new connection the current context. Each pair gets a new context, which is tried with a
handshake before it is used. Until the first pair the context has a placeholder that no client trusts, so a connection
fails with "unknown authority".

With `ask_clients` the server asks each client for a certificate. A client without one connects all the same, because
whether it may ask is decided by the request (`webhook.server.callers`). A certificate of another authority, an
expired one, or one that is not for clients ends the handshake with the alert that says so.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from certs.authority import make_authority, make_leaf
from certs.clock import Clock, SystemClock
from certs.errors import MismatchedPair, RefusedPair, UntimelyPair
from certs.pem import Pair, bundle_pem, fingerprint, fits

__all__ = ["Serving", "check", "handshake"]

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - for files of mode 0600 that live for a millisecond
_ROUND_TRIPS = 8  # a handshake in memory needs 3
_NOT_READY = "not-ready.invalid"
# Of TLS 1.2, what encrypts and authenticates in one step, with a fresh key for each connection: no CBC. TLS 1.3 has no
# other suites. Go, and so kube-apiserver, offers all of these for ECDSA and RSA certificates.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


class Serving:
    """The current context, and the one to listen with."""

    def __init__(self, *, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        placeholder = _placeholder(self._clock.now())
        self._current = _context(placeholder)
        self._pair: Pair | None = None
        self.client_refused: Callable[[str], None] = lambda reason: None
        """Called with OpenSSL's reason when a client's certificate is refused."""
        self._placeholder = placeholder
        self._authorities: str | None = None
        self._listening = _context(placeholder)
        self._listening.sni_callback = self._hand_over

    def __repr__(self) -> str:
        return f"Serving(fingerprint={self.fingerprint!r}, not_after={self.not_after!r})"

    @property
    def listening_context(self) -> ssl.SSLContext:
        """What a server listens with, always the same one: TLS 1.2 and later."""
        return self._listening

    @property
    def certificate(self) -> x509.Certificate | None:
        """The leaf that is served; None before the first."""
        return self._pair.certificate if self._pair else None

    @property
    def not_after(self) -> datetime | None:
        """When the leaf that is served expires; None before the first."""
        return self._pair.certificate.not_valid_after_utc if self._pair else None

    @property
    def fingerprint(self) -> str | None:
        """SHA-256 of the leaf that is served, in hex; None before the first."""
        return fingerprint(self._pair.certificate) if self._pair else None

    def usable(self) -> bool:
        """Whether a leaf is served that has not expired."""
        return self.not_after is not None and self._clock.now() <= self.not_after

    def replace(self, pair: Pair, *, names: Sequence[str] = ()) -> None:
        """Serve `pair` to every connection from now on. Connections that are open keep theirs.

        names: what the certificate must be good for. Raises `MismatchedPair`, `UntimelyPair` or `RefusedPair`; nothing
        has changed then.
        """
        check(pair, now=self._clock.now(), names=names)
        context = _context(pair, self._authorities)
        handshake(context, pair)
        self._pair, self._current = pair, context

    def ask_clients(self, authorities: Iterable[x509.Certificate]) -> None:
        """Ask clients for a certificate of one of `authorities`, from the next connection on. First before listening.

        The two contexts share the work: OpenSSL asks because the one that listens says so, and looks for the issuer in
        the one that a connection is handed.
        """
        self._authorities = bundle_pem(authorities).decode()
        self._current = _context(self._pair or self._placeholder, self._authorities)
        if self._listening.verify_mode is ssl.CERT_NONE:
            self._listening.verify_mode = ssl.CERT_OPTIONAL
            self._listening.sslobject_class = type("Alerting", (_Alerting,), {"serving": self})

    def _hand_over(self, connection: ssl.SSLObject, _name: str | None, _listening: ssl.SSLContext) -> None:
        connection.context = self._current


def check(pair: Pair, *, now: datetime, names: Sequence[str] = ()) -> None:
    """Check that a client could accept the pair. Raises `MismatchedPair`, `UntimelyPair` or `RefusedPair`."""
    leaf = pair.certificate
    if not fits(leaf, pair.key):
        raise MismatchedPair("the private key belongs to another certificate")
    if now > leaf.not_valid_after_utc:
        raise UntimelyPair(f"the certificate expired on {leaf.not_valid_after_utc:%Y-%m-%d %H:%M:%SZ}")
    if now < leaf.not_valid_before_utc:
        raise UntimelyPair(f"the certificate is not valid before {leaf.not_valid_before_utc:%Y-%m-%d %H:%M:%SZ}")
    try:
        if ExtendedKeyUsageOID.SERVER_AUTH not in leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value:
            raise RefusedPair("the certificate is not for servers: serverAuth is missing from its extended key usage")
    except x509.ExtensionNotFound:
        pass
    if missing := [name for name in names if not _covers(leaf, name)]:
        raise RefusedPair(
            f"the certificate is not for {', '.join(missing)}, only for {', '.join(_names(leaf)) or 'no name'}"
        )


def handshake(context: ssl.SSLContext, pair: Pair) -> None:
    """Try a TLS handshake in memory, so that a context that cannot do one is never used. Raises `RefusedPair`."""
    anyone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    server, client = context.wrap_bio(there, back, server_side=True), anyone.wrap_bio(back, there)
    try:
        for _ in range(_ROUND_TRIPS):
            if _step(client) and _step(server):
                break
            _step(server)
    except ssl.SSLError as error:
        raise RefusedPair(
            f"no TLS handshake is possible with the certificate: {error.reason or 'unknown reason'}"
        ) from None
    if client.getpeercert(binary_form=True) != pair.certificate.public_bytes(Encoding.DER):
        raise RefusedPair("a TLS handshake with the certificate did not finish")


def _step(side: ssl.SSLObject) -> bool:
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


class _Alerting(ssl.SSLObject):
    """A connection that tells its client why the client's certificate is refused.

    asyncio and uvloop drop what OpenSSL has to send when a handshake fails, so kube-apiserver would report an EOF. They
    send it when a handshake waits for its client: so this one waits, for the client's end or until its time is over.
    """

    serving: Serving
    _refusal: ssl.SSLCertVerificationError | None = None

    def do_handshake(self) -> None:
        """See the class."""
        if self._refusal is not None:
            raise self._refusal
        try:
            super().do_handshake()
        except ssl.SSLCertVerificationError as error:
            self._refusal = error
            self.serving.client_refused(error.verify_message)
            raise ssl.SSLWantReadError from None


def _context(pair: Pair, authorities: str | None = None) -> ssl.SSLContext:
    """A new server context with `pair`, and with what it trusts of clients.

    authorities: PEM; None: clients are not asked. Raises `RefusedPair` if OpenSSL refuses the pair, as one whose key is
    too short.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    # A ticket's key lives as long as the context, and can decrypt every connection that had such a ticket. In its place
    # OpenSSL keeps sessions of TLS 1.2 in memory, 20,480 at most of 1.2 KiB each, which Python cannot turn off.
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_NO_TICKET
    # A resumed session skips the certificate and so hides a rotation from its client; kube-apiserver keeps none.
    context.num_tickets = 0
    if authorities is not None:
        context.verify_mode = ssl.CERT_OPTIONAL
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # as Go does it: each of them is trusted, root or not
        if authorities:
            context.load_verify_locations(cadata=authorities)
    pem = pair.private_pem()
    try:
        try:
            with _memory_file(pem) as path:
                context.load_cert_chain(path)
        except ssl.SSLError:
            raise
        except OSError:  # no memfd, or no /proc to open it by
            with _shared_file(pem) as path:
                context.load_cert_chain(path)
    except ssl.SSLError as error:
        raise RefusedPair(f"OpenSSL refuses the certificate: {error.reason or 'unknown reason'}") from None
    return context


@contextmanager
def _memory_file(content: bytes) -> Iterator[str]:
    """The path of a file without a name in any folder; it is gone when it is closed. Raises OSError without memfd."""
    if not hasattr(os, "memfd_create"):
        raise OSError("no memfd_create on this system")
    descriptor = os.memfd_create("pair", os.MFD_CLOEXEC)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, 0o600)
        file.write(content)
        file.flush()
        yield f"/proc/self/fd/{descriptor}"


@contextmanager
def _shared_file(content: bytes) -> Iterator[str]:
    """The path of a file of mode 0600 in shared memory; in the temporary folder on machines that have no /dev/shm."""
    descriptor, path = tempfile.mkstemp(prefix="m365wi-pair-", dir=_SHARED_MEMORY if _SHARED_MEMORY.is_dir() else None)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            yield path
    finally:
        Path(path).unlink()


def _covers(leaf: x509.Certificate, name: str) -> bool:
    """Whether `leaf` is for `name`: exactly, or with a wildcard instead of the first label."""
    wildcard = f"*.{name.partition('.')[2]}"
    return any(known.lower() in {name.lower(), wildcard.lower()} for known in _names(leaf))


def _names(leaf: x509.Certificate) -> list[str]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]


def _placeholder(now: datetime) -> Pair:
    day, names = timedelta(days=1), [_NOT_READY]
    authority = make_authority(now=now, lifetime=day, common_name="m365-workload-identity not ready", names=names)
    return make_leaf(authority, names=names, now=now, lifetime=day)
