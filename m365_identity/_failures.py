"""Why an attempt to sign in did not get a token: read from an HTTP answer or an exception, once, as plain data.

A body that is not understood leaves nothing in a failure, and what looks like a token is taken out of the rest: the
answer of a proxy or a captive portal can echo the request.
"""

import enum
import json
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final

from m365_identity._text import shown

__all__ = ["Failure", "FailureKind", "from_answer", "from_exception", "plain", "retry_after"]

_LONGEST_TEXT: Final = 600  # characters: Entra's longest descriptions have four or five hundred
_LONGEST_READ: Final = 100_000  # characters in which tokens are looked for
# The start of a JSON object in base64url; or a second part that is longer than any in the name of a host, which is what
# people have to compare.
_TOKEN: Final = re.compile(
    r"ey[AJ][A-Za-z0-9_-]{16,}[A-Za-z0-9._-]*|[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{64,}[A-Za-z0-9._-]*"
)
_CODE: Final = re.compile(r"AADSTS([0-9]{4,9})")
_JSON: Final = re.compile(r"(application|text)/([0-9a-z+.-]+\+)?json")
_TUNNEL: Final = re.compile(r"Tunnel connection failed: ([0-9]{3})\b")  # http.client's words
_CUT: Final = "it cut the connection before it had answered"
_TRAILER: Final = re.compile(r"\s*Trace ID: .*", re.DOTALL)


class FailureKind(enum.Enum):
    """How an attempt failed."""

    REFUSED = "refused"
    """The token endpoint refused, in its own words."""
    STRANGE = "strange"
    """The answer is not one of a token endpoint."""
    UNREACHABLE = "unreachable"
    """No connection was made."""
    PROXY = "proxy"
    """A proxy answered that it makes no connection; `http_status` is the proxy's."""
    UNTRUSTED = "untrusted"
    """A connection was made, to a server whose certificate is not trusted."""
    NO_ANSWER = "no answer"
    """A connection was made, and then there was silence or a cut."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One failed attempt. description: Entra's sentence, or what is strange or wrong. retry_after: in seconds."""

    kind: FailureKind
    description: str
    http_status: int = 0
    error: str = ""
    codes: tuple[int, ...] = ()
    correlation_id: str = ""
    retry_after: float | None = None

    @property
    def code(self) -> int | None:
        """The AADSTS number, None if Entra sent none."""
        return self.codes[0] if self.codes else None

    def __str__(self) -> str:
        """One line: `AADSTS700016 (unauthorized_client, HTTP 400)`."""
        if self.kind is FailureKind.STRANGE:
            return f"HTTP {self.http_status}, {self.description}"
        if self.kind is not FailureKind.REFUSED:
            return self.description
        if self.code is None:
            return f"{self.error or 'an error without a name'} (HTTP {self.http_status})"
        return f"AADSTS{self.code} ({self.error}, HTTP {self.http_status})"


def from_answer(*, status: int, headers: Mapping[str, str], body: bytes, now: float) -> Failure | None:
    """What is wrong with the token endpoint's answer; None if it holds a token. `now` is the time of day."""
    document = _document(body)
    content_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    wait = retry_after(headers, now)
    correlation = headers.get("x-ms-request-id", "")
    if document is not None and ("error" in document or "error_codes" in document):
        description = document.get("error_description")
        return Failure(
            kind=FailureKind.REFUSED,
            description=_TRAILER.sub("", plain(description)) if isinstance(description, str) else "",
            http_status=status,
            error=plain(document["error"], 80) if isinstance(document.get("error"), str) else "",
            codes=_codes(document),
            correlation_id=plain(document.get("correlation_id") or correlation, 80),
            retry_after=wait,
        )
    if status == 200 and not body and not content_type:
        # http.client takes headers that were cut off for complete ones.
        return Failure(kind=FailureKind.NO_ANSWER, description=_CUT)
    strange = _strange(status, content_type, document)
    if strange is None:
        return None
    return Failure(
        kind=FailureKind.STRANGE,
        description=strange,
        http_status=status,
        correlation_id=plain(correlation, 80),
        retry_after=wait,
    )


def from_exception(error: BaseException) -> Failure:
    """Why an attempt was not answered, in words that hold nothing of the request."""
    chain = list(_chain(error))
    names = {kind.__name__ for each in chain for kind in type(each).__mro__}
    untrusted = [each for each in chain if isinstance(each, ssl.SSLCertVerificationError)]
    if untrusted:
        # aiohttp's own exception has the type of its cause, and not its words.
        words = next((plain(each.verify_message) for each in untrusted if hasattr(each, "verify_message")), "")
        return Failure(kind=FailureKind.UNTRUSTED, description=f"its certificate is not trusted{words and ': '}{words}")
    if "ProxyError" in names or "ClientHttpProxyError" in names or "ClientProxyConnectionError" in names:
        status = next(filter(None, map(_proxy_status, chain)), 0)
        if status:
            return Failure(kind=FailureKind.PROXY, description=f"the proxy answered {status}", http_status=status)
        return Failure(kind=FailureKind.UNREACHABLE, description="the proxy cannot be reached")
    for each in chain:
        if isinstance(each, socket.gaierror):
            return Failure(kind=FailureKind.UNREACHABLE, description=f"its name cannot be resolved ({each.strerror})")
    if any(isinstance(each, ConnectionRefusedError) for each in chain):
        return Failure(kind=FailureKind.UNREACHABLE, description="it refused the connection")
    if "ConnectionTimeoutError" in names:  # aiohttp's, which older releases of azure-core take for a late answer
        return Failure(kind=FailureKind.UNREACHABLE, description="the connection timed out")
    # azure-core takes some of what aiohttp says of answers for failed requests. Before the request it is a "connector".
    cut = names & {"ServerDisconnectedError", "ClientPayloadError", "ConnectionResetError"}
    if "ServiceRequestError" in names and (not cut or "ClientConnectorError" in names):
        if names & {"ServiceRequestTimeoutError", "ConnectTimeoutError", "TimeoutError"}:
            return Failure(kind=FailureKind.UNREACHABLE, description="the connection timed out")
        if any(isinstance(each, ssl.SSLError) for each in chain):
            return Failure(kind=FailureKind.UNREACHABLE, description="it does not speak TLS as expected")
        return Failure(kind=FailureKind.UNREACHABLE, description="the connection failed")
    if names & {"ServiceResponseTimeoutError", "ReadTimeoutError", "TimeoutError"}:
        return Failure(kind=FailureKind.NO_ANSWER, description="it did not answer in time")
    return Failure(kind=FailureKind.NO_ANSWER, description=_CUT)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds until the server wants the next request, from Retry-After in either form; None if it does not say."""
    text = headers.get("Retry-After", "").strip()
    if not text:
        return None
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, OverflowError, TypeError):
        return None


def plain(text: object, limit: int = _LONGEST_TEXT) -> str:
    """Text from outside as `shown` shows it, without anything that looks like a token."""
    return shown(_TOKEN.sub("<token>", shown(text, _LONGEST_READ)), limit)


def _proxy_status(error: BaseException) -> int:
    """What a proxy answered to CONNECT, 0 if this exception does not say: another number in it can be a port."""
    if type(error).__name__ == "ClientHttpProxyError":
        return int(getattr(error, "status", 0))
    found = _TUNNEL.search(str(error)) if isinstance(error, OSError) else None
    return int(found[1]) if found else 0


def _document(body: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _codes(document: Mapping[str, Any]) -> tuple[int, ...]:
    listed = document.get("error_codes")
    codes = [code for code in listed if type(code) is int] if isinstance(listed, list) else []
    if not codes:
        codes = [int(code) for code in _CODE.findall(str(document.get("error_description", "")))]
    return tuple(codes[:5])


def _strange(status: int, content_type: str, document: Mapping[str, Any] | None) -> str | None:
    if status != 200:
        return "not one of Entra's errors" if status >= 400 else "a redirect" if 300 <= status < 400 else "no token"
    if not _JSON.fullmatch(content_type):
        return f"content of type {plain(content_type, 80) or 'none'} instead of a token"
    if document is None:
        return "a body that is not a JSON object"
    if not isinstance(document.get("access_token"), str) or not document["access_token"]:
        return "no access_token"
    lifetime = document.get("expires_on", document.get("expires_in"))
    if not re.fullmatch("[0-9]{1,12}", str(lifetime)):
        return "no lifetime"
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """`error` and all its causes, in whichever attribute its library keeps them."""
    waiting, seen = [error], set[int]()
    while waiting:
        each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        near = (each.__cause__, each.__context__, getattr(each, "inner_exception", None), getattr(each, "reason", None))
        waiting.extend(other for other in (*near, *each.args) if isinstance(other, BaseException))
