"""Which message explains that no answer came: one table for exceptions and `doctor`, so that both say the same."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from m365_identity._failures import Failure, FailureKind, Step
from m365_identity._messages import Kind, Message, message
from m365_identity._messages import network as messages
from m365_identity._network.proxies import Proxy

__all__ = ["Way", "connection", "handshake", "name", "no_answer", "proxy_refusal", "untrusted"]

_EXPIRED, _NOT_YET, _NAME = 10, 9, (62, 64)  # X509_V_ERR_* of OpenSSL
_STRICT: Final = range(80, 95)  # those of its strict mode, which Python uses since 3.13
_OWN_TROUBLES: Final = (408, 429, 500, 502, 503, 504)  # of a proxy
_REFUSALS: Final[Mapping[int, Kind]] = {
    0: messages.PROXY_SILENT,
    403: messages.PROXY_POLICY,
    **dict.fromkeys(_OWN_TROUBLES, messages.PROXY_CANNOT),
}


@dataclass(frozen=True, kw_only=True)
class Way:
    """The way to a server. consequence: what else it means that it is barred, "" or the end of a sentence."""

    url: str
    proxy: Proxy | None
    consequence: str = ""

    @property
    def host(self) -> str:
        """The server's name, without a port."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The server's port."""
        return urlsplit(self.url).port or 443

    def message(self, kind: Kind, **values: object) -> Message:
        """A message about this way."""
        usual = {"host": self.host, "port": self.port, "url": self.url, "consequence": self.consequence}
        proxy = self.proxy
        through = {"proxy": proxy, "variable": proxy.variable, "address": proxy.address} if proxy else {}
        return message(kind, **(usual | through | values))


def no_answer(failure: Failure, way: Way) -> Message | None:
    """The message for a failure to get an answer; None for any other failure."""
    if failure.kind is FailureKind.UNREACHABLE:
        return _STEPS[failure.step](way, failure.problem)
    if failure.kind is FailureKind.UNTRUSTED:
        return untrusted(way, failure.verify_code, failure.problem)
    if failure.kind is FailureKind.PROXY and way.proxy is not None:
        return proxy_refusal(way, way.proxy, failure.http_status)
    return None


def name(way: Way, problem: str) -> Message:
    """The name of the server, or of the proxy to it, has no address."""
    if way.proxy is None:
        return way.message(messages.NO_NAME, problem=problem)
    proxy = way.proxy
    return way.message(messages.NO_NAME_OF_PROXY, host=proxy.host, port=proxy.port, problem=problem)


def connection(way: Way, problem: str) -> Message:
    """No connection to the server, or to the proxy, is made."""
    if way.proxy is None:
        return way.message(messages.NO_CONNECTION, where=f"{way.host}:{way.port}", problem=problem)
    kind = messages.NO_CONNECTION_TO_TLS_PROXY if way.proxy.is_by_tls else messages.NO_CONNECTION_TO_PROXY
    return way.message(kind, problem=problem)


def proxy_refusal(way: Way, proxy: Proxy, status: int) -> Message:
    """The proxy opens no tunnel. status: of its answer, 0 if that is not HTTP."""
    kind = _REFUSALS.get(status, messages.NOT_A_PROXY)
    if status == 407:
        kind = messages.PROXY_PASSWORD_WRONG if proxy.headers else messages.PROXY_PASSWORD
    return way.message(kind, status=status)


def handshake(way: Way, problem: str) -> Message:
    """TLS does not begin: with the server, or with a proxy that is spoken to by TLS, which comes first."""
    kind = messages.NO_HANDSHAKE_WITH_PROXY if way.proxy and way.proxy.is_by_tls else messages.NO_HANDSHAKE
    return way.message(kind, problem=problem)


def untrusted(way: Way, code: int, problem: str, *, issuer: str = "") -> Message:
    """The server's certificate is not trusted. code: OpenSSL's. issuer: the end of a sentence about who made it."""
    kind = messages.UNTRUSTED
    if code in (_EXPIRED, _NOT_YET):
        kind = messages.OUT_OF_TIME
    elif code in _NAME:
        kind = messages.OTHER_NAME
    elif code in _STRICT:
        kind = messages.NOT_STRICT
    return way.message(kind, problem=problem or "no reason was given", issuer=issuer)


_STEPS: Final[Mapping[Step, Callable[[Way, str], Message]]] = {
    Step.NAME: name,
    Step.CONNECTION: connection,
    Step.TLS: handshake,
}
