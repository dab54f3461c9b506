"""Hostile and broken clients: they lose their own connection and do not delay others."""

import contextlib
import fcntl
import socket
import ssl
import termios
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.server.client import Client, post
from tests.server.conftest import Server
from tests.server.fair import Fair
from webhook.server.limits import Limits

pytestmark = pytest.mark.slow

Serve = Callable[..., Server]

# Enough of a ClientHello for a server to wait for the rest.
HALF_A_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
HEAD = post(b"x" * 100)[:-100]


@contextlib.contextmanager
def many(server: Server, count: int, data: bytes, *, tls: bool = False) -> Iterator[list[socket.socket]]:
    """So many connections that have sent `data` and nothing more."""
    context = server.context() if tls else None
    clients = [Client(server.port, context).socket for _ in range(count)]
    try:
        for client in clients:
            client.sendall(data)
        yield clients
    finally:
        for client in clients:
            client.close()


def test_half_a_handshake_is_dropped(impatient: Server) -> None:
    """A client that stops in mid-handshake, or never says a word, is gone after the limit, and counted."""
    before = impatient.refused("handshake-timeout")
    with many(impatient, 3, HALF_A_HELLO) as stalled, many(impatient, 2, b"") as silent:
        for client in (*stalled, *silent):
            assert client.recv(1) == b""
    assert impatient.refused("handshake-timeout") >= before + 5
    assert impatient.ask().status == 200


@pytest.mark.parametrize("words", [b"", b"\x16\x03\x01\x02\x00", b"GET / HTTP/1.1\r\n\r\n"])
def test_a_failed_handshake_is_counted_and_not_logged(server: Server, words: bytes) -> None:
    """A port scan, a plain HTTP probe: nothing for the log."""
    before, lines = server.refused("handshake"), len(server.lines)
    with many(server, 1, words):
        pass
    server.wait_until(lambda: server.refused("handshake") == before + 1)
    assert len(server.lines) == lines


def test_a_connection_that_never_speaks_is_closed(impatient: Server) -> None:
    """After its handshake a client has as long as a request may take to say something."""
    before = impatient.refused("timeout")
    with impatient.client() as client:
        assert client.ended()
    assert impatient.refused("timeout") > before


@pytest.mark.parametrize("data", [b"P", b"POST /mutate HTTP/1.1\r\nx: ", HEAD, HEAD + b"xxx"])
def test_a_request_that_stalls_is_408(impatient: Server, data: bytes) -> None:
    """In its first line, in a header, before its body or within it: the same limit, an answer, and the end."""
    before = impatient.refused("timeout")
    with impatient.client() as client:
        client.send(data)
        response = client.response()
        assert (response.status, response.closes) == (408, True)
        assert response.body.count(b"\n") == 1
        assert client.ended()
    assert impatient.refused("timeout") > before


@pytest.mark.parametrize("data", [b"POST /mutate HTTP/1.1\r\nx: " + b"a" * 100, HEAD + b"x" * 100])
def test_a_request_that_drips_is_408(impatient: Server, data: bytes) -> None:
    """A byte now and then does not start the clock again."""
    with impatient.client() as client:
        rest = iter(data)
        stop = threading.Event()

        def drip() -> None:
            for byte in rest:
                if stop.wait(0.05):
                    return
                with contextlib.suppress(OSError):
                    client.send(bytes([byte]))

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            assert client.response().status == 408
        finally:
            stop.set()
            thread.join()
        assert list(rest), "the answer came only when there was no more to drip"


def test_the_second_request_on_a_connection_has_the_same_limit(impatient: Server) -> None:
    """The clock starts with the first byte of a request, not with the end of the one before."""
    with impatient.client() as client:
        assert client.ask().status == 200
        time.sleep(2.5)  # idle for longer than a request may take
        assert client.ask().status == 200
        client.send(post() + b"POST /mut")
        assert client.response().status == 200
        assert client.response().status == 408


def test_an_idle_connection_is_closed_after_keep_alive(serve: Serve) -> None:
    """Quietly: with no byte that the client could take for an answer."""
    server = serve(limits={"keep_alive": 0.3}).ready()
    with server.client() as client:
        start = time.monotonic()
        assert client.ask().status == 200
        assert client.ended()
        assert time.monotonic() - start > 0.3
    assert server.refused("timeout") == 0


def test_connections_outlive_gos_own_idle_time() -> None:
    """Go closes a connection that was idle for 90 s; were we to close it first, a review could be on its way."""
    assert Limits().keep_alive > 90


def test_reviews_go_on_with_400_half_handshakes_and_100_stalled_bodies(serve: Serve) -> None:
    """None of them fails, and none waits for those who stall: these stay for longer than a client here waits."""
    server = serve(limits={"handshake": 600, "request": 600, "connections": 1000}).ready()
    with many(server, 400, HALF_A_HELLO), many(server, 100, HEAD, tls=True), server.client() as client:
        for n in range(200):
            assert client.ask({"uid": str(n)}).json()["uid"] == str(n)
            if n % 20 == 0:
                assert server.ask({"uid": str(n)}).status == 200
        assert (server.refused("handshake-timeout"), server.refused("timeout")) == (0, 0)


@pytest.mark.parametrize("tls", [False, True], ids=["in the handshake", "after it"])
def test_connections_that_stall_make_room_for_those_that_work(serve: Serve, tls: bool) -> None:
    """At the limit of connections a new one still comes in, and one that is in use stays."""
    server = serve(limits={"connections": 20}).ready()
    with server.client() as known:
        assert known.ask().status == 200
        with many(server, 60, HEAD if tls else HALF_A_HELLO, tls=tls) as clients:
            for client in clients[:40]:  # more are not let in, and the oldest go first
                with contextlib.suppress(ConnectionError):
                    assert client.recv(1) == b""
            for _ in range(30):
                assert server.ask().status == 200
            assert known.ask().status == 200


def test_idle_connections_make_room_oldest_first(serve: Serve) -> None:
    """If all are idle, the one that has been idle longest is closed."""
    server = serve(limits={"connections": 4}).ready()
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.client()) for _ in range(4)]
        for client in (*clients, clients[0]):
            assert client.ask().status == 200
        newcomer = stack.enter_context(server.client())
        assert newcomer.ask().status == 200
        assert clients[1].ended()
        for client in (clients[0], clients[2], clients[3]):
            assert client.ask().status == 200


def test_when_all_are_at_work_a_new_connection_is_refused(serve: Serve, tmp_path: Path) -> None:
    """No review is given up for a new connection, which is closed at once."""
    server = serve(limits={"connections": 2}).ready()
    with server.client() as one, server.client() as two:
        for uid, client in (("one", one), ("two", two)):
            client.send(post({"uid": uid, "until": str(tmp_path / "done")}))
            server.wait_for("waiting", uid=uid)
        with pytest.raises(OSError, match=r"."):
            server.ask()
        (tmp_path / "done").touch()
        assert [one.response().status, two.response().status] == [200, 200]
    assert server.refused("connections") == 1


def test_big_bodies_share_a_budget(serve: Serve) -> None:
    """The largest that is not complete gets 503 and may call again; small requests never notice; all is given back."""
    server = serve(budget=3 * 1024 * 1024).ready()
    body = b'{"uid":"' + b"x" * 1_000_000 + b'"}'
    with server.client() as one, server.client() as two, server.client() as three:
        for client in (one, two):
            client.send(post(body)[:-1])
        server.wait_until(lambda: has_read(server, one) and has_read(server, two))
        assert three.ask(body).status == 200
        assert server.ask({"uid": "small"}).status == 200
        one.send(body[-1:])
        response = one.response()
        assert (response.status, response.headers["retry-after"], response.closes) == (503, "1", True)
        two.send(body[-1:])
        assert two.response().status == 200
    for _ in range(5):
        assert server.ask(body).status == 200


def has_read(server: Server, client: Client) -> bool:
    """Whether the server has read everything that was sent: neither end's kernel has any of it."""
    own, other = (f":{port:04X}" for port in (client.socket.getsockname()[1], server.port))
    rows = [line.split()[1:5] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sent = [queues[:8] for local, remote, _, queues in rows if local.endswith(own) and remote.endswith(other)]
    unread = [queues[9:] for local, remote, _, queues in rows if local.endswith(other) and remote.endswith(own)]
    return [int(each, 16) for each in (*sent, *unread)] == [0, 0]


def taken(client: Client) -> bool:
    """Whether everything that was sent has arrived at the other end, but for what its kernel holds: little, there."""
    return bytes(fcntl.ioctl(client.socket, termios.TIOCOUTQ, bytes(4))) == bytes(4)


def test_a_body_of_tiny_chunks_cannot_hold_up_reviews(server: Server) -> None:
    """A megabyte of chunks of one byte does not delay others noticeably."""
    attack = post(b"", content_length="", transfer_encoding="chunked") + b"1\r\nx\r\n" * 170_000
    with server.client() as attacker, server.client() as client:
        assert client.ask().status == 200
        thread = threading.Thread(target=sent, args=(attacker, attack))
        thread.start()
        longest = 0.0
        while thread.is_alive():
            with Fair(server.worker) as took:
                assert client.ask().status == 200
            longest = max(longest, took.seconds)
        thread.join()
        assert longest < 0.25
        with contextlib.suppress(OSError):  # the reset came first
            assert attacker.response().status == 413


def sent(client: Client, data: bytes) -> None:
    """Send `data`, as far as the server takes it."""
    with contextlib.suppress(OSError):
        client.send(data)


def test_an_answer_that_is_not_read_ends_the_connection(serve: Serve) -> None:
    """What its client leaves unread is not kept for it."""
    server = serve(limits={"request": 0.6}).ready()  # of its own: the count must not be another connection's
    with server.client() as client:
        client.send(post({"uid": "unread", "answer": 16 * 1024 * 1024}))
        server.wait_until(lambda: server.refused("timeout") == 1)
        with pytest.raises((ConnectionError, ssl.SSLError)):
            client.response()


def test_requests_that_pile_up_end_the_connection(server: Server, tmp_path: Path) -> None:
    """A client may send some requests before it reads an answer, but not without end: no more than 64 KiB are kept."""
    with server.client() as client:
        client.send(post({"uid": "first", "until": str(tmp_path / "sent")}))
        sent(client, post() * 1000)
        server.wait_until(lambda: taken(client))
        (tmp_path / "sent").touch()
        assert client.response().json()["uid"] == "first"
        assert client.ended()


def test_a_stuck_operations_client_stalls_neither_reviews_nor_probes(impatient: Server) -> None:
    """The other port has the same limits, and its clients are not in the way of reviews."""
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(impatient.operations()).send(b"POST /metrics HTTP/1.1\r\ncontent-length: 9\r\n\r\n")
        assert impatient.ask().status == 200
        with impatient.operations() as probe:
            assert probe.get("/livez").status == 200


def test_no_more_connections_are_taken_than_files_may_be_open(serve: Serve) -> None:
    """Where the system allows few open files, the limit of connections follows, and is said."""
    server = serve(files=300).ready()
    assert "at most 108 connections" in server.lines[0]["message"]
    with many(server, 200, HALF_A_HELLO):
        assert server.ask().status == 200
