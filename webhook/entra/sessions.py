"""HTTP sessions to Microsoft, through the proxy in the environment and with the authorities of SSL_CERT_FILE."""

import os
import ssl
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

_CONNECT_SECONDS: Final = 10.0
_READ_SECONDS: Final = 30.0  # of silence within an answer


def session(*, at_once: int = 8) -> aiohttp.ClientSession:
    """A session with at most `at_once` connections. It follows no cookie, and the context is its own.

    aiohttp's own context is made when the module is loaded, and has no authorities in this program
    (webhook.cluster.kube). Nor does it read the environment: with the proxy come the passwords of ~/.netrc, which are
    not for Microsoft. Each request names its proxy.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=ssl.create_default_context(), limit=at_once),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(sock_connect=_CONNECT_SECONDS, sock_read=_READ_SECONDS),
    )


def proxy_for(url: str) -> str | None:
    """The proxy of the environment for requests to `url`: HTTPS_PROXY, unless NO_PROXY has its host."""
    parts = urlsplit(url)
    if proxy_bypass(parts.hostname or ""):
        return None
    found = getproxies().get(parts.scheme, "")
    return found if "://" in found else f"http://{found}" if found else None


def proxy_problem(error: BaseException | None) -> str:
    """What went wrong with the proxy, as the end of a sentence; "" if `error` is not about it.

    aiohttp's own words have the proxy's address, and with it its password.
    """
    for each in _chain(error):
        if isinstance(each, aiohttp.ClientHttpProxyError):
            return f"the proxy in HTTPS_PROXY answers HTTP {each.status}"
        if isinstance(each, aiohttp.ClientProxyConnectionError):
            return f"the proxy in HTTPS_PROXY cannot be reached: {_system(each.os_error)}"
    return ""


def is_unreached(error: BaseException) -> bool:
    """Whether no answer came, because of the network, a proxy or a certificate. Of aiohttp, and of requests."""
    kinds = (aiohttp.ClientConnectionError, aiohttp.ClientHttpProxyError, ssl.SSLError, TimeoutError, ConnectionError)
    return any(isinstance(each, kinds) or type(each).__name__ == "ProxyError" for each in _chain(error))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it came from. azure-core keeps that in an attribute of its own."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__ or getattr(error, "inner_exception", None)


def _system(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error.strerror or error)
