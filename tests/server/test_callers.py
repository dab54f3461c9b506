"""Clients that have to have a certificate: over real sockets and TLS, with the connections that the worker has."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs.authority import make_leaf
from certs.clients import ClientAuthorities
from certs.managed.self_dial import Dialler
from certs.pem import bundle_pem, load_key, private_pem
from certs.serving import Serving
from testbed.cluster.pki import Authority
from tests.authorities import make_authority
from tests.server.client import Client
from webhook.core.messages import calls, message
from webhook.logs import Log
from webhook.metrics import Metrics
from webhook.server.asgi import Receive, Scope, Send
from webhook.server.callers import Callers, names_of
from webhook.server.lifecycle import Lifecycle
from webhook.server.limits import Limits
from webhook.server.listener import Listener

pytestmark = pytest.mark.slow

NOW = datetime.now(UTC)  # OpenSSL asks the machine's clock
DAY = timedelta(days=1)
OURS, THEIRS = Authority(), Authority()
SERVER = make_authority(now=NOW, lifetime=DAY)
LEAF = make_leaf(SERVER, names=["127.0.0.1"], now=NOW, lifetime=DAY)
KUBE = OURS.client("kube-apiserver")
NOBODY = b""
LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def of(pair: Any) -> bytes:
    """A certificate and its key, as a client keeps them."""
    return bytes(pair.certificate + pair.key)


def ending(days: int, *usages: x509.ObjectIdentifier) -> bytes:
    """A client's certificate that ends after so many days, and that is for these usages."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.load_pem_x509_certificate(OURS.certificate)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kube-apiserver")])
    builder = x509.CertificateBuilder(issuer.subject, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(NOW - 9 * DAY).not_valid_after(NOW + days * DAY)
    builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    signer: Any = load_key(OURS.key)
    return bundle_pem([builder.sign(signer, hashes.SHA256())]) + private_pem(key)


@dataclass
class Webhook:
    """A listener as a worker has it, and what becomes of its calls."""

    folder: Path
    names: Sequence[str] = ()
    lines: list[dict[str, Any]] = field(default_factory=list)
    bodies: int = 0

    def __post_init__(self) -> None:
        self.file = self.folder / "client-ca.pem"
        self.file.write_bytes(OURS.certificate)
        self.metrics, self.serving = Metrics(version="0"), Serving()
        self.serving.replace(LEAF)
        log = Log(write=lambda line: self.lines.append(json.loads(line)))
        self.callers = Callers(names=self.names, log=log)
        self.serving.client_refused = self.callers.handshake_refused
        self.clients = ClientAuthorities(self.file, serving=self.serving, removed=self.callers.renew)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.port = self.socket.getsockname()[1]

    async def review(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """The application: reads the body, and says ok."""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            if not message["more_body"]:
                break
        self.bodies += 1
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    def listen(self) -> Listener:
        """Accept connections on the running loop."""
        listener = Listener(
            self.socket,
            loop=asyncio.get_running_loop(),
            application=self.review,
            lifecycle=Lifecycle(started=True),
            metrics=self.metrics,
            limits=Limits(),
            context=self.serving.listening_context,
            callers=self.callers,
        )
        listener.start()
        return listener

    def trust(self, *authorities: Authority) -> None:
        """Replace the file, and read it."""
        self.file.write_bytes(b"".join(each.certificate for each in authorities))
        self.clients.reload()

    def context(self, certificate: bytes = NOBODY, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
        """A client's."""
        context = ssl.create_default_context(cadata=SERVER.pem)
        context.check_hostname = False
        if version:
            context.minimum_version = context.maximum_version = version
        if certificate:
            file = self.folder / "client.pem"
            file.write_bytes(certificate)
            context.load_cert_chain(file)
        return context

    async def ask(self, certificate: bytes = NOBODY, version: ssl.TLSVersion | None = None) -> tuple[int, str]:
        """Status and text of an answer on a new connection. Raises OSError."""
        context = self.context(certificate, version)

        def call() -> tuple[int, str]:
            with Client(self.port, context) as client:
                answer = client.ask()
                return answer.status, answer.body.decode()

        return await asyncio.to_thread(call)


Test = Callable[[Webhook], Awaitable[None]]


def run(webhook: Webhook, test: Test, loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop) -> None:
    """Run `test` while the webhook listens."""

    async def both() -> None:
        listener = webhook.listen()
        try:
            await test(webhook)
        finally:
            listener.stop()
            listener.connections.end()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(both())


@pytest.fixture
def webhook(tmp_path: Path) -> Iterator[Webhook]:
    here = Webhook(tmp_path)
    yield here
    here.socket.close()


def refused(webhook: Webhook) -> float:
    """How many requests of clients that may not ask were counted."""
    return float(webhook.metrics._refused["client"]._value.get())


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_with_a_certificate_of_our_authority_is_answered(
    webhook: Webhook, version: ssl.TLSVersion, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """Whatever its name is."""

    async def test(webhook: Webhook) -> None:
        assert await webhook.ask(of(KUBE), version) == (200, "ok")
        assert await webhook.ask(of(OURS.client("anybody")), version) == (200, "ok")

    run(webhook, test, loop)
    assert webhook.lines == []


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_without_a_certificate_is_refused_before_its_body_is_read(
    webhook: Webhook, version: ssl.TLSVersion
) -> None:
    """With a sentence that has a code; the connection ends. It is counted and logged."""

    def announce() -> bytes:
        with Client(webhook.port, webhook.context(version=version)) as client:
            client.send(b"POST /mutate HTTP/1.1\r\nhost: webhook\r\ncontent-length: 7000000\r\n\r\n")
            answer = client.response()
            assert client.ended()
            return b"%d " % answer.status + answer.body

    async def test(_: Webhook) -> None:
        answer = (await asyncio.to_thread(announce)).decode()
        assert answer.startswith("403 the webhook answers only clients with a certificate")
        assert f"[{calls.CLIENT_CERTIFICATE_MISSING.code}]" in answer

    run(webhook, test)
    assert webhook.bodies == 0
    assert refused(webhook) == 1
    (line,) = webhook.lines
    assert (line["level"], line["client"], line["code"]) == ("warning", "127.0.0.1", "WI671")


ALERTS = {
    "of another authority": (of(THEIRS.client("kube-apiserver")), "UNKNOWN_CA", "unable to get local issuer"),
    "expired": (ending(-1, ExtendedKeyUsageOID.CLIENT_AUTH), "CERTIFICATE_EXPIRED", "certificate has expired"),
    "for servers": (of(OURS.server(["127.0.0.1"], [])), "UNSUPPORTED_CERTIFICATE", "unsuitable certificate purpose"),
}


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("what", ALERTS)
def test_a_certificate_that_is_not_accepted_ends_the_handshake_with_its_reason(
    webhook: Webhook, what: str, version: ssl.TLSVersion, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """The client is told, in TLS, and so is the log."""
    certificate, alert, reason = ALERTS[what]

    async def test(webhook: Webhook) -> None:
        with pytest.raises(ssl.SSLError, match=f"ALERT_{alert}"):
            await webhook.ask(certificate, version)

    run(webhook, test, loop)
    (line,) = webhook.lines
    assert line["message"] == "a client's certificate was refused"
    assert reason in line["reason"]
    assert webhook.bodies == 0


def test_only_the_names_that_are_given_may_ask(tmp_path: Path) -> None:
    """By common name or DNS name; another name of the same authority is refused with 403."""
    webhook = Webhook(tmp_path, names=["kube-apiserver", "api.example.com"])

    async def test(webhook: Webhook) -> None:
        assert await webhook.ask(of(KUBE)) == (200, "ok")
        status, text = await webhook.ask(of(OURS.client("somebody")))
        assert status == 403
        assert text.startswith("the client's certificate is for somebody, which is not in the webhook's --client-names")
        assert f"[{calls.CLIENT_NAME_UNKNOWN.code}]" in text

    run(webhook, test)
    webhook.socket.close()


def test_the_names_of_a_certificate_are_its_common_name_its_dns_names_and_its_uris() -> None:
    """Not its organization, nor an address."""
    certificate = {
        "subject": ((("organizationName", "system:masters"),), (("commonName", "kube-apiserver"),)),
        "subjectAltName": (("DNS", "api.example.com"), ("URI", "spiffe://a/b"), ("IP Address", "10.0.0.1")),
    }
    assert names_of(certificate) == {"kube-apiserver", "api.example.com", "spiffe://a/b"}


def test_the_replica_itself_connects_without_a_certificate(webhook: Webhook) -> None:
    """As it does to try its own certificate: the handshake is all that it needs."""

    async def test(webhook: Webhook) -> None:
        await Dialler("127.0.0.1", webhook.port)(bundle=SERVER.pem.encode(), name="127.0.0.1")

    run(webhook, test)
    assert webhook.lines == []


@pytest.mark.parametrize("certificate", [NOBODY, of(KUBE)], ids=["nobody", "kube-apiserver"])
def test_a_resumed_session_is_refused(webhook: Webhook, certificate: bytes) -> None:
    """OpenSSL remembers sessions of TLS 1.2, and does not look at the certificate again when one is resumed."""

    def call(context: ssl.SSLContext, session: ssl.SSLSession | None) -> tuple[bool | None, bytes, ssl.SSLSession]:
        with socket.create_connection(("127.0.0.1", webhook.port)) as plain:
            tls = context.wrap_socket(plain, server_hostname="127.0.0.1", session=session)
            tls.sendall(b"POST /mutate HTTP/1.1\r\nhost: webhook\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            answer = b""
            while piece := tls.recv(4096):
                answer += piece
            found = tls.session_reused, answer, tls.session
            tls.unwrap().close()  # otherwise OpenSSL forgets the session
            assert found[2] is not None
            return found  # type: ignore[return-value]

    async def test(webhook: Webhook) -> None:
        context = webhook.context(certificate, ssl.TLSVersion.TLSv1_2)
        reused, answer, session = await asyncio.to_thread(call, context, None)
        assert (reused, answer[9:12]) == (False, b"200" if certificate else b"403")
        reused, answer, _ = await asyncio.to_thread(call, context, session)
        assert reused, "the test shows nothing"
        assert answer[9:12] == b"403"

    run(webhook, test)


def test_another_file_counts_from_the_next_connection_on(webhook: Webhook) -> None:
    """Without a restart: first both authorities, then the new one alone."""
    theirs = of(THEIRS.client("kube-apiserver"))

    async def test(webhook: Webhook) -> None:
        webhook.trust(OURS, THEIRS)
        assert await webhook.ask(of(KUBE)) == (200, "ok")
        assert await webhook.ask(theirs) == (200, "ok")
        webhook.trust(THEIRS)
        assert await webhook.ask(theirs) == (200, "ok")
        with pytest.raises(ssl.SSLError, match="ALERT_UNKNOWN_CA"):
            await webhook.ask(of(KUBE))

    run(webhook, test)


def test_open_connections_end_when_an_authority_goes_and_stay_when_one_comes(webhook: Webhook) -> None:
    """They may have been accepted for the one that has gone."""

    async def test(webhook: Webhook) -> None:
        client = await asyncio.to_thread(Client, webhook.port, webhook.context(of(KUBE)))
        with client:
            assert (await asyncio.to_thread(client.ask)).status == 200
            webhook.trust(OURS, THEIRS)
            answer = await asyncio.to_thread(client.ask)
            assert (answer.status, answer.headers.get("connection")) == (200, None)
            webhook.trust(THEIRS)
            assert await asyncio.to_thread(client.ended)

    run(webhook, test)


def test_a_new_serving_certificate_changes_nothing_about_clients(webhook: Webhook) -> None:
    """The context of the new pair knows the same authorities."""

    async def test(webhook: Webhook) -> None:
        webhook.serving.replace(make_leaf(SERVER, names=["127.0.0.1"], now=NOW, lifetime=DAY))
        assert await webhook.ask(of(KUBE)) == (200, "ok")
        assert (await webhook.ask())[0] == 403
        with pytest.raises(ssl.SSLError, match="ALERT_UNKNOWN_CA"):
            await webhook.ask(of(THEIRS.client("kube-apiserver")))

    run(webhook, test)


def test_strangers_do_not_fill_the_log(webhook: Webhook) -> None:
    """Fifty lines of a reason at once, then five a second; after ten seconds a line says how many were left out."""

    async def test(webhook: Webhook) -> None:
        for _ in range(1000):
            webhook.callers.refused(message(calls.CLIENT_CERTIFICATE_MISSING), "10.0.0.1")
            webhook.callers.handshake_refused("certificate has expired")

    begun = time.monotonic()
    run(webhook, test)
    assert 100 <= len(webhook.lines) <= 100 + 2 * 5 * (time.monotonic() - begun + 1)
