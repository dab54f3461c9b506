"""The proxy on the way to an API server, by the rules of Go, which kubectl follows.

    proxy-url of the cluster in the kubeconfig    that one
    the server is on loopback                     none
    NO_PROXY has its name, domain or network      none
    HTTPS_PROXY, or HTTP_PROXY for http           that one; http:// is taken if it has no scheme

Variables in lower case count, too; of two, the one in upper case.
"""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit


def proxy_for(server: str, environ: Mapping[str, str]) -> str:
    """The proxy that the environment names for a server; "" for none."""
    parts = urlsplit(server)
    host, scheme = parts.hostname or "", parts.scheme.upper()
    found = environ.get(f"{scheme}_PROXY") or environ.get(f"{scheme.lower()}_proxy") or ""
    exceptions = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
    if (
        not found
        or _is_loopback(host)
        or any(_excepts(each.strip(), host, parts.port) for each in exceptions.split(","))
    ):
        return ""
    return found if "://" in found else f"http://{found}"


def _excepts(entry: str, host: str, port: int | None) -> bool:
    """Whether an entry of NO_PROXY is about the host: *, a network, an address, or a name with all names below it."""
    name, _, wanted = entry.lower().rpartition(":") if entry.count(":") == 1 else (entry.lower(), "", "")
    if not name or (wanted and wanted != str(port or 443)):
        return False
    address = _address(host)
    if address:
        try:
            return name == "*" or address in ipaddress.ip_network(name, strict=False)
        except ValueError:
            return False
    own = host.lower()
    if name.startswith((".", "*.")):
        return own.endswith(name.removeprefix("*"))
    return name == "*" or own == name or own.endswith(f".{name}")


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host == "localhost" or bool(address and address.is_loopback)
