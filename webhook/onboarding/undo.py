"""The steps of `offboard` in their order. What says which application it is, the ServiceAccount, goes last."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from webhook.core.formats import is_guid
from webhook.core.messages import message
from webhook.core.messages import onboarding as kinds
from webhook.entra.applications import Application, Applications
from webhook.entra.directory import Directory
from webhook.entra.failures import Failed
from webhook.entra.registrations import Identity, Registration
from webhook.onboarding import credential, removal
from webhook.onboarding.permissions import every
from webhook.onboarding.requests import Requests
from webhook.onboarding.run import Stopped
from webhook.onboarding.verdicts import Verdict
from webhook.onboarding.wish import Wish


@dataclass(frozen=True)
class Offboarding:
    """One run. requests: None if nothing is to be done, and only said. say: is called with each verdict."""

    wish: Wish
    directory: Directory
    applications: Applications
    requests: Requests | None
    say: Callable[[Verdict], None]

    async def run(self, account: Mapping[str, Any] | None, pods: Sequence[str], identity: Identity | None) -> None:
        """All steps. account: as the API server has it. pods: that use it. Raises Stopped."""
        step = "application"
        try:
            if identity:
                await self._of_identity(identity)
            else:
                await self._of_application()
            step = "account"
            await self._step(removal.account(self.wish.account, account, pods))
        except Failed as error:
            self.say(Verdict(step, error.problem))
            raise Stopped from None

    async def _of_identity(self, identity: Identity) -> None:
        await self._credential(credential.holder(identity.client, identity))
        what = f'managed identity "{identity.name}" ({identity.client})'
        why = "it was there before; so do its app roles of Microsoft Graph, which do not say who gave them"
        await self._step(Verdict("identity", message(kinds.KEPT, what=what, why=why)))

    async def _of_application(self) -> None:
        found = await self._found()
        if found is None:
            await self._step(Verdict("application", message(kinds.NOTHING_TO_REMOVE, what="application")))
            return
        wish = self.wish
        why = removal.why_kept(found, wish.mark, wish.trusted)
        if not why:
            await self._step(removal.application(found))
            return
        await self._credential(credential.holder(found.client_id, None))
        await self._permissions(found)
        await self._step(removal.kept(found, why))

    async def _credential(self, holder: Application) -> None:
        known = await self.applications.credentials(holder)
        await self._step(credential.removal(self.wish, holder, known, self.applications))

    async def _permissions(self, found: Registration) -> None:
        graph = await self.directory.graph()
        principal = await self.directory.principal(found.client_id)
        given = await self.directory.assignments(str(principal["id"])) if principal else []
        await self._step(removal.permissions(found, self.wish.mark, every(graph), given, str(graph["id"])))

    async def _found(self) -> Registration | None:
        """The application that the ServiceAccount names, or that was given, or that was made for it."""
        wish = self.wish
        by_id = wish.annotated or (wish.application if is_guid(wish.application) else "")
        if by_id:
            return await self.directory.application(by_id, whole=True)
        found = await self.directory.named(wish.application or wish.name)
        return found[0] if len(found) == 1 else None

    async def _step(self, verdict: Verdict) -> None:
        if self.requests is None:
            self.say(removal.planned(verdict))
            return
        for call in verdict.todo:
            await self.requests.make(call, verdict.step)
        self.say(verdict)
