"""azure-core's transport for aiohttp, with connections that take no longer than they may.

aiohttp spends the time for a connection on its addresses again and again: here it is that of all of them, the name and
TLS with it. It is imported with the first request, and made where the event loop runs.
"""

import asyncio
from typing import Any

import aiohttp
from azure.core.pipeline.transport import AioHttpTransport, AsyncHttpTransport

__all__ = ["transport"]


def transport(*, verify: str | bool) -> AsyncHttpTransport[Any, Any]:
    """A transport that trusts the authorities in the file `verify`, or the usual ones, and heeds HTTPS_PROXY."""
    session = aiohttp.ClientSession(
        connector=_Connector(), trust_env=True, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
    )
    wires: AsyncHttpTransport[Any, Any] = AioHttpTransport(session=session, connection_verify=verify)
    return wires


class _Connector(aiohttp.TCPConnector):
    async def connect(self, req: Any, traces: Any, timeout: aiohttp.ClientTimeout) -> Any:
        async with asyncio.timeout(timeout.sock_connect):
            return await super().connect(req, traces, timeout)
