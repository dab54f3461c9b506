"""azure-core's transport for aiohttp, with one limit of time for a connection, and with the proxy and the authorities
that count for requests, too: nothing here reads the environment.

It is imported with the first request, and made in the event loop.
"""

import asyncio
import ssl
from typing import Any

import aiohttp
from azure.core.pipeline.transport import AioHttpTransport, AsyncHttpTransport

from m365_identity._network.proxies import Proxy

__all__ = ["transport"]


def transport(*, trust: ssl.SSLContext | None, proxy: Proxy | None) -> AsyncHttpTransport[Any, Any]:
    """A transport through `proxy` that trusts the authorities of `trust`, or the usual ones of OpenSSL."""
    connector = _Connector() if trust is None else _Connector(ssl=trust)
    session = aiohttp.ClientSession(
        connector=connector, trust_env=False, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
    )
    wires: AsyncHttpTransport[Any, Any] = _Transport(session, proxy)
    return wires


class _Transport(AioHttpTransport):  # type: ignore[misc]  # azure-core imports it when it is used, so it is Any
    def __init__(self, session: aiohttp.ClientSession, proxy: Proxy | None) -> None:
        super().__init__(session=session, use_env_settings=False)
        self._through: dict[str, Any] = (
            {} if proxy is None else {"proxy": str(proxy), "proxy_headers": dict(proxy.headers)}
        )

    async def send(self, request: Any, **options: Any) -> Any:
        return await super().send(request, **options, **self._through)


class _Connector(aiohttp.TCPConnector):
    """aiohttp's, which tries the addresses of a host in parallel, with one limit for all of them, their name and TLS.

    aiohttp alone starts `sock_connect` again for each address that is left: a host with eight addresses behind a
    firewall that drops packets took 8.0 s instead of 1.0 s with aiohttp 3.14 (tests/helper/test_connections.py).
    """

    async def connect(self, req: Any, traces: Any, timeout: aiohttp.ClientTimeout) -> Any:
        async with asyncio.timeout(timeout.sock_connect):
            return await super().connect(req, traces, timeout)
