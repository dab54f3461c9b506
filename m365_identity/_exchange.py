"""The exchange of the pod's token for an access token, by azure-identity: what it sends, and what its failures mean."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

from azure.core.credentials import AccessTokenInfo
from azure.core.exceptions import ClientAuthenticationError

from m365_identity import _failures
from m365_identity._advice.advise import Situation, advise
from m365_identity._attempts import Attempts, is_throttled, may_heal
from m365_identity._failures import Failure, FailureKind
from m365_identity._known_tokens import Key
from m365_identity._measured import Measured, Observer, Outcome, code_of, outcome_of
from m365_identity._network.proxies import Proxy, is_http
from m365_identity._tokens import assertion, token_file
from m365_identity.errors import (
    Advice,
    ExchangeError,
    M365IdentityError,
    NoAnswerError,
    ThrottledError,
    UnreachableError,
)
from m365_identity.retry import Clock
from m365_identity.settings import Settings

__all__ = ["Exchange"]

_LOGGER: Final = logging.getLogger("m365_identity")


@dataclass
class _Request:
    """What is seen of an attempt's request. began, ended: by the monotonic clock, None if it was not sent or answered.

    azure-identity does not say all of it: while a token is good it gives that one, whatever became of its renewal.
    """

    began: float | None = None
    ended: float | None = None
    failure: Failure | None = None


# Context variables, since azure-identity's hooks get no argument that says which attempt they are called for.
_silence: ContextVar[float] = ContextVar("m365_identity_silence", default=10.0)  # seconds
_request: ContextVar[_Request] = ContextVar("m365_identity_request")  # set only for an observer
_NO_CONNECTION: Final = (FailureKind.UNREACHABLE, FailureKind.PROXY, FailureKind.UNTRUSTED)


class RefusedByEntra(ClientAuthenticationError):
    """Carries a failure through azure-identity, which logs it as one line and, while its token is good, ignores it."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(message=str(failure))
        self.failure = failure


class Exchange:
    """Reads the token file, judges answers before azure-identity sees them, and turns failures into exceptions."""

    def __init__(self, settings: Settings, clock: Clock, proxy: Proxy | None, observer: Observer | None = None) -> None:
        self.settings = settings
        self._clock = clock
        self._proxy = proxy
        self._observer = observer
        self._assertion: assertion.Assertion | None = None

    def options(self, transport: Any, allowed_tenants: Sequence[str]) -> dict[str, Any]:
        """The arguments of azure-identity's credential.

        It makes one request for an attempt, since attempts are counted here, and logs no bodies, which hold tokens.
        """
        return {
            "tenant_id": self.settings.tenant_id,
            "client_id": self.settings.client_id,
            "func": self.assertion,
            "authority": self.settings.authority,
            "additionally_allowed_tenants": list(allowed_tenants),
            "retry_total": 0,
            "logging_enable": False,
            "raw_request_hook": self._before_request,
            "raw_response_hook": self._after_response,
            "transport": transport,
        }

    def assertion(self) -> str:
        """The token that the file holds now. Raises TokenFileError."""
        token = token_file.read(self.settings.token_file)
        self._assertion = assertion.decode(token)
        return token

    def begin(self, attempts: Attempts) -> None:
        """Sets, for the attempt that this thread or task makes next, how long it may wait for the server."""
        _silence.set(attempts.silence())
        if self._observer is not None:
            _request.set(_Request())

    def end(self, token: AccessTokenInfo | None) -> None:
        """Tells the observer how the attempt of this thread or task went, if it made a request. token: what it gave."""
        if self._observer is None:
            return
        request = _request.get()
        if request.began is None:
            return
        ended = self._clock.monotonic() if request.ended is None else request.ended
        failure, known = request.failure, self._assertion
        # Sent and not answered: the reason may differ, and an answer is missing.
        outcome = Outcome.UNREACHABLE if request.ended is None else outcome_of(failure)
        wait = failure.retry_after or 0.0 if failure and outcome is Outcome.THROTTLED else None
        measured = Measured(
            outcome=outcome,
            code=code_of(failure.codes if failure else ()),
            seconds=max(0.0, ended - request.began),
            issued=known.issued if known else None,
            expires=known.expires if known else None,
            access_expires=token.expires_on if token else None,
            throttled_until=None if wait is None else self._clock.wall() + wait,
        )
        try:
            self._observer.observe(measured)
        except Exception as error:  # noqa: BLE001  # whatever is wrong with counting, signing in goes on
            _LOGGER.warning("a sign-in was not counted: %s", type(error).__name__)

    def failure(self, error: Exception) -> Failure | None:
        """What an exception of azure-identity means; None if it is not about the exchange."""
        if isinstance(error, RefusedByEntra):
            return error.failure
        if isinstance(error, ClientAuthenticationError):
            return None
        return _failures.from_exception(error, by_proxy=is_http(self._proxy))

    def error(self, failure: Failure, attempts: Attempts, key: Key) -> M365IdentityError:
        """The exception for the caller, to be raised outside of any `except`: no cause of it may hold a request."""
        situation = Situation(
            settings=self.settings,
            tenant_id=key.tenant_id or self.settings.tenant_id,
            scope=" ".join(key.scopes),
            assertion=self._assertion,
            now=self._clock.wall(),
            proxy=self._proxy,
        )
        advice = advise(failure, situation)
        made = attempts.count
        suffix = "" if made == 1 else f", after {made} attempts"
        if failure.kind in _NO_CONNECTION or failure.kind is FailureKind.NO_ANSWER:
            return self._network_error(failure, advice, suffix, made)
        kind = ThrottledError if is_throttled(failure) else ExchangeError
        refused = failure.kind is FailureKind.REFUSED
        details = f"\nEntra: {failure.description}" if refused and failure.description else ""
        error = kind(
            f"{failure}{suffix}",
            details=details + (f"\nCorrelation id: {failure.correlation_id}" if failure.correlation_id else ""),
            code=failure.code,
            error=failure.error,
            http_status=failure.http_status,
            correlation_id=failure.correlation_id,
            advice=advice,
            attempts=made,
            may_heal=may_heal(failure),
        )
        if isinstance(error, ThrottledError):
            error.retry_after = failure.retry_after
        return error

    def _network_error(self, failure: Failure, advice: Advice, suffix: str, made: int) -> M365IdentityError:
        host = self.settings.authority
        connected = failure.kind is FailureKind.NO_ANSWER
        kind = NoAnswerError if connected else UnreachableError
        return kind(
            f"no {'answer from' if connected else 'connection to'} {host} ({failure}){suffix}",
            host=host,
            advice=advice,
            attempts=made,
            may_heal=may_heal(failure),
        )

    def _before_request(self, request: Any) -> None:
        silence = _silence.get()
        request.context.options.setdefault("connection_timeout", silence)
        request.context.options.setdefault("read_timeout", silence)
        # Entra takes it for its correlation id, by which Microsoft's support finds the request.
        request.http_request.headers["client-request-id"] = str(uuid.uuid4())
        if self._observer is not None:
            _request.get().began = self._clock.monotonic()

    def _after_response(self, response: Any) -> None:
        answer = response.http_response
        failure = _failures.from_answer(
            status=answer.status_code, headers=answer.headers, body=answer.content, now=self._clock.wall()
        )
        if self._observer is not None:
            request = _request.get()
            request.ended, request.failure = self._clock.monotonic(), failure
        if failure is not None:
            raise RefusedByEntra(failure)
