"""What a person asks of a running installation, written into the Secret; the replicas do it at their next reading."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from certs import store
from certs.authority import make_authority
from certs.errors import Conflict, NotFound
from certs.rotation import MOST_PREVIOUS
from certs.settings import Settings
from certs.store import SecretStore, State, Stored

__all__ = ["NothingToRotate", "rotate_authority", "rotate_leafs"]

_ATTEMPTS = 5


class NothingToRotate(Exception):
    """Not now, and why."""


async def rotate_leafs(secrets: SecretStore, *, settings: Settings, now: datetime) -> None:
    """Have every replica replace its leaf. Raises `NothingToRotate`, a `StoreError`."""

    def change(stored: Stored, state: State) -> dict[str, bytes]:
        if state.current is None:
            raise NothingToRotate(f"Secret {settings.secret} has no authority yet")
        return store.renewal_asked(stored, state, now=now)

    await _change(secrets, settings, change)


async def rotate_authority(secrets: SecretStore, *, settings: Settings, now: datetime) -> None:
    """Store the next authority now; it is published, promoted and the one before it retired in due time.

    Raises `NothingToRotate`, a `StoreError`.
    """

    def change(stored: Stored, state: State) -> dict[str, bytes]:
        if state.current is None:
            raise NothingToRotate(f"Secret {settings.secret} has no authority yet")
        if state.next is not None:
            raise NothingToRotate("a rotation is under way: the next authority waits to be trusted everywhere")
        if len(state.previous) >= MOST_PREVIOUS:
            raise NothingToRotate(f"{len(state.previous)} authorities still have leafs; wait until the first has none")
        authority = make_authority(now=now, lifetime=settings.authority_lifetime, common_name=settings.common_name)
        return store.staged(stored, state, authority, leaf_lifetime=settings.leaf_lifetime, now=now)

    await _change(secrets, settings, change)


async def _change(
    secrets: SecretStore, settings: Settings, change: Callable[[Stored, State], dict[str, bytes]]
) -> None:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            stored = await secrets.get()
        except NotFound:
            raise NothingToRotate(f"Secret {settings.secret} is absent") from None
        try:
            await secrets.update(stored, change(stored, store.read(stored, name=settings.name)))
        except Conflict:
            if attempt == _ATTEMPTS:
                raise
        else:
            return
