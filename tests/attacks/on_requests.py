"""Attacks with requests: heads and bodies that are malformed, slow, many, or ahead of their answers."""

import contextlib
import json
import random
from collections.abc import Mapping
from typing import Final

from tests.attacks.beside import MIB, Attack, Webhook
from tests.attacks.on_connections import REVIEW, answers, connected
from tests.attacks.test_unread_answers import SlowReader
from tests.core.support import body, pod
from tests.server.client import Client, post
from tests.server.test_request_parser import BAD, CHUNKED

MUTATE: Final = b"POST /mutate?timeout=5s HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
LARGE: Final = json.dumps({"x": "x" * (6 * MIB)}).encode()
MEDIUM: Final = json.dumps({"x": "x" * 200_000}).encode()
COSTLY: Final = json.dumps({"x": [[]] * 15_000}).encode()  # 60 KB, which take 2 MB when they are parsed
NO_REVIEWS: Final = (
    post(b"not JSON"),
    post(b"[]"),
    post(body(pod()), content_type="text/plain"),
    post(body({})),
    post(body(pod()), path="/"),
    b"DELETE /mutate HTTP/1.1\r\nhost: a\r\n\r\n",
)


def sent(webhook: Webhook, requests: list[bytes], status: range = range(400, 500)) -> None:
    """Send each on a connection of its own; its answer, if there is one, has a status of `status`."""
    for request in requests:
        with connected(webhook.port, 1, request, webhook.context()) as clients:
            for client in clients:
                client.socket.settimeout(0.02)
            assert all(each == 0 or each in status for each in answers(clients)), request


def malformed(webhook: Webhook, number: int) -> None:
    """What no parser should read, above all what two parsers could read in two ways: a tenth of the list each time."""
    sent(webhook, BAD[number::10])


def random_bytes(webhook: Webhook, number: int) -> None:
    """A review in which some bytes are others, left out or repeated."""
    chance = random.Random(number)
    requests = []
    for _ in range(15):
        request = bytearray(REVIEW)
        for _ in range(chance.randint(1, 4)):
            place, length = chance.randrange(len(request)), chance.choice((1, 1, 1, 4, 40))
            request[place : place + length] = chance.choice((b"", b"\r\n", chance.randbytes(length), request[:length]))
        requests.append(bytes(request))
    sent(webhook, requests, range(200, 500))


def slow_heads(webhook: Webhook, _: int) -> None:
    """60 requests that come a byte at a time, and do not come to their end."""
    with connected(webhook.port, 60, MUTATE, webhook.context()) as clients:
        for _ in range(5):
            for client in clients:
                with contextlib.suppress(OSError):
                    client.send(b"x")


def slow_bodies(webhook: Webhook, number: int) -> None:
    """Bodies of 6 MiB without their last byte: as many as fit, and then a few each time."""
    with connected(webhook.port, 14 if number == 0 else 2, post(LARGE)[:-1], webhook.context()):
        pass


def bodies_of_every_connection(webhook: Webhook, number: int) -> None:
    """All the connections that there may be send 200 KB, and then some of them each time."""
    with connected(webhook.port, 520 if number == 0 else 10, post(MEDIUM)[:-1], webhook.context()):
        pass


def costly_small_bodies(webhook: Webhook, _: int) -> None:
    """40 bodies that are small as text and not so when they are parsed, at once."""
    with connected(webhook.port, 40, post(COSTLY)[:-1], webhook.context()) as clients:
        for client in clients:
            client.send(b"}")
        assert set(answers(clients)) <= {400, 503}


def tiny_chunks(webhook: Webhook, _: int) -> None:
    """A body in chunks of one byte, and one of extensions and trailers without an end."""
    start = post(b"", content_length="", transfer_encoding="chunked")
    with connected(webhook.port, 1, start + b"1\r\nx\r\n" * 19_000 + b"0\r\n\r\n", webhook.context()) as clients:
        assert answers(clients) == [400]
    sent(webhook, [CHUNKED + b"1;" + b"a" * 9000, CHUNKED + b"0\r\n" + b"x: y\r\n" * 2000])


def largest_heads(webhook: Webhook, _: int) -> None:
    """Just what is allowed: 60 fields of 500 bytes, 8000 digits of a length, 4000 bytes of a path."""
    fields = b"".join(b"x-%d: %b\r\n" % (each, b"a" * 500) for each in range(58))
    zeros = b"content-length: " + b"0" * 8000 + b"2\r\n\r\n{}"
    requests = [MUTATE + fields + b"content-length: 2\r\n\r\n{}", MUTATE + zeros, post(b"{}", path="/" + "a" * 4000)]
    sent(webhook, requests * 3)


def requests_ahead(webhook: Webhook, _: int) -> None:
    """Many requests in one write: 15, which are all answered, and more than are kept."""
    with connected(webhook.port, 3, REVIEW * 15, webhook.context()) as clients:
        for _ in range(15):
            assert answers(clients) == [200] * 3
    with connected(webhook.port, 3, REVIEW * 300, webhook.context()) as clients:
        assert set(answers(clients)) <= {0, 200}


def hesitant(webhook: Webhook, _: int) -> None:
    """Clients that wait for permission to send the body, and then do not."""
    head = post(b"x" * 9000, expect="100-continue")[:-9000]
    with connected(webhook.port, 40, head, webhook.context()) as clients:
        for client in clients:
            assert client.socket.recv(100).startswith(b"HTTP/1.1 100")


def refusals(webhook: Webhook, _: int) -> None:
    """Requests that are refused, for each of which there could be a line in the log."""
    with Client(webhook.port, webhook.context()) as client:
        for _ in range(60):
            assert client.ask(b"{}").status == 400
    sent(webhook, list(NO_REVIEWS) * 3)


def unread_answers(webhook: Webhook, _: int) -> None:
    """10 clients that ask for large answers and do not read them."""
    large = pod(*[{"name": f"c{number}"} for number in range(400)])
    with contextlib.ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(SlowReader(webhook)).send(post(body(large)))


ATTACKS: Final[Mapping[str, Attack]] = {
    "malformed requests": malformed,
    "random bytes": random_bytes,
    "slow heads": slow_heads,
    "slow bodies": slow_bodies,
    "a body from every connection": bodies_of_every_connection,
    "costly small bodies": costly_small_bodies,
    "tiny chunks": tiny_chunks,
    "the largest heads": largest_heads,
    "requests ahead of answers": requests_ahead,
    "bodies that are announced only": hesitant,
    "refusals": refusals,
    "unread answers": unread_answers,
}
