"""The credential: an azure-core TokenCredential for a pod that the webhook has injected."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions
from azure.core.exceptions import AzureError

from m365_identity._attempts import Attempts
from m365_identity._base import BaseCredential, Call, Opened, call_options
from m365_identity._known_tokens import Key
from m365_identity._network.proxies import Proxy
from m365_identity.retry import Clock

if TYPE_CHECKING:
    from azure.core.pipeline.transport import HttpTransport
    from azure.identity import ClientAssertionCredential

__all__ = ["WorkloadIdentityCredential"]


class WorkloadIdentityCredential(BaseCredential["HttpTransport[Any, Any]", "ClientAssertionCredential"]):
    """Exchanges the pod's ServiceAccount token for access tokens, with azure-identity's credential for assertions.

    It is a TokenCredential and SupportsTokenInfo, and threads and forked processes may share it. It reads the token
    file at every exchange.
    It keeps a token until five minutes before its end; then a renewal that fails costs nothing while the old token is
    good. Calls for the same token share one exchange.

    tenant_id, client_id, token_file, cloud, authority: from the environment if not given, see `m365_identity.settings`;
    settings: all of them at once. retry: how long failures that can heal are tried again. additionally_allowed_tenants:
    tenants that `get_token(tenant_id=…)` may name, "*" for any. on_retry: called for each failed attempt that is made
    again. transport: azure-core's; the default is one for requests that follows HTTPS_PROXY, SSL_CERT_FILE and
    REQUESTS_CA_BUNDLE. metrics: a `m365_identity.metrics.SignInMetrics` that counts what this credential does.

    Raises SettingsError if a setting makes no sense. If one is missing, `get_token` raises NotConfiguredError, so that
    a ChainedTokenCredential can hold credentials that are not all set up.
    """

    _CLOCK = Clock()
    _KNOWS_SOCKS = True

    def get_token(
        self,
        *scopes: str,
        claims: str | None = None,
        tenant_id: str | None = None,
        enable_cae: bool = False,
        **_: Any,
    ) -> AccessToken:
        """An access token for `scopes`. claims: of a claims challenge, for which no token is used that was kept."""
        options = call_options(claims=claims, tenant_id=tenant_id, enable_cae=enable_cae)
        token = self.get_token_info(*scopes, options=options)
        return AccessToken(token.token, token.expires_on)

    def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        """As `get_token`, with the token's type and the time from which it is to be renewed.

        Raises NotConfiguredError, TokenFileError, ExchangeError and NetworkError, all of them M365IdentityError and
        azure-core's ClientAuthenticationError; SettingsError for bad certificates or a bad proxy. The caller's own
        mistakes are azure-identity's: ClientAuthenticationError for a tenant that is not allowed, ValueError without a
        scope.
        """
        call = self._begin(scopes, options)
        if isinstance(call, AccessTokenInfo):
            return call
        with self._flight(call.key, wait=call.good is None) as flying:
            if not flying and call.good is not None:
                return call.good
            return self._from_others(call) or self._exchange(call)

    def close(self) -> None:
        """Closes the connections, those in use after their use. The next exchange opens new ones."""
        inner = self._detach()
        if inner is not None:
            inner.close()

    def __enter__(self) -> WorkloadIdentityCredential:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self.close()

    @contextlib.contextmanager
    def _flight(self, key: Key, *, wait: bool) -> Iterator[bool]:
        """Whether this caller is now the only one that asks for `key`. wait: whether to wait until it is."""
        lock = self._home.flights.setdefault(key, threading.Lock())
        flying = lock.acquire(blocking=wait)
        try:
            yield flying
        finally:
            if flying:
                lock.release()

    @contextlib.contextmanager
    def _connections(self) -> Iterator[Opened[ClientAssertionCredential]]:
        """Open connections, for one attempt."""
        opened = self._borrow()
        try:
            yield opened
        finally:
            inner = self._give_back(opened)
            if inner is not None:
                inner.close()

    def _exchange(self, call: Call) -> AccessTokenInfo:
        attempts = Attempts(self._retry, self._clock)
        while True:
            with self._connections() as opened:
                opened.exchange.begin(attempts)
                try:
                    token = opened.inner.get_token_info(*call.key.scopes, options=call.options)
                    return self._keep(opened.exchange, call, token)
                except AzureError as error:
                    good = self._still_good(opened.exchange, call)
                    if good is not None:
                        return good
                    failure = opened.exchange.failure(error)
                    if failure is None:
                        raise
            self._clock.sleep(self._pause(opened.exchange, failure, attempts, call))

    def _usual_transport(self, *, trust: ssl.SSLContext | None, proxy: Proxy | None) -> HttpTransport[Any, Any]:
        from m365_identity._network.requests_transport import transport

        usual: HttpTransport[Any, Any] = transport(trust=trust, proxy=proxy)
        return usual

    def _inner(self, options: dict[str, Any]) -> ClientAssertionCredential:
        from azure.identity import ClientAssertionCredential

        # Entered here, by one thread: otherwise azure-core opens its session at the first request.
        return ClientAssertionCredential(**options).__enter__()
