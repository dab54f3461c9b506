"""Bytes of a connection become requests, however they are cut, and what is not HTTP is refused."""

import time
from collections.abc import Callable

import httptools
import pytest

from tests.server.client import post
from webhook.server.request_parser import Refused, RequestParser

CHUNKED = b"POST /mutate HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
UPGRADE = b"POST / HTTP/1.1\r\nconnection: upgrade\r\nupgrade: h2c\r\n"


def parse(data: bytes, *, step: int = 1 << 20) -> tuple[RequestParser, bytes, bytes | None]:
    """The parser, the body, and what comes after the request (None if it is not whole); `step` bytes at a time."""
    parser = RequestParser()
    body = b""
    for position in range(0, len(data), step):
        pieces, rest = parser.feed(data[position : position + step])
        body += b"".join(pieces)
        if parser.whole:
            return parser, body, rest + data[position + step :]
    return parser, body, None


def refusal(data: bytes, *, step: int = 1 << 20) -> int:
    """The status with which `data` is refused, 0 if it is not."""
    try:
        parse(data, step=step)
    except Refused as error:
        return error.status
    return 0


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1 << 20])
@pytest.mark.parametrize(
    ("data", "body"),
    [
        (post(b'{"a":1}'), b'{"a":1}'),
        (post(b"a\r\n\r\nb"), b"a\r\n\r\nb"),
        (post(b""), b""),
        (b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", b""),
        (CHUNKED + b"5\r\nhello\r\n3;x=y\r\nabc\r\n0\r\n\r\n", b"helloabc"),
        (CHUNKED + b"6\r\n\r\n\r\n\r\n\r\n4\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n" * 5),
        (CHUNKED + b"1\r\nx\r\n0\r\ntrailer: t\r\nhost: b\r\n\r\n", b"x"),
        (UPGRADE + b"content-length: 3\r\n\r\nabc", b"abc"),
        (b"\r\n" + post(b"x"), b"x"),
    ],
)
def test_a_request_ends_where_it_ends_however_it_is_cut(data: bytes, body: bytes, step: int) -> None:
    """What comes after it is kept to the byte, and trailers are not headers."""
    follows = b"GET /next HTTP/1.1\r\n\r\n0\r\n\r\n"
    head, found, rest = parse(data + follows, step=step)
    assert (found, rest) == (body, follows)
    assert [value for name, value in head.headers if name == b"host"] in ([b"a"], [b"webhook"], [])
    assert b"trailer" not in dict(head.headers)


def test_a_head_has_what_an_application_needs() -> None:
    """Names in lower case, repeated fields in their order."""
    head, _, _ = parse(b"PUT /a?b=c HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nx-a: 2\r\n\r\n")
    assert (head.method, head.target, head.version) == ("PUT", b"/a?b=c", "1.1")
    assert head.headers == [(b"host", b"h"), (b"x-a", b"1"), (b"x-a", b"2")]


@pytest.mark.parametrize(
    ("version", "connection", "kept"),
    [
        ("1.1", "", True),
        ("1.1", "Close", False),
        ("1.1", "keep-alive, close", False),
        ("1.0", "", False),
        ("1.0", "Keep-Alive", True),
    ],
)
def test_the_client_says_whether_the_connection_goes_on(version: str, connection: str, kept: bool) -> None:
    """By the version of HTTP and by Connection."""
    field = f"connection: {connection}\r\n" if connection else ""
    head, _, _ = parse(f"GET / HTTP/{version}\r\n{field}\r\n".encode())
    assert head.keep_alive == kept


def test_requests_follow_one_another() -> None:
    """What comes after one is the next."""
    rest = post(b"one") + CHUNKED + b"3\r\ntwo\r\n0\r\n\r\n" + UPGRADE + b"\r\n" + post(b"four", x="y")
    bodies = []
    while rest:
        parser, body, left = parse(rest)
        assert parser.whole
        bodies.append(body)
        rest = left or b""
    assert bodies == [b"one", b"two", b"", b"four"]


BAD = [
    post(content_length="2", transfer_encoding="chunked"),
    b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n{}",
    b"POST / HTTP/1.1\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\n{}",
    b"POST / HTTP/1.1\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
    b"POST / HTTP/1.1\r\ncontent-length: 2, 2\r\n\r\n{}",
    b"POST / HTTP/1.1\r\ncontent-length: +2\r\n\r\n{}",
    b"POST / HTTP/1.1\r\ncontent-length: 0x2\r\n\r\n{}",
    b"POST / HTTP/1.1\r\ncontent-length: 2 2\r\n\r\n{}",
    b"POST / HTTP/1.1\r\ncontent-length:\r\n\r\n{}",
    b"POST / HTTP/1.1\r\ncontent-length: 99999999999999999999999\r\n\r\n{}",
    b"POST / HTTP/1.1\r\ncontent-length : 2\r\n\r\n{}",
    b"POST / HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n",
    b"POST / HTTP/1.1\r\ntransfer-encoding: identity\r\n\r\n",
    b"POST / HTTP/1.1\r\ntransfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\ntransfer-encoding : chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\ntransfer-encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    UPGRADE + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    UPGRADE + b"transfer-encoding: gzip\r\n\r\n",
    b"CONNECT a:1 HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET / HTTP/1.1\nhost: a\n\n",
    b"GET / HTTP/1.1\r\nhost: a\n\r\n",
    b"GET / HTTP/1.1\r\nhost: a\rb: c\r\n\r\n",
    b"GET / HTTP/1.1\r\nx: a\r\n folded\r\n\r\n",
    b"GET / HTTP/1.1\r\n x: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nx : a\r\n\r\n",
    b"GET / HTTP/1.1\r\nx\r\n\r\n",
    b"GET / HTTP/1.1\r\n: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nx: a\x00b\r\n\r\n",
    b"GET / HTTP/1.1\r\nx\x00: a\r\n\r\n",
    b"GET / HTTP/1.1\r\n\xc3\xa9: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
    b"GET /\x00 HTTP/1.1\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\n\r\n",
    b"GET / a HTTP/1.1\r\n\r\n",
    b"GET * HTTP/1.1\r\n\r\n",
    b"GET a HTTP/1.1\r\n\r\n",
    b"GET a:1 HTTP/1.1\r\n\r\n",
    b"GET /\r\n\r\n",
    b"GET / HTTP/0.9\r\n\r\n",
    b"GET / HTTP/1.2\r\n\r\n",
    b"GET / HTTP/2.0\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"FOO / HTTP/1.1\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    CHUNKED + b"zz\r\n",
    CHUNKED + b"-1\r\n",
    CHUNKED + b"0x1\r\nx\r\n",
    CHUNKED + b"1 \r\nx\r\n0\r\n\r\n",
    CHUNKED + b" 1\r\nx\r\n0\r\n\r\n",
    CHUNKED + b"1\nx\r\n0\r\n\r\n",
    CHUNKED + b"1\r\nxy\r\n0\r\n\r\n",
    CHUNKED + b"1\r\nx\n0\r\n\r\n",
    CHUNKED + b"1;a\x00=b\r\nx\r\n0\r\n\r\n",
    CHUNKED + b"1;a=b\n\r\nx\r\n0\r\n\r\n",
    CHUNKED + b"11111111111111111\r\nx\r\n0\r\n\r\n",
    CHUNKED + b"0\r\nx y: z\r\n\r\n",
    CHUNKED + b"0\r\nx: a\r\n folded\r\n\r\n",
]


@pytest.mark.parametrize("step", [1, 1 << 20])
@pytest.mark.parametrize("data", BAD)
def test_what_is_not_a_request_is_refused(data: bytes, step: int) -> None:
    """Above all what another parser could read as another number of requests."""
    assert refusal(data, step=step) == 400


@pytest.mark.parametrize("step", [100, 1 << 20])
@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /" + b"a" * 4096 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET /" + b"a" * 4500, 414),
        (b"GET /" + b"a" * 4000 + b" HTTP/1.1\r\n\r\n", 0),
        (b"GET / HTTP/1.1\r\nx: " + b"a" * 8190 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"a" * 8190 + b": x\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nx: " + b"a" * 8000 + b"\r\n\r\n", 0),
        (b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 65 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 70, 431),
        (b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 64 + b"\r\n", 0),
        (b"GET / HTTP/1.1\r\n" + b"x: %b\r\n" % (b"a" * 8000) * 5, 431),
        (b"\r\n" * 20_000, 431),
        (CHUNKED + b"1;" + b"a" * 20_000, 431),
        (CHUNKED + b"0\r\nx: " + b"a" * 20_000, 431),
        (CHUNKED + b"0\r\n" + b"x: y\r\n" * 2000, 431),
        (CHUNKED + b"0\r\n" + b"x: y\r\n" * 70 + b"\r\n", 431),
        (CHUNKED + b"1;" + b"a" * 1000 + b"\r\nx\r\n0\r\n\r\n", 0),
    ],
)
def test_every_part_of_a_request_has_a_limit(data: bytes, status: int, step: int) -> None:
    """The line, each field, their number, the head, and what comes with a chunked body and is not content."""
    assert refusal(data, step=step) == status


def fields(total: int) -> bytes:
    """A head of `total` bytes, in fields that are as long as they may be."""
    head = b"GET / HTTP/1.1\r\n"
    while total - len(head) > 8194:
        head += b"x: " + b"a" * 8000 + b"\r\n"
    return head + b"x: " + b"a" * (total - len(head) - 7) + b"\r\n\r\n"


@pytest.mark.parametrize("step", [100, 1 << 20])
@pytest.mark.parametrize(
    ("build", "most", "status"),
    [
        (fields, 32 * 1024, 431),
        (lambda size: b"POST /" + b"a" * (size - 15) + b" HTTP/1.1\r\nhost: a\r\n\r\n", 4096, 414),
        (lambda size: b"GET / HTTP/1.1\r\nx: " + b"a" * (size - 1) + b"\r\n\r\n", 8190, 431),
        (lambda size: b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * size + b"\r\n", 64, 431),
    ],
    ids=["head", "line", "field", "fields"],
)
def test_a_head_may_be_as_large_as_its_limits(build: Callable[[int], bytes], most: int, status: int, step: int) -> None:
    """And not one more."""
    assert (refusal(build(most), step=step), refusal(build(most + 1), step=step)) == (0, status)


@pytest.mark.parametrize("before", [b"", b"1\r\nx\r\n"], ids=["at once", "after a chunk"])
def test_a_chunked_body_may_have_8190_bytes_without_content(before: bytes) -> None:
    """Byte by byte, because what comes with content is not counted. And trailers of 64 fields."""
    parser = RequestParser()
    parser.feed(CHUNKED + before)
    extension = b"1;" + b"a" * (8190 - 2)
    for place in range(len(extension)):
        parser.feed(extension[place : place + 1])
    with pytest.raises(Refused):
        parser.feed(b"a")
    assert refusal(CHUNKED + b"0\r\n" + b"a: b\r\n" * 64 + b"\r\n") == 0
    assert refusal(CHUNKED + b"0\r\n" + b"a: b\r\n" * 65 + b"\r\n") == 431


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"OPTIONS *", 0),
        (b"GET *", 400),
        (b"GET http://a/", 0),
        (b"CONNECT a:80", 0),
        (b"OPTIONS http://a/", 0),
        (b"CONNECT *", 400),
        (b"GET a", 400),
    ],
)
def test_a_target_has_a_form_that_its_method_may_have(line: bytes, status: int) -> None:
    """RFC 9112, 3.2."""
    assert refusal(line + b" HTTP/1.1\r\nhost: a\r\n\r\n") == status


@pytest.mark.parametrize("data", [b"1\r\nx\r\n" * 40_000, b"4000\r\n" + b"\r\n\r\n" * 4096 + b"\r\n"])
def test_no_body_takes_long_to_parse(data: bytes) -> None:
    """A review that comes meanwhile waits for as long as this takes."""
    parser = RequestParser()
    parser.feed(CHUNKED)
    start = time.process_time()
    parser.feed(data)
    assert time.process_time() - start < 0.2


@pytest.mark.parametrize("name", ["feed_data", "get_method", "get_http_version"])
def test_httptools_has_what_we_use(name: str) -> None:
    """An upgrade that moves it fails here, by name."""
    assert hasattr(httptools.HttpRequestParser, name)
    assert issubclass(httptools.HttpParserUpgrade, Exception)


@pytest.mark.parametrize(
    ("version", "value", "expects"),
    [
        ("1.1", "100-continue", True),
        ("1.1", " 100-Continue ", True),
        ("1.0", "100-continue", False),
        ("1.1", "101-continue", False),
    ],
)
def test_a_client_may_wait_for_permission_to_send_its_body(version: str, value: str, expects: bool) -> None:
    """HTTP/1.0 has no such thing."""
    parser = RequestParser()
    parser.feed(f"POST / HTTP/{version}\r\nhost: a\r\nexpect: {value}\r\ncontent-length: 1\r\n\r\n".encode())
    assert parser.expects_continue is expects
