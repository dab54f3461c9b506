"""The plan: each application that a cluster's ServiceAccounts name, compared with what they need; and doing it."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from webhook.core.messages import Message, message
from webhook.core.messages import plans as kinds
from webhook.entra.applications import Application, Applications, of_deleted
from webhook.entra.comparison import Change, Cluster, Item, Wanted, compare, description
from webhook.entra.failures import Failed, NotSignedIn, Refused

APPLIED: Final = frozenset({Change.CREATE, Change.UPDATE, Change.REMOVE})
"""What `apply` does."""
PRUNED: Final = frozenset({Change.PRUNE})
"""What `prune` does."""

_ROUNDS: Final = 4
_PAUSE: Final = 0.5  # seconds before the second round; doubled each time
_OVERTAKEN: Final = (400, 404, 409)  # what a run at the same time may cause


@dataclass(frozen=True)
class Part:
    """One application of the plan. application: None if the tenant does not have it. failure: why it is not known."""

    client_id: str
    wanted: tuple[Wanted, ...]
    application: Application | None = None
    items: tuple[Item, ...] = ()
    failure: Message | None = None

    @property
    def used(self) -> int:
        """How many credentials it has."""
        return sum(each.existing is not None for each in self.items)

    @property
    def name(self) -> str:
        """For people."""
        return self.application.name if self.application and self.application.name else self.client_id

    def to_do(self, changes: Collection[Change]) -> list[Item]:
        """The items of these changes."""
        return [item for item in self.items if item.change in changes]


@dataclass(frozen=True)
class Done:
    """What came of one item. failure: why it was not done, None if it was."""

    part: Part
    item: Item
    failure: Message | None = None


async def look(applications: Applications, needed: Mapping[str, Sequence[Wanted]], cluster: Cluster) -> list[Part]:
    """The plan. An application that fails does not stop the others. Raises NotSignedIn."""

    async def part(client_id: str, wanted: Sequence[Wanted]) -> Part:
        try:
            application = await applications.find(client_id)
            if application is None:
                return Part(client_id, tuple(wanted), failure=await _absence(applications, client_id))
            return await _compared(applications, application, wanted, cluster)
        except NotSignedIn:
            raise
        except Failed as error:
            return Part(client_id, tuple(wanted), failure=error.problem)

    return await asyncio.gather(*(part(client_id, wanted) for client_id, wanted in needed.items()))


async def _absence(applications: Applications, client_id: str) -> Message:
    """Why there is neither an application nor a managed identity."""
    deleted = await applications.deleted(client_id)
    return of_deleted(deleted, client_id) if deleted else message(kinds.APPLICATION_ABSENT, client=client_id)


async def perform(
    applications: Applications,
    parts: Iterable[Part],
    cluster: Cluster,
    changes: Collection[Change],
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> list[Done]:
    """Does the items of `changes`, and says what came of each. Raises NotSignedIn.

    The credentials of one application are written one after the other, as Azure Resource Manager wants it. If another
    run is faster, what is still to do is worked out again.
    """
    found = await asyncio.gather(*(_perform(applications, part, cluster, changes, sleep) for part in parts))
    return [each for group in found for each in group]


async def _perform(
    applications: Applications,
    part: Part,
    cluster: Cluster,
    changes: Collection[Change],
    sleep: Callable[[float], Awaitable[None]],
) -> list[Done]:
    application = part.application
    if application is None:
        return []
    done: list[Done] = []
    for number in range(_ROUNDS):
        failed: list[Done] = []
        overtaken = False
        for item in part.to_do(changes):
            try:
                await _do(applications, application, item, cluster)
                done.append(Done(part, item))
            except NotSignedIn:
                raise
            except Failed as error:
                overtaken |= isinstance(error, Refused) and error.status in _OVERTAKEN
                failed.append(Done(part, item, error.problem))
        if not overtaken or number == _ROUNDS - 1:
            return done + failed
        await sleep(_PAUSE * 2**number)
        try:
            part = await _compared(applications, application, part.wanted, cluster)
        except Failed as error:
            return done + [Done(part, each.item, error.problem) for each in failed]
    return done


async def _compared(
    applications: Applications, application: Application, wanted: Sequence[Wanted], cluster: Cluster
) -> Part:
    items = compare(wanted, await applications.credentials(application), cluster)
    return Part(application.client_id, tuple(wanted), application, tuple(items))


async def _do(applications: Applications, application: Application, item: Item, cluster: Cluster) -> None:
    wanted, known = item.wanted, item.existing
    if item.change in (Change.REMOVE, Change.PRUNE) and known:
        await applications.remove(application, known)
    elif item.change is Change.CREATE and wanted:
        await applications.put(application, wanted, description(wanted, None, cluster))
    elif item.change is Change.UPDATE and wanted and known:
        await applications.change(application, known, wanted, description(wanted, known, cluster))
