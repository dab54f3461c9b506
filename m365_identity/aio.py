"""The same credential for asyncio: an azure-core AsyncTokenCredential, for aiohttp, msgraph-sdk and `azure.*.aio`."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import TYPE_CHECKING, Any

from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions
from azure.core.exceptions import AzureError

from m365_identity._attempts import Attempts
from m365_identity._base import BaseCredential, Call, call_options
from m365_identity.retry import Clock

if TYPE_CHECKING:
    from azure.core.pipeline.transport import AsyncHttpTransport
    from azure.identity.aio import ClientAssertionCredential

__all__ = ["WorkloadIdentityCredential"]


class WorkloadIdentityCredential(BaseCredential["AsyncHttpTransport[Any, Any]", "ClientAssertionCredential"]):
    """`m365_identity.WorkloadIdentityCredential` for asyncio: same arguments, same errors, methods to be awaited.

    It is an AsyncTokenCredential and AsyncSupportsTokenInfo, for the tasks of one event loop. It needs aiohttp
    (`pip install "m365-workload-identity[aio]"`) unless another transport is given.
    """

    _CLOCK = Clock(sleep=asyncio.sleep)

    async def get_token(
        self,
        *scopes: str,
        claims: str | None = None,
        tenant_id: str | None = None,
        enable_cae: bool = False,
        **_: Any,
    ) -> AccessToken:
        """An access token for `scopes`, as `m365_identity.WorkloadIdentityCredential.get_token`."""
        options = call_options(claims=claims, tenant_id=tenant_id, enable_cae=enable_cae)
        token = await self.get_token_info(*scopes, options=options)
        return AccessToken(token.token, token.expires_on)

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        """An access token with its type, as `m365_identity.WorkloadIdentityCredential.get_token_info`."""
        call = self._begin(scopes, options)
        if isinstance(call, AccessTokenInfo):
            return call
        flight = self._flights.setdefault(call.key, asyncio.Lock())
        if call.good is not None and flight.locked():
            return call.good
        async with flight:
            return self._from_others(call) or await self._exchange(call)

    async def close(self) -> None:
        """Closes the connections."""
        if self._made:
            await self._made[1].close()

    async def __aenter__(self) -> WorkloadIdentityCredential:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.close()

    async def _exchange(self, call: Call) -> AccessTokenInfo:
        exchange, inner = self._make()
        attempts = Attempts(self._retry, self._clock)
        while True:
            exchange.begin(attempts)
            try:
                return self._keep(call, await inner.get_token_info(*call.key.scopes, options=call.options))
            except AzureError as error:
                failure = exchange.failure(error)
                if failure is None:
                    raise
            await self._clock.sleep(self._pause(exchange, failure, attempts, call))

    def _usual_transport(self, *, verify: str | bool) -> AsyncHttpTransport[Any, Any]:
        # Imported here, since aiohttp need not be installed if another transport is given.
        from m365_identity._network.aiohttp_transport import transport

        return transport(verify=verify)

    def _inner(self, options: dict[str, Any]) -> ClientAssertionCredential:
        from azure.identity.aio import ClientAssertionCredential

        return ClientAssertionCredential(**options)
