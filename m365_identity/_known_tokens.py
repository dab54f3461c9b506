"""Which tokens and failures a credential already knows, so that many callers make one request together."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from typing import Final, NamedTuple

from azure.core.credentials import AccessTokenInfo, TokenRequestOptions

from m365_identity.errors import M365IdentityError
from m365_identity.retry import Clock

__all__ = ["Key", "Memory", "key_of"]

_EARLY: Final = 300.0  # seconds before its end; azure-identity renews a token at that time, so it would make a request
_REST: Final = 30.0  # seconds between two attempts to renew a token that is good, as in azure-identity


class Key(NamedTuple):
    """What a token is for."""

    scopes: tuple[str, ...]
    tenant_id: str | None
    enable_cae: bool


def key_of(scopes: Sequence[str], options: TokenRequestOptions) -> Key:
    """The key of a call. Raises ValueError if no scope is given."""
    if not scopes:
        raise ValueError("a token needs at least one scope, such as graph_scope()")
    return Key(tuple(scopes), options.get("tenant_id"), bool(options.get("enable_cae")))


class _KnownToken(NamedTuple):
    token: AccessTokenInfo
    turn: int
    claims: str | None


class _KnownFailure(NamedTuple):
    error: M365IdentityError
    turn: int
    claims: str | None


class Memory:
    """The newest token and the newest failure of each key.

    azure-identity has the cache. This memory knows, without asking it, whether it would make a request: then one caller
    makes it, and the others use the token that is still good or wait for the result. Each result has a number, its
    turn: a result that came after a caller started has a higher turn than `turn` had at that start.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tokens: dict[Key, _KnownToken] = {}
        self._failures: dict[Key, _KnownFailure] = {}
        self._resting: dict[Key, float] = {}
        self._turns = itertools.count(1)
        self.turn = 0

    def fresh(self, key: Key, claims: str | None, *, since: int) -> AccessTokenInfo | None:
        """A token that needs no renewal. With claims, only a token for the same claims that came after `since`."""
        known = self._tokens.get(key)
        if known is None or not self._is_enough(key, known.token):
            return None
        if claims and (known.claims != claims or known.turn <= since):
            return None
        return known.token

    def good(self, key: Key, claims: str | None) -> AccessTokenInfo | None:
        """A token that has not expired, even if it is time to renew it."""
        known = self._tokens.get(key)
        return known.token if known and not claims and self._clock.wall() < known.token.expires_on else None

    def failure(self, key: Key, claims: str | None, *, since: int) -> M365IdentityError | None:
        """The failure that another caller met after `since`: another request would fail in the same way."""
        failed = self._failures.get(key)
        return copy.copy(failed.error) if failed and failed.turn > since and failed.claims == claims else None

    def keep(self, key: Key, claims: str | None, token: AccessTokenInfo) -> None:
        """Remembers a token, new or still good."""
        self.turn = next(self._turns)
        self._tokens[key] = _KnownToken(token, self.turn, claims)
        self._failures.pop(key, None)

    def rest(self, key: Key) -> None:
        """A renewal has failed: for a while, the token counts as fresh until its end."""
        self._resting[key] = self._clock.wall() + _REST

    def fail(self, key: Key, claims: str | None, error: M365IdentityError) -> None:
        """Remembers a failure: a copy, since the traceback of the one that is raised holds the frames of callers."""
        self.turn = next(self._turns)
        self._failures[key] = _KnownFailure(copy.copy(error), self.turn, claims)

    def _is_enough(self, key: Key, token: AccessTokenInfo) -> bool:
        now = self._clock.wall()
        if now < self._resting.get(key, 0.0):
            return now < token.expires_on
        return now < token.expires_on - _EARLY and (token.refresh_on is None or now < token.refresh_on)
