"""azure-core's transport for aiohttp, with one limit of time for a connection.

It is imported with the first request, and made in the event loop.
"""

import asyncio
from typing import Any

import aiohttp
from azure.core.pipeline.transport import AioHttpTransport, AsyncHttpTransport

__all__ = ["transport"]


def transport(*, verify: str | bool) -> AsyncHttpTransport[Any, Any]:
    """A transport that trusts the authorities in the file `verify`, or the usual ones, and follows HTTPS_PROXY."""
    session = aiohttp.ClientSession(
        connector=_Connector(), trust_env=True, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
    )
    wires: AsyncHttpTransport[Any, Any] = AioHttpTransport(session=session, connection_verify=verify)
    return wires


class _Connector(aiohttp.TCPConnector):
    """aiohttp's, which tries the addresses of a host in parallel, with one limit for all of them, their name and TLS.

    aiohttp alone starts `sock_connect` again for each address that is left: a host with eight addresses behind a
    firewall that drops packets took 8.0 s instead of 1.0 s with aiohttp 3.14 (tests/helper/test_connections.py).
    """

    async def connect(self, req: Any, traces: Any, timeout: aiohttp.ClientTimeout) -> Any:
        async with asyncio.timeout(timeout.sock_connect):
            return await super().connect(req, traces, timeout)
