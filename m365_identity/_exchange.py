"""What the two credentials share: everything but the waiting."""

from __future__ import annotations

import copy
import itertools
import logging
import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, Final, NamedTuple, TypeAlias

from azure.core.credentials import AccessTokenInfo, TokenRequestOptions
from azure.core.exceptions import ClientAuthenticationError

from m365_identity import _failures
from m365_identity._advice.advise import Situation, advise
from m365_identity._failures import Failure, Kind
from m365_identity._tokens import assertion, token_file
from m365_identity.errors import (
    ExchangeError,
    M365IdentityError,
    NoAnswerError,
    SettingsError,
    ThrottledError,
    UnreachableError,
)
from m365_identity.retry import Clock, Retry, Series, is_throttled, may_heal
from m365_identity.settings import Settings
from m365_identity.settings import settings as read_settings

__all__ = ["Credential", "Key", "OnRetry"]

OnRetry: TypeAlias = Callable[[M365IdentityError, float], object]
"""Called before each pause with what failed and the seconds until the next attempt."""

_LOGGER: Final = logging.getLogger("m365_identity")
_EARLY: Final = 300.0  # seconds before its end in which azure-identity renews a token
_silence: ContextVar[float] = ContextVar("m365_identity_silence", default=10.0)


class Refused(ClientAuthenticationError):
    """Carries a failure through azure-identity, which logs it as one line and, while its token is good, swallows it."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(message=str(failure))
        self.failure = failure


class Key(NamedTuple):
    """What a token is for."""

    scopes: tuple[str, ...]
    tenant_id: str | None
    enable_cae: bool


def options_of(*, claims: str | None, tenant_id: str | None, enable_cae: bool) -> TokenRequestOptions:
    """What `get_token_info` takes for the arguments of `get_token`."""
    options: TokenRequestOptions = {"enable_cae": enable_cae}
    if claims:
        options["claims"] = claims
    if tenant_id:
        options["tenant_id"] = tenant_id
    return options


def key_of(scopes: Sequence[str], options: TokenRequestOptions) -> Key:
    """Raises ValueError where no scope is given."""
    if not scopes:
        raise ValueError("a token needs at least one scope, such as graph_scope()")
    return Key(tuple(scopes), options.get("tenant_id"), bool(options.get("enable_cae")))


class _Known(NamedTuple):
    token: AccessTokenInfo
    turn: int
    claims: str | None


class _Failed(NamedTuple):
    error: M365IdentityError
    turn: int
    claims: str | None


class Memory:
    """The newest token and the newest failure of each key.

    azure-identity has the cache; this tells, without asking it, whether it would go to the network, so that only one
    caller of many does and the others take what is still good or what that one got. Each outcome is a turn: what has
    happened since a caller began has a higher one than `turn` was then.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tokens: dict[Key, _Known] = {}
        self._failures: dict[Key, _Failed] = {}
        self._turns = itertools.count(1)
        self.turn = 0

    def fresh(self, key: Key, claims: str | None, *, since: int) -> AccessTokenInfo | None:
        """A token that needs no renewal. One asked for with claims must have been got since, with the same claims."""
        known = self._tokens.get(key)
        if known is None or not _is_fresh(known.token, self._clock.wall()):
            return None
        if claims and (known.claims != claims or known.turn <= since):
            return None
        return known.token

    def good(self, key: Key, claims: str | None) -> AccessTokenInfo | None:
        """A token that has not expired, although it may be time to renew it."""
        known = self._tokens.get(key)
        return known.token if known and not claims and self._clock.wall() < known.token.expires_on else None

    def failure(self, key: Key, claims: str | None, *, since: int) -> M365IdentityError | None:
        """What another caller got who has waited since: the same would be had again."""
        failed = self._failures.get(key)
        return copy.copy(failed.error) if failed and failed.turn > since and failed.claims == claims else None

    def keep(self, key: Key, claims: str | None, token: AccessTokenInfo) -> None:
        """A token was got, or was still good."""
        self.turn = next(self._turns)
        self._tokens[key] = _Known(token, self.turn, claims)
        self._failures.pop(key, None)

    def fail(self, key: Key, claims: str | None, error: M365IdentityError) -> None:
        """None was got. A copy is kept, since the traceback of what is raised holds the frames of callers."""
        self.turn = next(self._turns)
        self._failures[key] = _Failed(copy.copy(error), self.turn, claims)


def _is_fresh(token: AccessTokenInfo, now: float) -> bool:
    return now < token.expires_on - _EARLY and (token.refresh_on is None or now < token.refresh_on)


class Signing:
    """Reads the file, judges answers before azure-identity sees them, and turns failures into exceptions."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self._clock = clock
        self._assertion: assertion.Assertion | None = None

    def options(self, transport: Any, allowed_tenants: Sequence[str]) -> dict[str, Any]:
        """What azure-identity's credential is made with.

        It makes one request for an attempt, since the attempts are counted here, and logs no bodies, which hold tokens.
        """
        return {
            "tenant_id": self.settings.tenant_id,
            "client_id": self.settings.client_id,
            "func": self.assertion,
            "authority": self.settings.authority,
            "additionally_allowed_tenants": list(allowed_tenants),
            "retry_total": 0,
            "logging_enable": False,
            "raw_request_hook": self._before,
            "raw_response_hook": self._after,
            "transport": transport,
        }

    def assertion(self) -> str:
        """The token in the file as it is now. Raises TokenFileError."""
        token = token_file.read(self.settings.token_file)
        self._assertion = assertion.decode(token)
        return token

    def attempt(self, series: Series) -> None:
        """Says, to the attempt that this thread or task now makes, how long it may wait for the server."""
        _silence.set(series.silence())

    def failure(self, error: Exception) -> Failure | None:
        """What an exception of azure-identity's means; None if it is not about the exchange."""
        if isinstance(error, Refused):
            return error.failure
        if isinstance(error, ClientAuthenticationError):
            return None
        return _failures.of_exception(error)

    def error(self, failure: Failure, series: Series, key: Key) -> M365IdentityError:
        """The exception for the caller, to be raised outside of any `except`: no cause of it may hold a request."""
        situation = Situation(
            settings=self.settings,
            tenant_id=key.tenant_id or self.settings.tenant_id,
            scope=" ".join(key.scopes),
            assertion=self._assertion,
            now=self._clock.wall(),
        )
        advice = advise(failure, situation)
        attempts = "" if series.attempts == 1 else f", after {series.attempts} attempts"
        host = self.settings.authority
        if failure.kind in (Kind.UNREACHABLE, Kind.PROXY, Kind.UNTRUSTED):
            return UnreachableError(
                f"no connection to {host} ({failure}){attempts}",
                host=host,
                advice=advice,
                attempts=series.attempts,
                may_heal=may_heal(failure),
            )
        if failure.kind is Kind.NO_ANSWER:
            return NoAnswerError(
                f"no answer from {host} ({failure}){attempts}",
                host=host,
                advice=advice,
                attempts=series.attempts,
                may_heal=may_heal(failure),
            )
        kind = ThrottledError if is_throttled(failure) else ExchangeError
        details = f"\nEntra: {failure.description}" if failure.kind is Kind.REFUSED and failure.description else ""
        error = kind(
            f"{failure}{attempts}",
            details=details + (f"\nCorrelation id: {failure.correlation_id}" if failure.correlation_id else ""),
            code=failure.code,
            error=failure.error,
            http_status=failure.http_status,
            correlation_id=failure.correlation_id,
            advice=advice,
            attempts=series.attempts,
            may_heal=may_heal(failure),
        )
        if isinstance(error, ThrottledError):
            error.retry_after = failure.retry_after
        return error

    def _before(self, request: Any) -> None:
        silence = _silence.get()
        request.context.options.setdefault("connection_timeout", silence)
        request.context.options.setdefault("read_timeout", silence)
        # Entra takes it for its correlation id, by which Microsoft's support finds the request.
        request.http_request.headers["client-request-id"] = str(uuid.uuid4())

    def _after(self, response: Any) -> None:
        answer = response.http_response
        failure = _failures.of_answer(
            status=answer.status_code, headers=answer.headers, body=answer.content, now=self._clock.wall()
        )
        if failure is not None:
            raise Refused(failure)


class Credential:
    """The part of a credential that is the same with and without asyncio: what it is made of and what it remembers."""

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
        transport: Any = None,
        environ: Mapping[str, str] = os.environ,
        clock: Clock,
    ) -> None:
        arguments = {
            "tenant_id": tenant_id,
            "client_id": client_id,
            "token_file": token_file,
            "cloud": cloud,
            "authority": authority,
        }
        self._settings = settings
        self._problems: tuple[str, ...] = ()
        if settings is None:
            try:
                self._settings = read_settings(**arguments, environ=environ)  # type: ignore[arg-type]
            except SettingsError as error:
                if not error.missing:
                    raise
                self._problems = error.problems
        elif any(value is not None for value in arguments.values()):
            raise ValueError("settings takes the place of tenant_id, client_id, token_file, cloud and authority")
        self._retry = retry
        self._on_retry = on_retry
        self._environ = environ
        self._transport = transport
        self._allowed_tenants = tuple(additionally_allowed_tenants)
        self._clock = clock
        self._memory = Memory(clock)

    def __repr__(self) -> str:
        known = self._settings
        said = f"tenant_id={known.tenant_id!r}, client_id={known.client_id!r}" if known else "not configured"
        return f"{type(self).__module__}.{type(self).__name__}({said})"

    def _signing(self) -> Signing:
        """Raises NotConfiguredError where nothing is set to sign in with."""
        if self._settings is None:
            from m365_identity._unavailable import NotConfiguredError

            raise NotConfiguredError(self._problems)
        return Signing(self._settings, self._clock)

    def _wait(self, signing: Signing, failure: Failure, series: Series, key: Key) -> float:
        """Seconds to wait before the next attempt. Raises the exception for the caller if there is none."""
        error = signing.error(failure, series, key)
        pause = series.pause(failure)
        if pause is None:
            raise error
        _LOGGER.info("%s: trying again in %.1f s", failure, pause)
        if self._on_retry:
            self._on_retry(error, pause)
        return pause
