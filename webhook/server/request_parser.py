"""One request out of the bytes of a connection: httptools, which is Node's parser llhttp, within limits.

httptools has no limits and parses on into the next request. Therefore it is given a head up to the empty line that ends
it, and a chunked body up to each empty line, one of which ends it. A body with a length does not go through it.
"""

from __future__ import annotations

from typing import Final

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

MAX_HEAD: Final = 32 * 1024  # four of the longest fields
_MAX_LINE: Final = 4096  # of a request; kube-apiserver's has about 50 bytes
_MAX_FIELDS: Final = 64  # kube-apiserver sends 7, a browser behind proxies about 30
_MAX_FIELD: Final = 8190  # name and value together; the default of Apache and gunicorn
_MAX_FRAMING: Final = 8190  # in a chunked body, without any content: chunk extensions and trailers

EMPTY_LINE: Final = b"\r\n\r\n"


class Refused(ValueError):
    """What the client sent is not a request that we accept. status: of the answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class RequestParser:
    """Parses one request.

    head_complete: these are known: method, target, version, headers with names in lower case, keep_alive (the client
    keeps the connection), expects_continue (it sends the body after a 100), head_bytes (the length of the head). whole:
    the body is complete, too.
    """

    __slots__ = (
        "_chunked",
        "_fields",
        "_framing",
        "_left",
        "_parser",
        "_pieces",
        "_tail",
        "_upgrade",
        "expects_continue",
        "head_bytes",
        "head_complete",
        "headers",
        "keep_alive",
        "method",
        "target",
        "version",
        "whole",
    )

    on_message_begin = on_chunk_header = on_chunk_complete = None

    def __init__(self) -> None:
        self.method = self.version = ""
        self.target = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self._fields: list[tuple[bytes, bytes]] = []  # headers until the head is complete, then trailers
        self.keep_alive = self.expects_continue = self.head_complete = self.whole = False
        self._parser: HttpRequestParser | None = HttpRequestParser(self)
        self.head_bytes = 0
        self._upgrade = self._chunked = False
        self._left = 0  # bytes of a body with a length
        self._pieces: list[bytes] = []  # of a chunked body
        self._framing = 0  # bytes since the last content of a chunked body
        self._tail = b""  # parsed already, and perhaps the first bytes of an empty line

    def feed(self, data: bytes) -> tuple[list[bytes], bytes]:
        """Parse `data`. Returns pieces of the body, and what comes after the request. Raises Refused."""
        if self.head_complete and not self._chunked:
            return self._cut(data, 0)
        text, position, searched = self._tail + data, len(self._tail), 0
        self._tail = b""
        while position < len(text) and not self.whole:
            end = text.find(EMPTY_LINE, searched)
            if end < 0:
                self._tail = text[max(searched, len(text) - 3) :]
                stop = len(text)
            else:
                stop = searched = end + 4
            piece, position = text[position:stop], stop
            if self.head_complete:
                self._parse_chunks(piece)
            elif self._parse_head(piece) and not self._chunked:
                return self._cut(text, position)
        pieces, self._pieces = self._pieces, []
        return pieces, text[position:]

    @property
    def repeatable(self) -> bool:
        """Whether the head says how many bytes follow, and nothing else that matters for how they are read."""
        plain = self.version == "1.1" and self.keep_alive
        return plain and not (self._chunked or self._upgrade or self.expects_continue)

    def close(self) -> None:
        """Parse no more. It and httptools' parser refer to each other until then."""
        self._parser = None

    def _cut(self, text: bytes, position: int) -> tuple[list[bytes], bytes]:
        """The next piece of a body with a length, and what comes after the request."""
        end = position + self._left
        piece = text[position:end]
        self._left -= len(piece)
        self.whole = self._left == 0
        return [piece] if piece else [], text[end:]

    def _parse_head(self, piece: bytes) -> bool:
        """Returns whether the head is complete."""
        self.head_bytes += len(piece)
        if self.head_bytes > MAX_HEAD:
            raise Refused(431, f"the head of a request may have {MAX_HEAD} bytes")
        self._parse(piece)
        complete = self.head_complete
        if len(self.headers if complete else self._fields) > _MAX_FIELDS:
            raise Refused(431, f"a request may have {_MAX_FIELDS} header fields")
        if self.head_bytes > _MAX_LINE:
            self._check_lines()
        if complete:
            self._read_head()
        return complete

    def _check_lines(self) -> None:
        if len(self.target) + len("POST  HTTP/1.1") > _MAX_LINE:
            raise Refused(414, f"the first line of a request may have {_MAX_LINE} bytes")
        if any(len(name) + len(value) > _MAX_FIELD for name, value in self.headers or self._fields):
            raise Refused(431, f"a header field may have {_MAX_FIELD} bytes")

    def _read_head(self) -> None:
        fields = dict(self.headers)
        length = fields.get(b"content-length")
        if length is not None:  # digits, and only one: httptools refuses others, and any in addition to chunks
            self._left = int(length.lstrip(b"0") or b"0")
        elif b"transfer-encoding" in fields:  # ends with chunked: httptools refuses others
            self._chunked = True
            if self._upgrade or self.version == "1.0":
                raise Refused(400, "Transfer-Encoding is not possible here")
        if self.version not in ("1.1", "1.0"):
            raise Refused(400, "the version of HTTP is not 1.0 or 1.1")
        if not self.target.startswith(b"/"):
            self._check_target()
        if len(fields) < len(self.headers) and sum(name == b"host" for name, _ in self.headers) > 1:
            raise Refused(400, "a request has only one Host")
        if b"expect" in fields:
            self.expects_continue = self.version == "1.1" and fields[b"expect"].strip().lower() == b"100-continue"

    def _check_target(self) -> None:
        """Raises Refused unless the target has one of the forms of RFC 9112, 3.2, that its method may have."""
        if self.target == b"*" and self.method == "OPTIONS":
            return
        if self.target == b"*" or (self.method != "CONNECT" and b"://" not in self.target):
            raise Refused(400, "the target of the request is not a path")

    def _parse_chunks(self, piece: bytes) -> None:
        before = len(self._pieces)
        self._parse(piece)
        self._framing = self._framing + len(piece) if len(self._pieces) == before else 0
        if self._framing > _MAX_FRAMING or len(self._fields) > _MAX_FIELDS:
            raise Refused(431, f"a chunked body may have {_MAX_FRAMING} bytes without content")

    def _parse(self, piece: bytes) -> None:
        if self._parser is None:
            raise RuntimeError("closed")
        try:
            self._parser.feed_data(piece)
        except HttpParserUpgrade:
            self._upgrade = True  # it is ignored: the request is answered as any other
        except HttpParserError as error:
            raise Refused(400, str(error)) from None

    # Called by httptools

    def on_url(self, piece: bytes) -> None:
        """A piece of the target."""
        self.target += piece

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer."""
        self._fields.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head is complete."""
        parser = self._parser
        if parser is not None:
            self.method = parser.get_method().decode("ascii")
            self.version = parser.get_http_version()
            self.keep_alive = parser.should_keep_alive()
        self.headers, self._fields = self._fields, []
        self.head_complete = True

    def on_body(self, piece: bytes) -> None:
        """A piece of a chunked body."""
        self._pieces.append(piece)

    def on_message_complete(self) -> None:
        """A request without a body, or with a chunked one, is complete."""
        self.whole = self._chunked
