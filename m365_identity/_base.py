"""What the credentials with and without asyncio share: everything but the waiting."""

from __future__ import annotations

import logging
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, Generic, NamedTuple, TypeVar

from azure.core.credentials import AccessTokenInfo, TokenRequestOptions

from m365_identity._attempts import Attempts
from m365_identity._exchange import Exchange
from m365_identity._failures import Failure
from m365_identity._known_tokens import Key, Memory, key_of
from m365_identity._messages import Message
from m365_identity._network import trusted_authorities
from m365_identity.errors import M365IdentityError, SettingsError
from m365_identity.retry import Clock, OnRetry, Retry
from m365_identity.settings import Settings
from m365_identity.settings import settings as read_settings

__all__ = ["BaseCredential", "Call", "call_options"]

_LOGGER: Final = logging.getLogger("m365_identity")

TransportT = TypeVar("TransportT")
InnerT = TypeVar("InnerT")


class Call(NamedTuple):
    """One call for a token. good: a token to use while another caller renews it. began: the memory's turn then."""

    key: Key
    options: TokenRequestOptions
    claims: str | None
    good: AccessTokenInfo | None
    began: int


def call_options(*, claims: str | None, tenant_id: str | None, enable_cae: bool) -> TokenRequestOptions:
    """The options of `get_token_info` for the arguments of `get_token`."""
    options: TokenRequestOptions = {"enable_cae": enable_cae}
    if claims:
        options["claims"] = claims
    if tenant_id:
        options["tenant_id"] = tenant_id
    return options


class BaseCredential(ABC, Generic[TransportT, InnerT]):
    """A credential without its waiting: what it is made of, and what it remembers.

    InnerT is azure-identity's ClientAssertionCredential, TransportT azure-core's transport, each for asyncio or not.
    """

    _CLOCK: ClassVar[Clock]

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
        transport: TransportT | None = None,
        environ: Mapping[str, str] = os.environ,
        clock: Clock | None = None,
    ) -> None:
        self._missing: Sequence[Message] = ()
        who = {"tenant_id": tenant_id, "client_id": client_id, "cloud": cloud, "authority": authority}
        if settings is None:
            try:
                settings = read_settings(**who, token_file=token_file, environ=environ)
            except SettingsError as error:
                if not error.missing:
                    raise
                self._missing = error._messages
        elif token_file is not None or any(value is not None for value in who.values()):
            raise ValueError("settings takes the place of tenant_id, client_id, token_file, cloud and authority")
        self._settings = settings
        self._retry = retry
        self._on_retry = on_retry
        self._environ = environ
        self._transport = transport
        self._allowed_tenants = tuple(additionally_allowed_tenants)
        self._clock = clock or self._CLOCK
        self._memory = Memory(self._clock)
        self._flights: dict[Key, Any] = {}  # a lock for each, held by the one caller that asks for it now
        self._making = threading.Lock()
        self._made: tuple[Exchange, InnerT] | None = None

    def __repr__(self) -> str:
        known = self._settings
        who = f"tenant_id={known.tenant_id!r}, client_id={known.client_id!r}" if known else "not configured"
        return f"{type(self).__module__}.{type(self).__name__}({who})"

    @abstractmethod
    def _usual_transport(self, *, verify: str | bool) -> TransportT:
        """A transport for a credential that was given none. verify: the trusted authorities, see `_network`."""

    @abstractmethod
    def _inner(self, options: dict[str, Any]) -> InnerT:
        """azure-identity's credential."""

    def _make(self) -> tuple[Exchange, InnerT]:
        """The exchange and azure-identity's credential, made by the first call.

        Raises NotConfiguredError if settings are missing, SettingsError if the trusted authorities cannot be read.
        """
        with self._making:  # asyncio's tasks never wait here: nothing in this block awaits
            if self._made is None:
                if self._settings is None:
                    from m365_identity._unavailable import NotConfiguredError

                    raise NotConfiguredError(self._missing)
                exchange = Exchange(self._settings, self._clock)
                transport = self._transport
                if transport is None:
                    transport = self._usual_transport(verify=trusted_authorities.authorities(self._environ))
                self._made = exchange, self._inner(exchange.options(transport, self._allowed_tenants))
            return self._made

    def _begin(self, scopes: Sequence[str], options: TokenRequestOptions | None) -> AccessTokenInfo | Call:
        """The fresh token that is known, or else the call for one. Raises ValueError without a scope."""
        options = options or {}
        key, claims = key_of(scopes, options), options.get("claims")
        began = self._memory.turn
        token = self._memory.fresh(key, claims, since=began)
        if token is not None:
            return token
        return Call(key, options, claims, self._memory.good(key, claims), began)

    def _from_others(self, call: Call) -> AccessTokenInfo | None:
        """The token that another caller got since `call` began, None if no caller did. Raises what that one got."""
        token = self._memory.fresh(call.key, call.claims, since=call.began)
        if token is None:
            error = self._memory.failure(call.key, call.claims, since=call.began)
            if error is not None:
                raise error
        return token

    def _keep(self, call: Call, token: AccessTokenInfo) -> AccessTokenInfo:
        self._memory.keep(call.key, call.claims, token)
        return token

    def _pause(self, exchange: Exchange, failure: Failure, attempts: Attempts, call: Call) -> float:
        """Seconds to wait before the next attempt. Raises the exception for the caller after the last.

        To be called outside of any `except`, so that what is raised here has no context.
        """
        error = exchange.error(failure, attempts, call.key)
        pause = attempts.pause(failure)
        if pause is None:
            self._memory.fail(call.key, call.claims, error)
            raise error
        _LOGGER.info("%s: trying again in %.1f s", failure, pause)
        if self._on_retry:
            try:
                self._on_retry(error, pause)
            except M365IdentityError as stopped:
                self._memory.fail(call.key, call.claims, stopped)
                raise
        return pause
