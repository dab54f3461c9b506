"""The same credential for asyncio: an azure-core AsyncTokenCredential, for aiohttp, msgraph-sdk and `azure.*.aio`."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions
from azure.core.exceptions import AzureError

from m365_identity._attempts import Attempts
from m365_identity._base import BaseCredential, Call, Opened, _Home, call_options
from m365_identity._known_tokens import Key
from m365_identity._messages import message
from m365_identity._messages import settings as messages
from m365_identity._network.proxies import Proxy
from m365_identity.errors import EventLoopError
from m365_identity.retry import Clock

if TYPE_CHECKING:
    from azure.core.pipeline.transport import AsyncHttpTransport
    from azure.identity.aio import ClientAssertionCredential

__all__ = ["WorkloadIdentityCredential"]


class WorkloadIdentityCredential(BaseCredential["AsyncHttpTransport[Any, Any]", "ClientAssertionCredential"]):
    """`m365_identity.WorkloadIdentityCredential` for asyncio: same arguments, same errors, methods to be awaited.

    It is an AsyncTokenCredential and AsyncSupportsTokenInfo, for the tasks of one event loop at a time: after `close`,
    it may be used in another one. It needs aiohttp (`pip install "m365-workload-identity[aio]"`) unless another
    transport is given.
    """

    _CLOCK = Clock(sleep=asyncio.sleep)
    _KNOWS_SOCKS = False

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
        """An access token with its type, as `m365_identity.WorkloadIdentityCredential.get_token_info`.

        Raises EventLoopError if the credential has connections of another event loop.
        """
        flights = self._flights_of_this_loop()
        call = self._begin(scopes, options)
        if isinstance(call, AccessTokenInfo):
            return call
        flight = flights.setdefault(call.key, asyncio.Lock())
        if call.good is not None and flight.locked():
            return call.good
        async with flight:
            return self._from_others(call) or await self._exchange(call)

    async def close(self) -> None:
        """Closes the connections, those in use after their use. The next exchange opens new ones.

        Raises EventLoopError if they are those of another event loop that still runs.
        """
        home = self._home
        if home.opened is not None and home.loop is not asyncio.get_running_loop():
            if not home.loop.is_closed():
                raise _of_another_loop()
            home.opened = None  # the connections have ended with their loop
        inner = self._detach()
        if inner is not None:
            await inner.close()

    async def __aenter__(self) -> WorkloadIdentityCredential:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.close()

    def _flights_of_this_loop(self) -> dict[Key, asyncio.Lock]:
        """The locks of this event loop, which the credential belongs to from now on."""
        home = self._home
        with home.making:
            self._claim(home)
            return home.flights

    def _claim(self, home: _Home[ClientAssertionCredential]) -> None:
        """Raises EventLoopError if there are connections of another event loop.

        Asked again before each attempt: in another thread, another loop may have opened some since.
        """
        running = asyncio.get_running_loop()
        if home.loop is not running:
            if home.opened is not None:
                raise _of_another_loop()
            home.loop, home.flights = running, {}

    @contextlib.asynccontextmanager
    async def _connections(self) -> AsyncIterator[Opened[ClientAssertionCredential]]:
        """Open connections, for one attempt."""
        opened = self._borrow()
        try:
            yield opened
        finally:
            inner = self._give_back(opened)
            if inner is not None:
                await inner.close()

    async def _exchange(self, call: Call) -> AccessTokenInfo:
        attempts = Attempts(self._retry, self._clock)
        while True:
            async with self._connections() as opened:
                opened.exchange.begin(attempts)
                try:
                    token = await opened.inner.get_token_info(*call.key.scopes, options=call.options)
                    return self._keep(opened.exchange, call, token)
                except AzureError as error:
                    good = self._still_good(opened.exchange, call)
                    if good is not None:
                        return good
                    failure = opened.exchange.failure(error)
                    if failure is None:
                        raise
            await self._clock.sleep(self._pause(opened.exchange, failure, attempts, call))

    def _usual_transport(self, *, trust: ssl.SSLContext | None, proxy: Proxy | None) -> AsyncHttpTransport[Any, Any]:
        # Imported here, since aiohttp need not be installed if another transport is given.
        from m365_identity._network.aiohttp_transport import transport

        return transport(trust=trust, proxy=proxy)

    def _inner(self, options: dict[str, Any]) -> ClientAssertionCredential:
        from azure.identity.aio import ClientAssertionCredential

        return ClientAssertionCredential(**options)


def _of_another_loop() -> EventLoopError:
    return EventLoopError(message(messages.OTHER_EVENT_LOOP))
