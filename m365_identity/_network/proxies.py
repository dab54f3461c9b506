"""Which proxy is in use for a server: one answer for requests, aiohttp and `doctor`, whose own rules differ.

https_proxy, else all_proxy, unless no_proxy has the host; each in capitals if it is not set in small letters. As for
curl, an address may be without a scheme, and the white space around it does not count.
"""

import base64
import importlib.util
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, quote, unquote, urlsplit

from m365_identity._messages import Kind, Message, message
from m365_identity._messages import network as messages
from m365_identity.errors import SettingsError

__all__ = ["VARIABLES", "BadProxyError", "Proxy", "excluded", "is_http", "proxy_for", "usable"]

VARIABLES: Final = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
_PORTS: Final = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080, "socks4": 1080, "socks4a": 1080}
_LONGEST_LABEL: Final = 63
_HOST: Final = re.compile(r"[\w.-]+|[0-9A-Fa-f:.]+(%[\w.-]+)?")
# As curl, which takes one slash and three as well.
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):/{1,3}")


class BadProxyError(SettingsError):
    """`variable` does not hold the address of a proxy. Its value is not kept: it can hold a password."""

    def __init__(self, variable: str, kind: Kind) -> None:
        super().__init__([message(kind, variable=variable)])
        self.variable = variable

    @property
    def message_found(self) -> Message:
        """What is wrong, as a row of the table."""
        return self._messages[0]


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """A proxy and the variable that names it. It is shown without its user and password."""

    variable: str
    scheme: str
    host: str
    port: int
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.address}"

    @property
    def address(self) -> str:
        """Host and port, as they stand in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The address with user and password, which must not be shown."""
        who = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}@" if self.user or self.password else ""
        return f"{self.scheme}://{who}{self.address}"

    @property
    def headers(self) -> Mapping[str, str]:
        """What the proxy is sent to show who asks."""
        if not self.user and not self.password:
            return {}
        pair = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return {"Proxy-Authorization": f"Basic {pair}"}

    @property
    def is_socks(self) -> bool:
        """Whether it speaks SOCKS, which requests knows with a further package, and aiohttp does not."""
        return self.scheme.startswith("socks")

    @property
    def is_by_tls(self) -> bool:
        """Whether the proxy itself is spoken to by TLS, as is seldom meant."""
        return self.scheme == "https"


def is_http(proxy: Proxy | None) -> bool:
    """Whether requests go to a proxy that speaks HTTP: then no name is looked up here but its own."""
    return proxy is not None and not proxy.is_socks


def proxy_for(url: str, environ: Mapping[str, str]) -> Proxy | None:
    """The proxy to the server at `url`, if there is one. Raises BadProxyError if its variable is bad."""
    known = [name if name in environ else name.upper() for name in ("https_proxy", "all_proxy")]
    variable = next((name for name in known if environ.get(name, "").strip()), None)
    if variable is None or excluded(url, environ):
        return None
    text = environ[variable].strip()
    if any(character.isspace() or not character.isprintable() for character in text):
        raise BadProxyError(variable, messages.PROXY_WHITE_SPACE)
    who, parts = _split(variable, text)
    host = parts.hostname or ""
    if not _is_host(host):
        raise BadProxyError(variable, messages.PROXY_HOST)
    user, _, password = who.partition(":")
    return Proxy(
        variable=variable,
        scheme=parts.scheme,
        host=host,
        port=_port(variable, parts) or _PORTS[parts.scheme],
        user=unquote(user),
        password=unquote(password),
    )


def usable(url: str, environ: Mapping[str, str], *, socks: bool) -> Proxy | None:
    """The same for a library that knows SOCKS, or does not. Raises BadProxyError for a proxy that it cannot use."""
    proxy = proxy_for(url, environ)
    if proxy is not None and proxy.is_socks and not (socks and importlib.util.find_spec("socks")):
        raise BadProxyError(proxy.variable, messages.PROXY_SOCKS)
    return proxy


def excluded(url: str, environ: Mapping[str, str]) -> str | None:
    """The variable that keeps the server at `url` from the proxy, if one does."""
    variable = next((name for name in ("no_proxy", "NO_PROXY") if environ.get(name)), None)
    if variable is None:
        return None
    parts = urlsplit(url)
    host = parts.hostname or ""
    full = f"{host}:{parts.port}" if parts.port else host
    text = "".join(environ[variable].split())
    entries = [entry for entry in text.split(",") if entry]
    return variable if text == "*" or any(_matches(entry, host, full) for entry in entries) else None


def _split(variable: str, text: str) -> tuple[str, SplitResult]:
    """User and password, as they stand there, and the address without them."""
    found = _SCHEME.match(text)
    scheme, rest = (found[1].lower(), text[found.end() :]) if found else ("http", text)
    # A character that ends the host: what follows is not part of a password, as its writer meant.
    authority, end, path = rest.partition(next((each for each in rest if each in "/?#"), "/"))
    if end in ("?", "#") or any(each in path for each in "@?#"):
        raise BadProxyError(variable, messages.PROXY_UNQUOTED)
    who, _, address = authority.rpartition("@")
    try:
        parts = urlsplit(f"{scheme}://{address}")
    except ValueError:  # as of "http://[::"
        raise BadProxyError(variable, messages.PROXY_HOST) from None
    if parts.scheme not in _PORTS:
        raise BadProxyError(variable, messages.PROXY_WRONG)
    return who, parts


def _port(variable: str, parts: SplitResult) -> int | None:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise BadProxyError(variable, messages.PROXY_PORT)
    return port


def _is_host(host: str) -> bool:
    """Whether a resolver takes it: Python's raises UnicodeError for labels that are empty or too long.

    A number alone is a port without its host: resolvers take it for an address.
    """
    if not _HOST.fullmatch(host) or host.isdigit():
        return False
    labels = host.removesuffix(".").split(".")
    return ":" in host or all(0 < len(label) <= _LONGEST_LABEL for label in labels)


def _matches(entry: str, host: str, full: str) -> bool:
    """A name and all below it, with or without a dot before it; a network, for an address."""
    name = entry.lstrip(".").lower()
    if any(each == name or each.endswith(f".{name}") for each in (host, full)):
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False
