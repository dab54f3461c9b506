"""What a person asks of a running installation, written into the Secret; the replicas do it at their next reading."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from certs.authority import make_authority
from certs.errors import Conflict, NotFound, Unavailable
from certs.managed import secret
from certs.managed.next_step import MOST_PREVIOUS
from certs.managed.secret import SecretStore, State, Stored
from certs.managed.settings import Settings

__all__ = ["NothingToRotate", "PerhapsRotated", "rotate_authority", "rotate_leaves"]

_ATTEMPTS = 5
_NEXT = timedelta(seconds=1)


class NothingToRotate(Exception):
    """Not now, and why."""


class PerhapsRotated(Exception):
    """It was asked for and not answered, so it may have been done; and why."""


async def rotate_leaves(secrets: SecretStore, *, settings: Settings) -> None:
    """Have every replica replace its leaf. Raises `NothingToRotate`, `PerhapsRotated`, a `StoreError`."""

    def change(stored: Stored, state: State) -> dict[str, bytes]:
        if state.current is None:
            raise NothingToRotate(f"Secret {settings.secret} has no authority yet")
        now = _time(stored)
        if state.renew_leaves:  # a wish like the last one would be none
            now = max(now, state.renew_leaves + _NEXT)
        return secret.renewal_asked(stored, state, now=now)

    await _change(secrets, settings, change)


async def rotate_authority(secrets: SecretStore, *, settings: Settings) -> None:
    """Store the next authority now; it is published, promoted and the one before it retired in due time.

    Raises `NothingToRotate`, `PerhapsRotated`, a `StoreError`.
    """

    def change(stored: Stored, state: State) -> dict[str, bytes]:
        if state.current is None:
            raise NothingToRotate(f"Secret {settings.secret} has no authority yet")
        if state.next is not None:
            raise NothingToRotate("a rotation is under way: the next authority waits to be trusted everywhere")
        if len(state.previous) >= MOST_PREVIOUS:
            raise NothingToRotate(f"{len(state.previous)} authorities still have leaves; wait until the first has none")
        now = _time(stored)
        authority = make_authority(now=now, lifetime=settings.authority_lifetime, common_name=settings.common_name)
        return secret.staged(stored, state, authority, leaf_lifetime=settings.leaf_lifetime, now=now)

    await _change(secrets, settings, change)


async def _change(
    secrets: SecretStore, settings: Settings, change: Callable[[Stored, State], dict[str, bytes]]
) -> None:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            stored = await secrets.get()
        except NotFound:
            raise NothingToRotate(f"Secret {settings.secret} is absent") from None
        changed = change(stored, secret.read(stored, name=settings.name))
        try:
            await secrets.update(stored, changed)
        except Unavailable as error:
            raise PerhapsRotated(str(error)) from None
        except Conflict:
            if attempt == _ATTEMPTS:
                raise
        else:
            return


def _time(stored: Stored) -> datetime:
    """The API server's, which the replicas go by: the clock of the person who asks may be wrong."""
    return stored.date or datetime.now(UTC)
