"""Requests out of the bytes of a connection: httptools, which is Node's parser llhttp, within limits.

httptools has no limits and parses on into the next request. Therefore it is given a head up to the empty line that ends
it, a body with a length up to its end, and a chunked body up to each empty line, one of which ends it.
"""

from __future__ import annotations

from typing import Final

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

MAX_HEAD: Final = 32 * 1024  # four of the longest fields
_MAX_LINE: Final = 4096  # of a request; kube-apiserver's has about 50 bytes
_MAX_FIELDS: Final = 64  # kube-apiserver sends 7, a browser behind proxies about 30
_MAX_FIELD: Final = 8190  # name and value together; the default of Apache and gunicorn
_MAX_FRAMING: Final = 8190  # in a chunked body, without any content: chunk extensions and trailers

_EMPTY_LINE: Final = b"\r\n\r\n"
_MEANING: Final = frozenset((b"host", b"content-length", b"transfer-encoding", b"connection", b"expect"))


class Refused(ValueError):
    """What the client sent is not a request that we accept. status: of the answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Head:
    """The head of a request.

    headers: names in lower case. keep_alive: the client keeps the connection. expects_continue: it sends the body after
    a 100. length: of the body, in bytes, unless it is chunked. Raises Refused.
    """

    __slots__ = (
        "_has_host",
        "chunked",
        "expects_continue",
        "headers",
        "keep_alive",
        "length",
        "method",
        "target",
        "version",
    )

    def __init__(self, method: str, target: bytes, version: str, headers: list[tuple[bytes, bytes]]) -> None:
        self.method = method
        self.target = target
        self.version = version
        self.headers = headers
        self.keep_alive = version == "1.1"
        self.expects_continue = False
        self.length = 0
        self.chunked = False
        self._has_host = False
        for name, value in headers:
            if name in _MEANING:
                self._read(name, value)

    def _read(self, name: bytes, value: bytes) -> None:
        if name == b"content-length":  # httptools has checked that these are digits, and that there is only one
            self.length = int(value.lstrip(b"0") or b"0")
        elif name == b"transfer-encoding":  # httptools has checked that it ends with chunked, and is not with a length
            self.chunked = True
        elif name == b"connection":
            options = {option.strip() for option in value.lower().split(b",")}
            self.keep_alive = b"close" not in options and (self.keep_alive or b"keep-alive" in options)
        elif name == b"host":
            if self._has_host:
                raise Refused(400, "a request has one Host")
            self._has_host = True
        else:
            self.expects_continue = self.version == "1.1" and value.strip().lower() == b"100-continue"


class RequestParser:
    """Parses one request after the other.

    started: a byte of the request is here. head: None until it is complete. whole: head and body are complete.
    """

    __slots__ = ("_events", "_framing", "_head_bytes", "_left", "_parser", "_tail", "_upgrade", "head", "whole")

    def __init__(self) -> None:
        self._events = _Events()
        self._parser = HttpRequestParser(self._events)
        self.reset()

    def reset(self) -> None:
        """What is fed from now on is the next request."""
        self.head: Head | None = None
        self.whole = False
        self._head_bytes = 0
        self._upgrade = False
        self._left = 0  # bytes of a body with a length
        self._framing = 0  # bytes since the last content of a chunked body
        self._tail = b""  # parsed already, and perhaps the first bytes of an empty line
        self._events.reset()

    @property
    def started(self) -> bool:
        """Whether a byte of the request is here."""
        return self._head_bytes > 0

    def feed(self, data: bytes) -> tuple[list[bytes], bytes]:
        """Parse `data`. Returns pieces of the body, and what comes after the request. Raises Refused."""
        text = self._tail + data if self._tail else data
        position, searched = len(self._tail), 0
        self._tail = b""
        head = self.head
        while position < len(text) and not self.whole:
            if head is not None and not head.chunked:
                stop = position + self._left
                self._parse_body(text[position:stop])
                position = stop
                break
            end = text.find(_EMPTY_LINE, searched)
            if end < 0:
                self._tail = text[max(searched, len(text) - 3) :]
                stop = len(text)
            else:
                stop = searched = end + 4
            piece, position = text[position:stop], stop
            if head is None:
                head = self._parse_head(piece)
            else:
                self._parse_chunks(piece)
        pieces, self._events.pieces = self._events.pieces, []
        return pieces, text[position:]

    def _parse_head(self, piece: bytes) -> Head | None:
        events = self._events
        self._head_bytes += len(piece)
        if self._head_bytes > MAX_HEAD:
            raise Refused(431, f"the head of a request may have {MAX_HEAD} bytes")
        self._execute(piece)
        if len(events.target) > _MAX_LINE:
            raise Refused(414, f"the first line of a request may have {_MAX_LINE} bytes")
        if len(events.headers) > _MAX_FIELDS:
            raise Refused(431, f"a request may have {_MAX_FIELDS} header fields")
        if not events.head_complete:
            return None
        if self._head_bytes > _MAX_LINE:
            self._check_lines()
        headers, events.headers = events.headers, []  # what comes now are trailers, which are not headers
        version = self._parser.get_http_version()
        head = Head(self._parser.get_method().decode("ascii"), events.target, version, headers)
        if version not in ("1.1", "1.0"):
            raise Refused(400, "the version of HTTP is not 1.0 or 1.1")
        if not head.target.startswith(b"/"):
            _check_target(head)
        if head.chunked and (self._upgrade or version == "1.0"):
            raise Refused(400, "Transfer-Encoding is not possible here")
        self.head = head
        self._left = head.length
        self.whole = not head.chunked and head.length == 0
        return head

    def _check_lines(self) -> None:
        line = b"%s %s HTTP/1.1" % (self._parser.get_method(), self._events.target)
        if len(line) > _MAX_LINE:
            raise Refused(414, f"the first line of a request may have {_MAX_LINE} bytes")
        if any(len(name) + len(value) > _MAX_FIELD for name, value in self._events.headers):
            raise Refused(431, f"a header field may have {_MAX_FIELD} bytes")

    def _parse_body(self, piece: bytes) -> None:
        self._left -= len(piece)
        self.whole = self._left == 0
        if self._upgrade:  # httptools takes no body after a request for another protocol
            self._events.pieces.append(piece)
        else:
            self._execute(piece)

    def _parse_chunks(self, piece: bytes) -> None:
        events = self._events
        before = len(events.pieces)
        self._execute(piece)
        self._framing = self._framing + len(piece) if len(events.pieces) == before else 0
        if self._framing > _MAX_FRAMING or len(events.headers) > _MAX_FIELDS:
            raise Refused(431, f"a chunked body may have {_MAX_FRAMING} bytes without content")
        self.whole = events.complete

    def _execute(self, piece: bytes) -> None:
        try:
            self._parser.feed_data(piece)
        except HttpParserUpgrade:
            self._upgrade = True  # it is ignored: the request is answered as any other
        except HttpParserError as error:
            raise Refused(400, str(error)) from None


def _check_target(head: Head) -> None:
    """Raises Refused for a target without a first slash that is not of a form of RFC 9112, 3.2, for this method."""
    if head.target == b"*" and head.method == "OPTIONS":
        return
    if head.target == b"*" or (head.method != "CONNECT" and b"://" not in head.target):
        raise Refused(400, "the target of the request is not a path")


class _Events:
    """What httptools calls, by these names."""

    __slots__ = ("complete", "head_complete", "headers", "pieces", "target")

    on_message_begin = on_chunk_header = on_chunk_complete = None

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.reset()

    def reset(self) -> None:
        """What is reported from now on belongs to the next request."""
        self.target = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.head_complete = False
        self.complete = False

    def on_url(self, piece: bytes) -> None:
        """A piece of the target."""
        self.target += piece

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer."""
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head is complete."""
        self.head_complete = True

    def on_body(self, piece: bytes) -> None:
        """A piece of a body."""
        self.pieces.append(piece)

    def on_message_complete(self) -> None:
        """The request is complete."""
        self.complete = True
