"""Which proxy is in use for a server, as requests decides it: pure.

https_proxy, else all_proxy, unless no_proxy has the host; each in capitals if it is not set in small letters.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

__all__ = ["VARIABLES", "BadProxyError", "Proxy", "excluded", "proxy_for"]

VARIABLES: Final = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
_PORTS: Final = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080, "socks4": 1080, "socks4a": 1080}


class BadProxyError(ValueError):
    """`variable` does not hold the address of a proxy. Its value is not kept: it can hold a password."""

    def __init__(self, variable: str) -> None:
        super().__init__(variable)
        self.variable = variable


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


def proxy_for(url: str, environ: Mapping[str, str]) -> Proxy | None:
    """The proxy to the server at `url`, if there is one. Raises BadProxyError if its variable is bad."""
    known = [name if name in environ else name.upper() for name in ("https_proxy", "all_proxy")]
    variable = next((name for name in known if environ.get(name, "").strip()), None)
    if variable is None or excluded(url, environ):
        return None
    text = environ[variable].strip()
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        scheme, name, at = parts.scheme, parts.hostname, parts.port
    except ValueError:
        scheme, name, at = "", None, None
    if scheme not in _PORTS or not name:
        raise BadProxyError(variable)
    return Proxy(
        variable=variable,
        scheme=scheme,
        host=name,
        port=at or _PORTS[scheme],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def excluded(url: str, environ: Mapping[str, str]) -> str | None:
    """The variable that keeps the server at `url` from the proxy, if one does."""
    variable = next((name for name in ("no_proxy", "NO_PROXY") if environ.get(name)), None)
    if variable is None:
        return None
    parts = urlsplit(url)
    host = parts.hostname or ""
    full = f"{host}:{parts.port}" if parts.port else host
    text = environ[variable].replace(" ", "")
    entries = [entry for entry in text.split(",") if entry]
    return variable if text == "*" or any(_matches(entry, host, full) for entry in entries) else None


def _matches(entry: str, host: str, full: str) -> bool:
    """A name and all below it, with or without a dot before it; a network, for an address."""
    name = entry.lstrip(".").lower()
    if any(each == name or each.endswith(f".{name}") for each in (host, full)):
        return True
    try:
        return ipaddress.IPv4Address(host) in ipaddress.IPv4Network(entry, strict=False)
    except ValueError:
        return False
