"""Heads that two parsers may read differently: `m365-identity serve` answers 400 and asks for no token."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Iterator

import pytest
from azure.core.credentials import AccessToken
from hypothesis import example, given
from hypothesis import strategies as st

from m365_identity._commands.endpoint import Endpoint
from m365_identity._commands.request_head import MalformedError, parse

pytestmark = pytest.mark.slow

SECRET = "f6b36363-0b5c-4a5a-9f6f-0e0f3f4e5d6c"
TARGET = "/token?api-version=2019-08-01&resource=https://graph.microsoft.com"
LINE = f"GET {TARGET} HTTP/1.1\r\n".encode()
GOOD = f"X-IDENTITY-HEADER: {SECRET}\r\n".encode()
FORWARDED = b"X-Forwarded-For: 10.0.0.1\r\n"

MALFORMED_FIELDS = {
    "no colon": b"malformed\r\n",
    "only a colon": b":\r\n",
    "no name": b": value\r\n",
    "space before the colon": b"Host : a\r\n",
    "tab before the colon": b"Host\t: a\r\n",
    "space before the name": b" Host: a\r\n",
    "folded by a space": b"X-A: a\r\n b\r\n",
    "folded by a tab": b"X-A: a\r\n\tb\r\n",
    "folded, with nothing in it": b"X-A: a\r\n \r\n",
    "only spaces": b"  \r\n",
    "bare CR in a value": b"X-A: a\rX-B: b\r\n",
    "bare CR before the end": b"X-A: a\r\r\n",
    "bare CR as a line": b"\r\r\n",
    "bare LF": b"X-A: a\n",
    "NUL in a value": b"X-A: a\0b\r\n",
    "NUL in a name": b"X\0A: a\r\n",
    "escape in a value": b"X-A: \x1b[0m\r\n",
    "delete in a value": b"X-A: \x7f\r\n",
    "vertical tab in a value": b"X-A: a\x0bb\r\n",
    "form feed in a value": b"X-A: a\x0cb\r\n",
    "space in a name": b"X A: a\r\n",
    "slash in a name": b"X/A: a\r\n",
    "quote in a name": b'"X": a\r\n',
    "bytes beyond ASCII in a name": b"X-\xc3\xa9: a\r\n",
    "next line character in a name": b"X\x85A: a\r\n",
    "line of an mbox": b"From nobody\r\n",
    "Host twice": b"Host: a\r\nhost: a\r\n",
    "the secret twice": GOOD.lower(),
    "a request line": LINE,
}

MALFORMED_FIRST_LINES = {
    "nothing": b"\r\n",
    "two words": b"GET /token\r\n",
    "four words": b"GET /token x HTTP/1.1\r\n",
    "two spaces": b"GET  /token HTTP/1.1\r\n",
    "a tab": b"GET\t/token HTTP/1.1\r\n",
    "space in front": b" GET /token HTTP/1.1\r\n",
    "space behind": b"GET /token HTTP/1.1 \r\n",
    "bare LF": b"GET /token HTTP/1.1\n",
    "bare CR": b"GET /token\rHTTP/1.1\r\n",
    "NUL": b"GET /token\0 HTTP/1.1\r\n",
    "beyond ASCII": b"GET /token\xc3\xa9 HTTP/1.1\r\n",
    "another protocol": b"GET /token RTSP/1.0\r\n",
    "another version": b"GET /token HTTP/2.0\r\n",
    "a long version": b"GET /token HTTP/1.1.1\r\n",
    "version with a zero": b"GET /token HTTP/01.1\r\n",
    "small letters": b"GET /token http/1.1\r\n",
    "method that is not a token": b"G(T /token HTTP/1.1\r\n",
}


class Served:
    """A running server. scopes: what tokens were asked for."""

    def __init__(self) -> None:
        self.scopes: list[str] = []
        self.port = 0

    def token(self, scope: str) -> AccessToken:
        """A token, which is noted."""
        self.scopes.append(scope)
        return AccessToken("token", 1767225600)

    def status(self, raw: bytes) -> int | None:
        """The status of the answer to these bytes; None if there is no answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            with contextlib.suppress(OSError):  # it may be closed before all is sent
                connection.sendall(raw)
                connection.shutdown(socket.SHUT_WR)
                found = re.match(rb"HTTP/1\.1 (\d{3}) ", b"".join(iter(lambda: connection.recv(4096), b"")))
                return int(found[1]) if found else None
        return None


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    """One server for this module."""
    served = Served()
    with Endpoint(
        port=0, path="/token", header=SECRET, client_id="app", get_token=served.token, log=lambda _: None
    ) as endpoint:
        served.port = endpoint.server_address[1]
        thread = threading.Thread(target=endpoint.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield served
        endpoint.shutdown()
        thread.join()


@pytest.fixture
def served(server: Served) -> Served:
    """The same, with nothing asked for yet."""
    server.scopes.clear()
    return server


def test_a_well_formed_head_is_answered(served: Served) -> None:
    """With every freedom that the grammar gives: case, spaces around a value, empty values, bytes beyond ASCII."""
    fields = b"Host: a\r\nX-A:\r\nX-A:\t b\t \r\nx-b: \xc3\xa9\r\n!#$%&'*+.^_`|~: a:b\r\n"
    assert served.status(LINE + fields + GOOD.lower() + b"\r\n") == 200
    assert served.status(LINE + FORWARDED + GOOD + b"\r\n") == 403
    assert len(served.scopes) == 1


@pytest.mark.parametrize("field", MALFORMED_FIELDS.values(), ids=list(MALFORMED_FIELDS))
@pytest.mark.parametrize("behind", [b"", FORWARDED], ids=["alone", "before X-Forwarded-For"])
def test_a_malformed_line_is_refused(served: Served, field: bytes, behind: bytes) -> None:
    """Behind, between and before the lines that matter."""
    for head in (GOOD + field + behind, field + GOOD + behind, behind + GOOD + field):
        assert served.status(LINE + head + b"\r\n") == 400, head
    assert not served.scopes


@pytest.mark.parametrize("line", MALFORMED_FIRST_LINES.values(), ids=list(MALFORMED_FIRST_LINES))
def test_a_malformed_first_line_is_refused(served: Served, line: bytes) -> None:
    """Whatever follows."""
    assert served.status(line + GOOD + b"\r\n") == 400
    assert not served.scopes


def test_a_head_that_ends_with_a_bare_line_feed_is_refused(served: Served) -> None:
    """Another parser may look for more behind it."""
    assert served.status(LINE + GOOD + b"\n" + FORWARDED + b"\r\n") == 400
    assert not served.scopes


def well_formed(field: bytes) -> bool:
    """The grammar of a header line, written down a second time: byte by byte."""
    name, colon, value = field.removesuffix(b"\r\n").partition(b":")
    good = set(b"!#$%&'*+-.^_`|~") | set(b"0123456789") | set(range(65, 91)) | set(range(97, 123))
    return (
        field.endswith(b"\r\n")
        and bool(colon and name)
        and set(name) <= good
        and not set(value) & ({*range(32), 127} - {9})
    )


PIECES = st.sampled_from(
    [b"X-A", b"Host", b":", b" ", b"\t", b"\r", b"\n", b"\r\n", b"\0", b"a", b"\xe9", b"(", b"\x7f"]
)
FIELDS = st.lists(st.one_of(PIECES, st.binary(max_size=3)), max_size=8).map(b"".join)


def lines_of(raw: bytes) -> list[bytes]:
    """`raw` cut behind each LF, as a server reads it, and up to the first empty line."""
    lines = re.findall(rb"[^\n]*\n", raw)
    ends = [number for number, line in enumerate(lines) if line in {b"\r\n", b"\n"}]
    return lines[: ends[0] + 1]


@example(b"malformed\r\n")
@given(FIELDS)
def test_a_random_head_is_parsed_strictly_or_refused(server: Served, field: bytes) -> None:
    """Either it follows the grammar, and every line of it is seen, or the answer is 400 and no token is asked for."""
    server.scopes.clear()
    raw = field + b"\r\n" + GOOD + b"\r\n"
    *lines, end = lines_of(raw)
    names = [line.partition(b":")[0].lower() for line in lines]
    good = end == b"\r\n" and all(map(well_formed, lines)) and names.count(b"host") < 2
    good = good and names.count(b"x-identity-header") < 2
    if not good:
        assert server.status(LINE + raw) == 400
    else:
        assert server.status(LINE + raw) == (200 if b"x-identity-header" in names else 401)
        assert len(parse([LINE, *lines]).headers) == len(lines)
    assert bool(server.scopes) is (good and b"x-identity-header" in names)


@given(st.lists(st.binary(max_size=40), max_size=4))
def test_any_lines_are_parsed_or_refused(lines: list[bytes]) -> None:
    """Nothing else is raised."""
    with contextlib.suppress(MalformedError):
        parse(lines)
