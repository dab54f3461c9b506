"""What can go wrong, as one tree. Each is also an exception that users of the Azure SDKs catch already:

    M365IdentityError
    ├── SettingsError          ValueError: settings that are missing or make no sense, all at once
    │   └── NotConfiguredError + azure.identity.CredentialUnavailableError: nothing here to sign in with, so that a
    │                          ChainedTokenCredential tries the next one
    ├── TokenFileError         ClientAuthenticationError: the token file is missing, unreadable or not a token
    ├── ExchangeError          ClientAuthenticationError: Entra did not give a token
    │   └── ThrottledError     it got too many requests
    ├── NetworkError           ClientAuthenticationError: no answer came
    │   ├── UnreachableError   + ServiceRequestError: no connection (DNS, refused, proxy, TLS)
    │   └── NoAnswerError      + ServiceResponseError: connected, and then silence or a cut
    ├── GraphError             HttpResponseError: Graph refused a request of the commands
    └── EventLoopError         RuntimeError: the credential for asyncio is used in a second event loop

A failure that was tried again here is a ClientAuthenticationError: the retry policy of an Azure SDK client lets those
pass, and repeats any other AzureError, which would multiply its attempts with those made here.

Each text has one form: a line with what happened and what it means, which is `summary`, and the code of the message;
then the likely causes, and the fix. docs/messages.md lists the codes.

No exception holds a token, in its text, its attributes, its cause or its context. Each can be copied and pickled.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)

from m365_identity._messages import Message

__all__ = [
    "Advice",
    "EventLoopError",
    "ExchangeError",
    "GraphError",
    "M365IdentityError",
    "NetworkError",
    "NoAnswerError",
    "SettingsError",
    "ThrottledError",
    "TokenFileError",
    "UnreachableError",
]


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What a failure means; its likely causes, the likeliest first; and the fix, with the user's own values.

    code: of the message, as in docs/messages.md.
    """

    code: str
    meaning: str
    causes: tuple[str, ...] = ()
    fix: str

    @property
    def remedy(self) -> str:
        """Causes and fix, as lines of plain text."""
        causes = [f"  {number}. {cause}" for number, cause in enumerate(self.causes, 1)]
        return "\n".join([*(["Likely causes:", *causes] if causes else []), f"Fix: {self.fix}"])


class M365IdentityError(Exception):
    """Signing in did not work.

    advice: what it means, the likely causes and the fix, if there is any. summary: one line, what happened and what it
    means. codes: of the messages, as in docs/messages.md. may_heal: whether the same call may work after a while, with
    nothing changed here.
    """

    advice: Advice | None = None
    summary: str = ""
    codes: tuple[str, ...] = ()
    may_heal: bool = False

    def _explain(self, happened: str, advice: Advice, details: str = "") -> str:
        """The whole text; sets `advice`, `summary` and `codes`."""
        self.advice = advice
        self.summary = f"{happened}: {advice.meaning}"
        self.codes = (advice.code,)
        return f"{self.summary} [{advice.code}]\n{advice.remedy}{details}"

    def __reduce__(self) -> tuple[Any, ...]:
        state = {name: value for name, value in self.__dict__.items() if name != "exc_traceback"}
        return _rebuilt, (type(self), self.args, state)


def _rebuilt(kind: type[M365IdentityError], args: tuple[Any, ...], state: dict[str, Any]) -> M365IdentityError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state, exc_traceback=None)
    return error


class SettingsError(M365IdentityError, ValueError):
    """Settings that are missing or make no sense; `problems` has a line for each.

    missing: whether all of the problems are settings that are not set.
    """

    def __init__(self, messages: Iterable[Message], *, missing: bool = False) -> None:
        self._messages = tuple(messages)
        self.problems = tuple(each.text for each in self._messages)
        self.codes = tuple(each.code for each in self._messages)
        self.missing = missing
        self.summary = "; ".join(self.problems)
        super().__init__("\n".join(map(str, self._messages)))


class EventLoopError(M365IdentityError, RuntimeError):
    """The credential of `m365_identity.aio` is used in one event loop, and has connections of another."""

    def __init__(self, found: Message) -> None:
        advice = Advice(code=found.code, meaning=found.text, causes=found.causes, fix=found.fix)
        self.advice = advice
        self.summary = found.text
        self.codes = (found.code,)
        super().__init__(f"{found}\n{advice.remedy}")


class TokenFileError(M365IdentityError, ClientAuthenticationError):
    """The token file cannot be used: `reason` says why in a few words, `path` which file."""

    reason: str

    def __init__(self, path: Path, reason: str, advice: Advice) -> None:
        super().__init__(message=self._explain(f"token file {path} {reason}", advice))
        self.path = path
        self.reason = reason


class ExchangeError(M365IdentityError, ClientAuthenticationError):
    """Entra did not exchange the token for an access token.

    code: the AADSTS number, None if Entra sent none. error: OAuth's word, such as "invalid_client", or "".
    http_status: of the answer. correlation_id: what Microsoft's support asks for, or "". attempts: how many requests
    were made. Branch on `error` and `http_status`: Microsoft may change the codes.
    """

    error: str  # type: ignore[assignment]  # azure-core keeps an OData body here, which a token endpoint never sends

    def __init__(
        self,
        happened: str,
        *,
        details: str = "",
        code: int | None,
        error: str,
        http_status: int,
        correlation_id: str,
        advice: Advice,
        attempts: int = 1,
        may_heal: bool = False,
    ) -> None:
        super().__init__(message=self._explain(happened, advice, details))
        self.may_heal = may_heal
        self.code = code
        self.error = error
        self.http_status = self.status_code = http_status
        self.correlation_id = correlation_id
        self.attempts = attempts


class ThrottledError(ExchangeError):
    """Entra got too many requests. retry_after: seconds until it wants the next one, None if it did not say."""

    retry_after: float | None = None


class NetworkError(M365IdentityError, ClientAuthenticationError):
    """No answer came from `host`. attempts: how many there were."""

    def __init__(self, happened: str, *, host: str, advice: Advice, attempts: int = 1, may_heal: bool = False) -> None:
        super().__init__(message=self._explain(happened, advice))
        self.may_heal = may_heal
        self.host = host
        self.attempts = attempts


class UnreachableError(NetworkError, ServiceRequestError):
    """No connection was made: unknown host, refused, timed out, the proxy, or a certificate that is not trusted."""


class NoAnswerError(NetworkError, ServiceResponseError):
    """A connection was made, but no complete answer came over it in time."""


class GraphError(M365IdentityError, HttpResponseError):
    """Graph's answer is an error, or not Graph's.

    code: Graph's word, such as "Authorization_RequestDenied", or "". request_id: what Microsoft's support asks for.
    """

    def __init__(
        self,
        happened: str,
        *,
        details: str = "",
        http_status: int,
        code: str,
        request_id: str,
        advice: Advice,
        may_heal: bool = False,
    ) -> None:
        super().__init__(message=self._explain(happened, advice, details))
        self.may_heal = may_heal
        self.http_status = self.status_code = http_status
        self.code = code
        self.request_id = request_id
