"""What a person asks of a running installation, written into the Secret; the replicas do it at their next reading."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from certs import messages
from certs.authority import make_authority
from certs.constraints import permitted_names
from certs.errors import Conflict, NotFound, StoreUnavailable
from certs.managed import secret, secret_changes
from certs.managed.next_step import MOST_PREVIOUS
from certs.managed.secret import SecretState, SecretStore, StoredSecret
from certs.managed.settings import RotationSettings
from certs.messages import Problem, problem

__all__ = ["NothingToRotate", "PerhapsRotated", "rotate_authority", "rotate_leaves"]

_ATTEMPTS = 5  # against other writers: each replica writes at most a few times in a rotation
_NEXT = timedelta(seconds=1)  # the precision of the time in the Secret

_Change = Callable[[StoredSecret, SecretState], dict[str, bytes]]


class NothingToRotate(Exception):
    """It cannot be done now; `problem` is the reason."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(str(problem))


class PerhapsRotated(Exception):
    """The request was not answered, so it may have been done. The text is the reason."""


async def rotate_leaves(secrets: SecretStore, *, settings: RotationSettings) -> None:
    """Have every replica replace its leaf. Raises `NothingToRotate`, `PerhapsRotated`, a `StoreError`."""

    def change(stored: StoredSecret, state: SecretState) -> dict[str, bytes]:
        if state.current is None:
            raise NothingToRotate(problem(messages.NO_AUTHORITY, secret=settings.secret))
        now = _time(stored)
        if state.renew_leaves:  # the same time again would ask for nothing
            now = max(now, state.renew_leaves + _NEXT)
        return secret_changes.ask_for_renewal(stored, state, now=now)

    await _change(secrets, settings, change)


async def rotate_authority(secrets: SecretStore, *, settings: RotationSettings) -> None:
    """Store the next authority now. The replicas publish it, promote it and retire the one before in due time.

    Raises `NothingToRotate`, `PerhapsRotated`, a `StoreError`.
    """

    def change(stored: StoredSecret, state: SecretState) -> dict[str, bytes]:
        if state.current is None:
            raise NothingToRotate(problem(messages.NO_AUTHORITY, secret=settings.secret))
        if state.next is not None:
            raise NothingToRotate(problem(messages.ROTATION_UNDER_WAY))
        if len(state.previous) >= MOST_PREVIOUS:
            raise NothingToRotate(problem(messages.TOO_MANY_AUTHORITIES, count=len(state.previous)))
        now = _time(stored)
        authority = make_authority(
            now=now,
            lifetime=settings.authority_lifetime,
            common_name=settings.common_name,
            # The replicas may have --extra-names that this command does not know.
            names=tuple(dict.fromkeys([*settings.names, *permitted_names(state.current)])),
        )
        return secret_changes.stage(stored, state, authority, leaf_lifetime=settings.leaf_lifetime, now=now)

    await _change(secrets, settings, change)


async def _change(secrets: SecretStore, settings: RotationSettings, change: _Change) -> None:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            stored = await secrets.get()
        except NotFound:
            raise NothingToRotate(problem(messages.NO_SECRET, secret=settings.secret)) from None
        changed = change(stored, secret.read(stored, name=settings.name))
        try:
            await secrets.update(stored, changed)
        except StoreUnavailable as error:
            raise PerhapsRotated(str(error)) from None
        except Conflict:
            if attempt == _ATTEMPTS:
                raise
        else:
            return


def _time(stored: StoredSecret) -> datetime:
    """The API server's, by which the replicas go: the clock of the person who asks may be wrong."""
    return stored.date or datetime.now(UTC)
