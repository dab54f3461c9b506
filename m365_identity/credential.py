"""The credential: an azure-core TokenCredential for a pod that the webhook has injected."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions
from azure.core.exceptions import AzureError

from m365_identity._exchange import Credential, Key, OnRetry, Signing, key_of, options_of
from m365_identity._network import trusted_authorities
from m365_identity.errors import M365IdentityError
from m365_identity.retry import Clock, Retry, Series
from m365_identity.settings import Settings

if TYPE_CHECKING:
    from azure.core.pipeline.transport import HttpTransport
    from azure.identity import ClientAssertionCredential

__all__ = ["WorkloadIdentityCredential"]


class WorkloadIdentityCredential(Credential):
    """Exchanges the pod's ServiceAccount token for access tokens, with azure-identity's credential for assertions.

    It is a TokenCredential and SupportsTokenInfo, and may be shared by threads. The token file is read at every
    exchange. A token is kept until five minutes before its end; a renewal that fails then costs nothing while the old
    one is good. Calls for the same token make one exchange together.

    tenant_id, client_id, token_file, cloud, authority: else from the environment, see `m365_identity.settings`;
    or all of them as `settings`. retry: how long what can heal is tried again. additionally_allowed_tenants: that
    `get_token(tenant_id=…)` may name, "*" for any. on_retry: is told of each failed attempt that is made again.
    transport: azure-core's, in place of one for requests that heeds HTTPS_PROXY, SSL_CERT_FILE and REQUESTS_CA_BUNDLE.

    Raises SettingsError where a setting makes no sense. One that is missing is told by `get_token` as
    NotConfiguredError, so that a ChainedTokenCredential can be made of credentials that are not all set up.
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
        transport: HttpTransport[Any, Any] | None = None,
        environ: Mapping[str, str] = os.environ,
        clock: Clock = Clock(),  # noqa: B008  # frozen
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
        self._making = threading.Lock()
        self._flights: dict[Key, threading.Lock] = {}
        self._made: tuple[Signing, ClientAssertionCredential] | None = None

    def get_token(
        self,
        *scopes: str,
        claims: str | None = None,
        tenant_id: str | None = None,
        enable_cae: bool = False,
        **_: Any,
    ) -> AccessToken:
        """An access token for `scopes`. claims: of a claims challenge, for which no kept token is used."""
        options = options_of(claims=claims, tenant_id=tenant_id, enable_cae=enable_cae)
        token = self.get_token_info(*scopes, options=options)
        return AccessToken(token.token, token.expires_on)

    def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
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
        with self._flight(key, wait=good is None) as flying:
            if not flying and good is not None:
                return good
            token = self._memory.fresh(key, claims, since=began)
            if token is not None:
                return token
            error = self._memory.failure(key, claims, since=began)
            if error is None:
                return self._exchange(key, claims, options)
        raise error

    def close(self) -> None:
        """Closes the connections."""
        with self._making:
            if self._made:
                self._made[1].close()

    def __enter__(self) -> WorkloadIdentityCredential:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self.close()

    @contextlib.contextmanager
    def _flight(self, key: Key, *, wait: bool) -> Iterator[bool]:
        """Whether this caller is now the only one that asks for `key`; without waiting for others unless told to."""
        lock = self._flights.setdefault(key, threading.Lock())
        flying = lock.acquire(blocking=wait)
        try:
            yield flying
        finally:
            if flying:
                lock.release()

    def _exchange(self, key: Key, claims: str | None, options: TokenRequestOptions) -> AccessTokenInfo:
        signing, inner = self._make()
        series = Series(self._retry, self._clock)
        while True:
            signing.attempt(series)
            try:
                token = inner.get_token_info(*key.scopes, options=options)
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
            self._clock.sleep(pause)

    def _make(self) -> tuple[Signing, ClientAssertionCredential]:
        with self._making:
            if self._made is None:
                from azure.identity import ClientAssertionCredential

                from m365_identity._network.requests_transport import transport

                signing = self._signing()
                wires = self._transport
                if wires is None:
                    wires = transport(verify=trusted_authorities.authorities(self._environ))
                options = signing.options(wires, self._allowed_tenants)
                # Entered here, where one thread is: azure-core opens its session at the first request otherwise.
                self._made = signing, ClientAssertionCredential(**options).__enter__()
            return self._made
