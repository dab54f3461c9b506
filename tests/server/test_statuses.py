"""Every line of the table in webhook.server.application, asked of a real process over TLS."""

import contextlib
import socket

import pytest

from tests.server.client import post
from tests.server.conftest import Server
from webhook.server.bodies import MAX_BODY


def test_a_decision_is_answered_with_200(server: Server) -> None:
    """The answer's body comes as JSON, with its length, on a connection that stays open."""
    with server.client() as client:
        response = client.ask({"uid": "u-1"})
        assert (response.status, response.headers["content-type"]) == (200, "application/json")
        assert response.json()["uid"] == "u-1"
        assert not response.closes
        assert client.ask({"uid": "u-2"}).json()["uid"] == "u-2"


@pytest.mark.parametrize("path", ["/mutate", "/mutate-v1-pod", "/mutate-v1-pod?timeout=3s"])
def test_both_paths_answer_reviews(server: Server, path: str) -> None:
    """Azure's path works as our own does, with a query string or without."""
    assert server.ask(path=path).status == 200


@pytest.mark.parametrize("path", ["/", "/mutate/", "/mutat", "/MUTATE", "/healthz", "//mutate", "/mutate%00", "*"])
def test_any_other_path_is_404(server: Server, path: str) -> None:
    """What is not one of our paths to the letter is not found, and its body is not read."""
    response = server.ask(path=path)
    assert (response.status, response.closes) == (404 if path != "*" else 400, True)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_any_other_method_is_405(server: Server, method: str) -> None:
    """The answer says which method is allowed."""
    with server.client() as client:
        client.send(post().replace(b"POST", method.encode(), 1))
        response = client.response()
    assert (response.status, response.headers["allow"], response.closes) == (405, "post", True)


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/jsonp", "application/yaml", "json"])
def test_any_other_content_type_is_415(server: Server, content_type: str) -> None:
    """The body is not even waited for."""
    with server.client() as client:
        client.send(post(b"x" * 10, content_type=content_type)[:-5])
        response = client.response()
    assert (response.status, response.closes) == (415, True)


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "Application/JSON", "application/json ;charset=utf-8"]
)
def test_parameters_of_the_content_type_do_not_matter(server: Server, content_type: str) -> None:
    """kube-apiserver sends none, curl and test tools do."""
    assert server.ask(content_type=content_type).status == 200


def test_a_bad_review_is_400(server: Server) -> None:
    """What the reviewer says about the body is passed on as a line of text, and the connection goes on."""
    with server.client() as client:
        response = client.ask(b"{")
        assert (response.status, response.body) == (400, b"the body is not JSON\n")
        assert response.headers["content-type"].startswith("text/plain")
        assert client.ask().status == 200


def test_a_failed_lookup_is_503_and_asks_to_be_called_again(server: Server) -> None:
    """kube-apiserver repeats its call after Retry-After, on the same connection."""
    with server.client() as client:
        response = client.ask({"status": 503})
        assert (response.status, response.headers["retry-after"], response.closes) == (503, "1", False)
        assert client.ask().status == 200


def test_our_bug_is_500_without_a_traceback(server: Server) -> None:
    """Whatever a reviewer raises, the caller learns only that it was our fault; the log has the rest."""
    response = server.ask({"raise": "secret-of-ours"})
    assert (response.status, response.body) == (500, b"internal error: see the webhook's log\n")
    line = server.wait_for("a review could not be answered")
    assert "RuntimeError: secret-of-ours" in line["exception"]


@pytest.mark.parametrize("size", [MAX_BODY + 1, 8 * 1024 * 1024, 10**18])
def test_a_body_announced_as_too_big_is_413_before_it_is_read(server: Server, size: int) -> None:
    """The answer comes although not a byte of the body does."""
    with server.client() as client:
        client.send(post(b"", content_length=str(size)))
        response = client.response()
        assert (response.status, response.closes) == (413, True)


@pytest.mark.parametrize("zeros", [7, 5000], ids=["a few", "more than Python reads"])
def test_zeros_before_a_length_change_nothing(server: Server, zeros: int) -> None:
    """Only the number counts: the answer is a review, counted and logged, or 413."""
    uid = f"{zeros}-zeros"
    body = b'{"uid":"%s"}' % uid.encode()
    response = server.ask(body, content_length="0" * zeros + str(len(body)))
    assert (response.status, response.json()["length"]) == (200, len(body))
    server.wait_for("review", uid=uid)
    with server.client() as client:
        client.send(post(b"", content_length="0" * zeros + str(MAX_BODY + 1)))
        assert client.response().status == 413


@pytest.mark.parametrize("mib", [8, 40])
def test_413_reaches_a_client_that_sends_all_the_same(server: Server, mib: int) -> None:
    """A client that writes everything before it reads finds the answer, not a reset connection."""
    with server.client() as client:
        client.send(post(b"x" * (mib * 1024 * 1024)))
        assert client.response().status == 413
        assert client.ended()


def chunked(*chunks: bytes) -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return post(b"", content_length="", transfer_encoding="chunked") + body


def test_a_chunked_body_that_grows_too_big_is_413(server: Server) -> None:
    """Without an announced length the body is counted as it comes."""
    with server.client() as client:
        client.send(chunked(*[b"x" * 65536] * (MAX_BODY // 65536 + 1)))
        response = client.response()
        assert (response.status, response.closes) == (413, True)


def test_a_body_of_7_mib_is_read(server: Server) -> None:
    """The limit itself is within the limit."""
    body = b'{"uid":"' + b"x" * (MAX_BODY - 10) + b'"}'
    assert server.ask(body).json()["length"] == MAX_BODY


def test_a_chunked_body_is_read(server: Server) -> None:
    """Chunks of any size make one body, and the connection goes on after it."""
    with server.client() as client:
        client.send(chunked(b'{"ui', b'd":"', b"x" * 70_000, b'"}') + b"0\r\n\r\n")
        assert client.response().json()["length"] == 70_010
        assert client.ask().status == 200


def test_requests_in_one_packet_are_answered_in_order(server: Server) -> None:
    """A client may send the next request before it has the answer."""
    with server.client() as client:
        client.send(b"".join(post({"uid": f"u-{n}", "sleep": 0.01}) for n in range(20)))
        assert [client.response().json()["uid"] for _ in range(20)] == [f"u-{n}" for n in range(20)]


def test_http_1_0_is_answered_and_closed(server: Server) -> None:
    """As HTTP/1.0 has it."""
    with server.client() as client:
        client.send(post({"uid": "old"}).replace(b"HTTP/1.1", b"HTTP/1.0"))
        response = client.response()
        assert (response.status, response.json()["uid"]) == (200, "old")
        assert client.ended()


def test_a_client_that_expects_100_gets_it_only_for_a_body_that_is_wanted(server: Server) -> None:
    """`Expect: 100-continue` is answered by 100, or by the refusal at once."""
    with server.client() as client:
        client.send(post(b"", expect="100-continue", content_length="2"))
        assert client.response().status == 100
        client.send(b"{}")
        assert client.response().status == 200
        client.send(post(b"", expect="100-continue", content_length="2", content_type="text/plain"))
        assert client.response().status == 415


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"POST /" + b"a" * 10_000 + b" HTTP/1.1\r\n\r\n", 414),
        (post(x="a" * 10_000), 431),
        (post().replace(b"\r\n", b"\r\nx: a" * 100 + b"\r\n", 1), 431),
        (b"GET / HTTP/1.1\r\nhost: a\r\n" + b"".join(b"x%d: %s\r\n" % (n, b"a" * 1000) for n in range(60)), 431),
        (b"rubbish\r\n\r\n", 400),
        (b"\x00\xff" * 100 + b"\r\n\r\n", 400),
        (post(content_length="ten"), 400),
        (post(content_length="-1"), 400),
        (post(transfer_encoding="chunked"), 400),
        (post(content_length="", transfer_encoding="gzip"), 400),
        (post(b"", content_length="", transfer_encoding="chunked") + b"zz\r\n", 400),
        (b"POST /mutate HTTP/1.1\nhost: a\n\n", 400),
    ],
    ids=lambda value: "" if isinstance(value, int) else None,
)
def test_what_is_not_http_is_refused(server: Server, request_bytes: bytes, status: int) -> None:
    """Too long a line, too many fields, two framings, no framing at all: an answer, and the end of the connection."""
    before = server.refused("malformed")
    with server.client() as client:
        client.send(request_bytes)
        response = client.response()
        assert (response.status, response.closes) == (status, True)
        assert client.ended()
    assert server.refused("malformed") == before + 1


def test_a_head_that_never_ends_is_cut_off(server: Server) -> None:
    """A head in many small fields is refused at 32 KiB, long before its time is up."""
    with server.client() as client:
        client.send(b"POST /mutate HTTP/1.1\r\n")
        with pytest.raises(OSError, match=r"."):  # noqa: PT012 - which of the writes fails is up to the network
            for n in range(200):
                client.send(b"x-%d: %s\r\n" % (n, b"a" * 700))
            raise ConnectionResetError("all of it was taken")
        with contextlib.suppress(OSError):  # the reset came first
            assert client.response().status == 431


def test_a_client_that_leaves_within_its_body_has_no_effect(server: Server) -> None:
    """Neither a traceback nor a line for a review that never was."""
    assert server.ask({"uid": "before"}).status == 200
    client = server.client()
    client.send(post(b"x" * 1000)[:-500])
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    client.socket.close()
    assert server.ask({"uid": "after"}).status == 200
    server.wait_for("review", uid="after")
    said = [line.get("uid", line["message"]) for line in server.lines]
    assert said[said.index("before") :][:2] == ["before", "after"]


def test_a_client_that_leaves_before_the_answer_has_no_effect(server: Server) -> None:
    """The review goes on to its end, and the server to the next."""
    client = server.client()
    client.send(post({"uid": "left", "sleep": 0.1}))
    client.socket.close()
    server.wait_for("review", uid="left")
    assert server.ask().status == 200
    assert not [line for line in server.lines if "Error handling" in line["message"]]


@pytest.mark.parametrize(
    ("query", "seconds"),
    [
        ("", 4.5),
        ("?timeout=5s", 4.5),
        ("?timeout=10s", 9.5),
        ("?timeout=30s", 9.5),
        ("?timeout=1m0s", 9.5),
        ("?timeout=1s", 0.9),
        ("?timeout=500ms", 0.45),
        ("?timeout=1.5s", 1.35),
        ("?a=b&timeout=2s&c=d", 1.8),
        ("?timeout=soon", 4.5),
        ("?timeout=0s", 4.5),
        ("?timeout=-3s", 4.5),
        ("?timeout=5", 4.5),
        ("?timeout=" + "9" * 500 + "s", 4.5),
        ("?xtimeout=1s", 4.5),
    ],
)
def test_the_callers_timeout_is_the_reviews_deadline(server: Server, query: str, seconds: float) -> None:
    """Less a margin in which the answer travels, and never more than the server allows."""
    allowed = server.ask(path="/mutate" + query).json()["timeout"]
    assert seconds - 0.2 < allowed <= seconds


def test_a_review_is_one_line_of_json_without_the_body(server: Server) -> None:
    """Everything that helps to find a pod's review, and nothing of what the caller sent but that."""
    server.ask({"uid": "line-1", "secret": "eyJhbGciOiJSUzI1NiJ9.body.text"})
    line = server.wait_for("review", uid="line-1")
    assert line["time"].endswith("Z")
    expected = {
        "level": "info",
        "outcome": "injected",
        "reason": "injected",
        "status": 200,
        "namespace": "shop",
        "pod": "app-*",
        "account": "terraform",
        "dry_run": True,
        "warnings": ["mind the gap [WI999]"],
        "lookup_ms": 1.0,
    }
    assert expected.items() <= line.items()
    assert 0 < line["ms"] < 5000
    assert b"eyJhbGciOiJSUzI1NiJ9" not in b"".join(server.text)


def test_every_review_is_counted(server: Server) -> None:
    """By outcome and reason, refusals too, before the answer is sent."""
    names = {reason: f'm365wi_reviews_total{{outcome="error",reason="{reason}"}}' for reason in ("bad-request",)}
    names["injected"] = 'm365wi_reviews_total{outcome="injected",reason="injected"}'
    before = {reason: server.metric(name) for reason, name in names.items()}
    server.ask()
    server.ask(b"{")
    server.ask(content_type="text/plain")
    after = {reason: server.metric(name) - before[reason] for reason, name in names.items()}
    assert after == {"bad-request": 2, "injected": 1}
