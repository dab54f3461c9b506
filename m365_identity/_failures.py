"""Why an attempt to sign in did not get a token: read from an HTTP answer or an exception, once, as plain data.

A body that is not understood leaves nothing in a failure, and what looks like a token is taken out of the rest: the
answer of a proxy or a captive portal can echo the request.
"""

import enum
import errno
import json
import os
import re
import socket
import ssl
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Final

from m365_identity._text import shown

__all__ = ["Failure", "FailureKind", "Step", "clock_skew", "from_answer", "from_exception", "plain", "retry_after"]

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


class Step(enum.Enum):
    """How far an attempt came that is UNREACHABLE."""

    NAME = "the name of the server, or of the proxy, has no address here"
    CONNECTION = "no connection to the server, or to the proxy, was made"
    TLS = "TLS did not begin on the connection"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One failed attempt. description: Entra's sentence, or what is strange or wrong. retry_after: in seconds.

    problem: the words of the system or of OpenSSL. verify_code: OpenSSL's number for a certificate that is not trusted.
    skew: seconds by which the server's clock is ahead of the one here; None if it did not say what time it is.
    """

    kind: FailureKind
    description: str
    http_status: int = 0
    error: str = ""
    codes: tuple[int, ...] = ()
    correlation_id: str = ""
    retry_after: float | None = None
    step: Step = field(default=Step.CONNECTION, compare=False)
    problem: str = field(default="", compare=False)
    verify_code: int = field(default=0, compare=False)
    skew: float | None = field(default=None, compare=False)

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


_TIMED_OUT: Final = Failure(
    kind=FailureKind.UNREACHABLE, description="the connection timed out", problem="it timed out"
)


def from_answer(*, status: int, headers: Mapping[str, str], body: bytes, now: float) -> Failure | None:
    """What is wrong with the token endpoint's answer; None if it holds a token. `now` is the time of day."""
    document = _document(body)
    content_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    wait = retry_after(headers, now)
    correlation = headers.get("x-ms-request-id", "")
    skew = clock_skew(headers, now)
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
            skew=skew,
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
        skew=skew,
    )


def from_exception(error: BaseException, *, by_proxy: bool = False) -> Failure:
    """Why an attempt was not answered, in words that hold nothing of the request.

    by_proxy: whether the request went to an HTTP proxy, which not every exception says.
    """
    chain = list(_chain(error))
    names = {kind.__name__ for each in chain for kind in type(each).__mro__}
    known = _untrusted(chain) or _barred(chain, names, by_proxy=by_proxy)
    if known is not None:
        return known
    if "ConnectionTimeoutError" in names:  # aiohttp's, which older releases of azure-core take for a late answer
        return _TIMED_OUT
    # azure-core takes some of what aiohttp says of answers for failed requests. Before the request it is a "connector".
    cut = names & {"ServerDisconnectedError", "ClientPayloadError", "ConnectionResetError"}
    if "ServiceRequestError" in names and (not cut or "ClientConnectorError" in names):
        if names & {"ServiceRequestTimeoutError", "ConnectTimeoutError", "TimeoutError"}:
            return _TIMED_OUT
        tls = next((each for each in chain if isinstance(each, ssl.SSLError)), None)
        if tls is None:
            return _unreachable("the connection failed", _system_words(chain))
        whose = "TLS did not begin" if by_proxy else "it does not speak TLS as expected"
        return _unreachable(whose, _tls_words(tls), Step.TLS)
    if names & {"ServiceResponseTimeoutError", "ReadTimeoutError", "TimeoutError"}:
        return Failure(kind=FailureKind.NO_ANSWER, description="it did not answer in time")
    return Failure(kind=FailureKind.NO_ANSWER, description=_CUT)


def _untrusted(chain: Sequence[BaseException]) -> Failure | None:
    """A certificate that is not trusted. aiohttp's own exception has the type of its cause, and not its words."""
    untrusted = [each for each in chain if isinstance(each, ssl.SSLCertVerificationError)]
    if not untrusted:
        return None
    known = next((each for each in untrusted if hasattr(each, "verify_message")), None)
    words = plain(known.verify_message) if known else ""
    return Failure(
        kind=FailureKind.UNTRUSTED,
        description=f"its certificate is not trusted{words and ': '}{words}",
        problem=words,
        verify_code=known.verify_code if known else 0,
    )


def _barred(chain: Sequence[BaseException], names: Container[str], *, by_proxy: bool) -> Failure | None:
    """A proxy that refuses, a name without an address, a connection that was refused; None for anything else."""
    of_proxy = any(name in names for name in ("ProxyError", "ClientHttpProxyError", "ClientProxyConnectionError"))
    status = next(filter(None, map(_proxy_status, chain)), 0) if of_proxy else 0
    if status:
        return Failure(kind=FailureKind.PROXY, description=f"the proxy answered {status}", http_status=status)
    name = next((each for each in chain if isinstance(each, socket.gaierror | UnicodeError)), None)
    if name is not None:
        words = plain(getattr(name, "strerror", "") or "it is not the name of a host")
        whose = "the proxy's name" if of_proxy or by_proxy else "its name"
        return _unreachable(f"{whose} cannot be resolved ({words})", words, Step.NAME)
    refused = any(isinstance(each, ConnectionRefusedError) for each in chain)
    tls = next((each for each in chain if isinstance(each, ssl.SSLError)), None)
    if of_proxy and tls is not None:
        return _unreachable("the proxy does not speak TLS as expected", _tls_words(tls), Step.TLS)
    if of_proxy or (by_proxy and refused):
        return _unreachable("the proxy cannot be reached", _system_words(chain))
    return _unreachable("it refused the connection", os.strerror(errno.ECONNREFUSED)) if refused else None


def _tls_words(error: ssl.SSLError) -> str:
    """What OpenSSL says; aiohttp's own exception has the type of its cause, and its words in brackets."""
    reason = getattr(error, "reason", None) or next(iter(re.findall(r"\[SSL: (\w+)\]", str(error))), "TLS failed")
    return plain(reason.replace("_", " ").lower())


def _unreachable(description: str, problem: str, step: Step = Step.CONNECTION) -> Failure:
    return Failure(kind=FailureKind.UNREACHABLE, description=description, problem=problem, step=step)


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


def clock_skew(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds by which the server's clock is ahead; None if it does not say. Its seconds are whole ones, cut off."""
    try:
        return parsedate_to_datetime(headers.get("Date", "")).timestamp() + 0.5 - now
    except (ValueError, TypeError, OverflowError):
        return None


def plain(text: object, limit: int = _LONGEST_TEXT) -> str:
    """Text from outside as `shown` shows it, without anything that looks like a token."""
    return shown(_TOKEN.sub("<token>", shown(text, _LONGEST_READ)), limit)


def _system_words(chain: Sequence[BaseException]) -> str:
    """What the system says of a connection that failed; asyncio puts the address into those words."""
    for each in chain:
        if isinstance(each, OSError) and each.errno in errno.errorcode:
            return os.strerror(each.errno or 0)
    words = (each.strerror for each in chain if isinstance(each, OSError) and isinstance(each.strerror, str))
    return plain(next(filter(None, words), "it failed"), 80)


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
