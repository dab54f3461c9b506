"""What anybody can read on the internet: the documents of an issuer, fetched as Entra would."""

import asyncio
import os
import socket
import ssl
from dataclasses import dataclass
from typing import Final

import aiohttp
from yarl import URL

from webhook.core.text import shown
from webhook.entra.sessions import proxy_for, proxy_problem

_SECONDS: Final = 10.0  # of a fetch; Entra's own limit is not documented
_HTTPS: Final = "https://"
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_MOST_REDIRECTS: Final = 5  # a name that moved, its trailing slash, a CDN: an honest address has no more
_LARGEST: Final = 1024 * 1024  # bytes; the documents have a few thousand


@dataclass(frozen=True)
class Fetched:
    """The answer. body: of a success. problem: what failed, as the end of a sentence, or "".

    final: the address to which the first one led, "" if it did not lead anywhere else.
    """

    body: bytes = b""
    problem: str = ""
    final: str = ""


async def fetch(url: str) -> Fetched:
    """The document at `url`, over https alone, through the proxy in the environment. Raises nothing.

    A redirect is followed only to another https URL: a stranger's document must not have this machine ask something
    inside its own network.
    """
    if not url.startswith(_HTTPS):
        return Fetched(problem="it is not an https URL")
    timeout = aiohttp.ClientTimeout(_SECONDS)
    # A new one for each fetch, so that SSL_CERT_FILE counts, as everywhere else.
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context())
    try:
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            async with asyncio.timeout(_SECONDS):
                return await _follow(session, url)
    except (TimeoutError, aiohttp.ClientError, ssl.SSLError, OSError, ValueError) as error:
        return Fetched(problem=_reason(error))


async def _follow(session: aiohttp.ClientSession, url: str) -> Fetched:
    final = ""
    for _ in range(_MOST_REDIRECTS + 1):
        where = final or url
        # Not by the session, which would send the passwords of ~/.netrc along.
        async with session.get(where, allow_redirects=False, proxy=proxy_for(where)) as response:
            location = response.headers.get("Location", "")
            if response.status in _REDIRECTS and location:
                final = str(response.url.join(URL(location)))
                if not final.startswith(_HTTPS):
                    return Fetched(problem=f"it leads to {shown(final, 200)}, which is not an https URL")
                continue
            if response.status != 200:
                return Fetched(problem=f"HTTP {response.status}", final=final)
            return await _read(response, final)
    return Fetched(problem="it leads in circles")


async def _read(response: aiohttp.ClientResponse, final: str) -> Fetched:
    body = b""
    while len(body) <= _LARGEST and not response.content.at_eof():
        body += await response.content.read(_LARGEST + 1)
    if len(body) > _LARGEST:
        return Fetched(problem=f"it is larger than {_LARGEST} bytes")
    return Fetched(body=body, final=final)


async def addresses(host: str) -> tuple[str, ...]:
    """The addresses that `host` leads to; none when it leads nowhere."""
    try:
        async with asyncio.timeout(_SECONDS):
            found = await asyncio.get_running_loop().getaddrinfo(host, 443, type=socket.SOCK_STREAM)
    except (TimeoutError, OSError):
        return ()
    return tuple(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))


def _reason(error: Exception) -> str:
    by_proxy = proxy_problem(error)
    if by_proxy:
        return by_proxy
    if isinstance(error, TimeoutError):
        return f"no answer within {_SECONDS:g} s"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        cause = error.certificate_error
        reason = cause.verify_message if isinstance(cause, ssl.SSLCertVerificationError) else str(cause)
        return f"its certificate is not trusted ({reason})"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the host does not exist"
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, OSError) and cause.errno and cause.errno > 0:
        return os.strerror(cause.errno).lower()
    return " ".join((str(cause) or type(cause).__name__).split())[:200]
