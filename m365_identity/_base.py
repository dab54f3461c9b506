"""What the credentials with and without asyncio share: everything but the waiting."""

from __future__ import annotations

import logging
import os
import ssl
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Generic, NamedTuple, TypeVar

from azure.core.credentials import AccessTokenInfo, TokenRequestOptions

from m365_identity._attempts import Attempts
from m365_identity._exchange import Exchange
from m365_identity._failures import Failure
from m365_identity._known_tokens import Key, Memory, key_of
from m365_identity._measured import Observer
from m365_identity._messages import Message
from m365_identity._network import trusted_authorities
from m365_identity._network.proxies import Proxy, usable
from m365_identity.errors import M365IdentityError, SettingsError
from m365_identity.retry import Clock, OnRetry, Retry
from m365_identity.settings import Settings
from m365_identity.settings import settings as read_settings

__all__ = ["BaseCredential", "Call", "Opened", "call_options"]

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


@dataclass(eq=False)
class Opened(Generic[InnerT]):
    """Open connections: azure-identity's credential, and what surrounds its requests. users: attempts under way."""

    exchange: Exchange
    inner: InnerT
    users: int = 0
    is_closing: bool = False


@dataclass(eq=False)
class _Home(Generic[InnerT]):
    """What belongs to one process: a child of a fork shares no lock and no connection with its parent.

    flights: a lock for each token, held by the one caller that asks for it now. loop: the event loop of both, if any.
    """

    making: threading.Lock = field(default_factory=threading.Lock)
    flights: dict[Key, Any] = field(default_factory=dict)
    opened: Opened[InnerT] | None = None
    loop: Any = None


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
    _KNOWS_SOCKS: ClassVar[bool]

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
        metrics: Observer | None = None,
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
        self._metrics = metrics
        if metrics is not None and settings is not None:
            metrics.watch(settings.token_file)
        self._allowed_tenants = tuple(additionally_allowed_tenants)
        self._clock = clock or self._CLOCK
        self._memory = Memory(self._clock)
        # By process id. A parent's connections stay here: to close them, a child could wait for a lock without end.
        self._homes: dict[int, _Home[InnerT]] = {}

    def __repr__(self) -> str:
        known = self._settings
        who = f"tenant_id={known.tenant_id!r}, client_id={known.client_id!r}" if known else "not configured"
        return f"{type(self).__module__}.{type(self).__name__}({who})"

    @abstractmethod
    def _usual_transport(self, *, trust: ssl.SSLContext | None, proxy: Proxy | None) -> TransportT:
        """A transport for a credential that was given none. trust: the trusted authorities, see `_network`."""

    @abstractmethod
    def _inner(self, options: dict[str, Any]) -> InnerT:
        """azure-identity's credential."""

    @property
    def _home(self) -> _Home[InnerT]:
        """That of this process; the first of several threads makes it."""
        process = os.getpid()
        return self._homes.get(process) or self._homes.setdefault(process, _Home())

    def _borrow(self) -> Opened[InnerT]:
        """Open connections for one attempt, to be given back. The first attempt opens them, also after `close`.

        Raises NotConfiguredError if settings are missing, SettingsError if the proxy or the trusted authorities are
        bad.
        """
        home = self._home
        with home.making:  # asyncio's tasks never wait here: nothing in this block awaits
            self._claim(home)
            if home.opened is None:
                home.opened = self._open()
            home.opened.users += 1
            return home.opened

    def _claim(self, home: _Home[InnerT]) -> None:
        """Takes the credential over for the event loop that runs here, if it needs one. To be called with the lock."""

    def _give_back(self, opened: Opened[InnerT]) -> InnerT | None:
        """What is to be closed now: that which was closed while it was in use."""
        with self._home.making:
            opened.users -= 1
            return opened.inner if opened.is_closing and not opened.users else None

    def _detach(self) -> InnerT | None:
        """What is to be closed now. What is in use is closed by the last one that gives it back."""
        home = self._home
        with home.making:
            opened, home.opened = home.opened, None
            if opened is None:
                return None
            opened.is_closing = True
            return None if opened.users else opened.inner

    def _open(self) -> Opened[InnerT]:
        if self._settings is None:
            from m365_identity._unavailable import NotConfiguredError

            raise NotConfiguredError(self._missing)
        transport = self._transport
        proxy: Proxy | None = None
        if transport is None:
            # The process's own variables, as the libraries below read them, whatever `environ` is.
            proxy = usable(self._settings.authority, os.environ, socks=self._KNOWS_SOCKS)
            transport = self._usual_transport(trust=trusted_authorities.authorities(self._environ), proxy=proxy)
        exchange = Exchange(self._settings, self._clock, proxy, self._metrics)
        return Opened(exchange, self._inner(exchange.options(transport, self._allowed_tenants)))

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

    def _keep(self, exchange: Exchange, call: Call, token: AccessTokenInfo) -> AccessTokenInfo:
        """Ends an attempt that gave `token`."""
        exchange.end(token)
        self._memory.keep(call.key, call.claims, token)
        return token

    def _still_good(self, exchange: Exchange, call: Call) -> AccessTokenInfo | None:
        """Ends an attempt that failed. The token that is good all the same: Entra is left alone for a while then.

        azure-identity does the same, but it forgets its tokens when connections are closed.
        """
        token = self._memory.good(call.key, call.claims)
        exchange.end(token)
        if token is not None:
            self._memory.rest(call.key)
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
