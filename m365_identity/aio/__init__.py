"""The same credential for asyncio: an azure-core AsyncTokenCredential, for aiohttp, msgraph-sdk and `azure.*.aio`."""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions
from azure.core.exceptions import AzureError

from m365_identity._exchange import Credential, Key, OnRetry, Signing, key_of, options_of
from m365_identity._network import trusted_authorities
from m365_identity.errors import M365IdentityError
from m365_identity.retry import Clock, Retry, Series
from m365_identity.settings import Settings

if TYPE_CHECKING:
    from azure.core.pipeline.transport import AsyncHttpTransport
    from azure.identity.aio import ClientAssertionCredential

__all__ = ["WorkloadIdentityCredential"]

_CLOCK: Final = Clock(sleep=asyncio.sleep)


class WorkloadIdentityCredential(Credential):
    """`m365_identity.WorkloadIdentityCredential` for asyncio: same arguments, same errors, methods to be awaited.

    It is an AsyncTokenCredential and AsyncSupportsTokenInfo, for the tasks of one event loop. It needs aiohttp
    (`pip install "m365-workload-identity[aio]"`) unless another transport is given.
    """

    def __init__(
        self,
        *,
        tenant_id: str | None = None,
        client_id: str | None = None,
        token_file: str | os.PathLike[str] | None = None,
        cloud: str | None = None,
        authority: str | None = None,
        settings: Settings | None = None,
        retry: Retry = Retry(),  # noqa: B008  # frozen
        additionally_allowed_tenants: Sequence[str] = (),
        on_retry: OnRetry | None = None,
        transport: AsyncHttpTransport[Any, Any] | None = None,
        environ: Mapping[str, str] = os.environ,
        clock: Clock = _CLOCK,
    ) -> None:
        super().__init__(
            tenant_id=tenant_id,
            client_id=client_id,
            token_file=token_file,
            cloud=cloud,
            authority=authority,
            settings=settings,
            retry=retry,
            additionally_allowed_tenants=additionally_allowed_tenants,
            on_retry=on_retry,
            transport=transport,
            environ=environ,
            clock=clock,
        )
        self._flights: defaultdict[Key, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._made: tuple[Signing, ClientAssertionCredential] | None = None

    async def get_token(
        self,
        *scopes: str,
        claims: str | None = None,
        tenant_id: str | None = None,
        enable_cae: bool = False,
        **_: Any,
    ) -> AccessToken:
        """An access token for `scopes`. claims: of a claims challenge, for which no kept token is used."""
        options = options_of(claims=claims, tenant_id=tenant_id, enable_cae=enable_cae)
        token = await self.get_token_info(*scopes, options=options)
        return AccessToken(token.token, token.expires_on)

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        """As `get_token`, with the token's type and the time from which it is to be renewed.

        Raises NotConfiguredError, TokenFileError, ExchangeError and NetworkError, all of them M365IdentityError and
        azure-core's ClientAuthenticationError; SettingsError for certificates that cannot be read. The caller's own
        mistakes are azure-identity's: ClientAuthenticationError for a tenant that is not allowed, ValueError without a
        scope and after `close`.
        """
        options = options or {}
        key, claims = key_of(scopes, options), options.get("claims")
        began = self._memory.turn
        token = self._memory.fresh(key, claims, since=began)
        if token is not None:
            return token
        good = self._memory.good(key, claims)
        if good is not None and self._flights[key].locked():
            return good
        async with self._flights[key]:
            token = self._memory.fresh(key, claims, since=began)
            if token is not None:
                return token
            error = self._memory.failure(key, claims, since=began)
            if error is None:
                return await self._exchange(key, claims, options)
        raise error

    async def close(self) -> None:
        """Closes the connections."""
        if self._made:
            await self._made[1].close()

    async def __aenter__(self) -> WorkloadIdentityCredential:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.close()

    async def _exchange(self, key: Key, claims: str | None, options: TokenRequestOptions) -> AccessTokenInfo:
        signing, inner = self._make()
        series = Series(self._retry, self._clock)
        while True:
            signing.attempt(series)
            try:
                token = await inner.get_token_info(*key.scopes, options=options)
            except AzureError as error:
                failure = signing.failure(error)
                if failure is None:
                    raise
            else:
                self._memory.keep(key, claims, token)
                return token
            # Out of the `except`, so that what is raised from here has no context.
            try:
                pause = self._wait(signing, failure, series, key)
            except M365IdentityError as error:
                self._memory.fail(key, claims, error)
                raise
            await self._clock.sleep(pause)

    def _make(self) -> tuple[Signing, ClientAssertionCredential]:
        if self._made is None:
            from azure.identity.aio import ClientAssertionCredential

            signing = self._signing()
            wires = self._transport if self._transport is not None else self._usual_transport()
            options = signing.options(wires, self._allowed_tenants)
            self._made = signing, ClientAssertionCredential(**options)
        return self._made

    def _usual_transport(self) -> AsyncHttpTransport[Any, Any]:
        verify = trusted_authorities.authorities(self._environ)
        # Here, since aiohttp need not be there where another transport is given.
        from m365_identity._network.aiohttp_transport import transport

        return transport(verify=verify)
