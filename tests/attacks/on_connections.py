"""Attacks with connections: their number, their beginning, their end, and what is not HTTP at all."""

import contextlib
import socket
import ssl
import struct
from collections.abc import Iterator, Mapping
from typing import Final

from tests.attacks.beside import Attack, Webhook
from tests.core.support import body, pod
from tests.server.client import Client, post

HALF_A_HELLO: Final = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
REVIEW: Final = post(body(pod()))
NO_TLS: Final = (
    b"GET / HTTP/1.1\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + b"x" * 37,  # SSL 2.0
    b"\x15\x03\x03\x00\x02\x02\x28",  # an alert
    b"\x16\x03\x03\x00\x00" * 200,  # records without content
    b"\x17\x03\x03\x40\x00" + b"x" * 16384,  # data before the handshake
    b"\x16\x03\x01\xff\xff" + b"x" * 65535,  # a record longer than may be
    HALF_A_HELLO,
    b"\0" * 1000,
)


@contextlib.contextmanager
def connected(
    port: int, count: int, data: bytes = b"", context: ssl.SSLContext | None = None
) -> Iterator[list[Client]]:
    """So many connections that have sent `data`."""
    with contextlib.ExitStack() as stack:
        clients = []
        for _ in range(count):
            with contextlib.suppress(OSError):  # one that was closed for another
                client = stack.enter_context(Client(port, context))
                client.send(data)
                clients.append(client)
        yield clients


def answers(clients: list[Client]) -> list[int]:
    """The statuses of one answer each; 0 for a connection that has ended."""
    statuses = []
    for client in clients:
        try:
            statuses.append(client.response().status)
        except (OSError, ValueError):
            statuses.append(0)
    return statuses


def reset(client: socket.socket) -> None:
    """End a connection without a goodbye."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def more_than_there_is_room_for(webhook: Webhook, _: int) -> None:
    """600 that say nothing, or half a greeting."""
    with connected(webhook.port, 300), connected(webhook.port, 300, HALF_A_HELLO):
        pass


def handshakes(webhook: Webhook, _: int) -> None:
    """60 that are complete and followed by nothing; half of them are of TLS 1.2."""
    older = webhook.context()
    older.maximum_version = ssl.TLSVersion.TLSv1_2
    with connected(webhook.port, 30, context=webhook.context()), connected(webhook.port, 30, context=older):
        pass


def handshakes_side_by_side(webhook: Webhook, _: int) -> None:
    """100 greetings arrive before the first is answered."""
    greeting, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        webhook.context().wrap_bio(greeting, outgoing).do_handshake()
    hello = outgoing.read()
    with connected(webhook.port, 100) as clients:
        for client in clients:
            client.send(hello)
        for client in clients:
            assert client.socket.recv(1)


def nonsense(webhook: Webhook, _: int) -> None:
    """What is not TLS, ten times each."""
    for data in NO_TLS:
        with contextlib.suppress(OSError), connected(webhook.port, 10, data):
            pass


def resets(webhook: Webhook, _: int) -> None:
    """Of both ports: at once, in a handshake, in a request, and with an answer under way."""
    for port in (webhook.port, webhook.ops_port):
        for data in (b"", HALF_A_HELLO, b"GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n"):
            for _ in range(15):
                client = socket.create_connection(("127.0.0.1", port))
                client.send(data)
                reset(client)
    for _ in range(15):
        secured = Client(webhook.port, webhook.context())
        secured.send(REVIEW)
        reset(secured.socket)


def half_closed(webhook: Webhook, _: int) -> None:
    """Clients that say that they send no more: before a request, within it and after it."""
    context = webhook.context()
    for data in (b"", REVIEW[:100], REVIEW):
        with connected(webhook.port, 10, data, context) as clients:
            for client in clients:
                client.socket.shutdown(socket.SHUT_WR)
    with connected(webhook.ops_port, 20, b"GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n") as clients:
        for client in clients:
            client.socket.shutdown(socket.SHUT_WR)
        assert set(answers(clients)) <= {0, 200}


def broken_records(webhook: Webhook, _: int) -> None:
    """After a good handshake something that cannot be deciphered, or is cut off."""
    with connected(webhook.port, 20, context=webhook.context()) as clients:
        for number, client in enumerate(clients):
            raw = client.socket.detach()
            with socket.socket(fileno=raw) as plain:
                plain.send((b"\x17\x03\x03\x00\x40" + b"x" * 64, b"\x17\x03\x03\x40", b"\0" * 100, b"")[number % 4])


def tiny_records(webhook: Webhook, _: int) -> None:
    """A review in records of one byte each."""
    with connected(webhook.port, 3, context=webhook.context()) as clients:
        for client in clients:
            client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
            for byte in REVIEW:
                client.send(bytes([byte]))
        assert answers(clients) == [200] * 3


def operations_flood(webhook: Webhook, _: int) -> None:
    """Silent connections, metrics without a pause, and bodies that are not read, on the port of the probes."""
    metrics = b"GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n"
    large = b"POST /metrics HTTP/1.1\r\nhost: a\r\ncontent-length: 2000000\r\n\r\n" + b"x" * 1_100_000
    with connected(webhook.ops_port, 40), connected(webhook.ops_port, 6, metrics * 10):
        with connected(webhook.ops_port, 1, large), connected(webhook.ops_port, 20, b"GET /livez HTTP/1.1\r\n"):
            pass


ATTACKS: Final[Mapping[str, Attack]] = {
    "more connections than there is room for": more_than_there_is_room_for,
    "handshakes, one after the other": handshakes,
    "handshakes, side by side": handshakes_side_by_side,
    "no TLS": nonsense,
    "resets": resets,
    "half-closed connections": half_closed,
    "broken TLS records": broken_records,
    "tiny TLS records": tiny_records,
    "the operations port": operations_flood,
}
