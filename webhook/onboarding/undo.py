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
from webhook.onboarding.desired_state import DesiredState
from webhook.onboarding.permissions import every
from webhook.onboarding.requests import Requests
from webhook.onboarding.run import Stopped
from webhook.onboarding.verdicts import Verdict


@dataclass(frozen=True)
class Seen:
    """What the cluster has.

    account: None if it does not exist. namespace: whether it exists. pods: that use the account. meant: the name that
    is most like that of the namespace or the account that does not exist, or "". now: the issuer of the cluster, if the
    run is about one that it had before, else "".
    """

    account: Mapping[str, Any] | None
    namespace: bool
    pods: Sequence[str] = ()
    meant: str = ""
    now: str = ""


@dataclass(frozen=True)
class Offboarding:
    """One run. requests: None if nothing is to be done, and only said. say: is called with each verdict."""

    desired: DesiredState
    directory: Directory
    applications: Applications
    requests: Requests | None
    say: Callable[[Verdict], None]

    async def run(self, seen: Seen, identity: Identity | None) -> None:
        """All steps. Raises Stopped."""
        step = "application"
        try:
            found = True
            if identity:
                await self._of_identity(identity)
            else:
                found = await self._of_application(is_former=bool(seen.now))
            step = "account"
            await self._step(self._account(seen, found=found))
        except Failed as error:
            self.say(Verdict(step, error.problem))
            raise Stopped from None

    def _account(self, seen: Seen, *, found: bool) -> Verdict:
        """What becomes of the ServiceAccount. found: whether Entra has anything of it. Raises Failed."""
        account = self.desired.account
        if not seen.namespace and not found:
            meant = f"; did you mean {seen.meant}?" if seen.meant else ""
            raise Failed(message(kinds.NAMESPACE_ABSENT, namespace=account.namespace, meant=meant))
        if seen.account and seen.now:
            why = f"it belongs to the cluster as it is now, whose issuer is {seen.now}"
            return Verdict("account", message(kinds.KEPT, what=str(account), why=why))
        return removal.account(account, seen.account, seen.pods, seen.meant)

    async def _of_identity(self, identity: Identity) -> None:
        await self._credential(credential.holder(identity.client, identity))
        what = f'managed identity "{identity.name}" ({identity.client})'
        why = "it was there before; so do its app roles of Microsoft Graph, which do not say who gave them"
        await self._step(Verdict("identity", message(kinds.KEPT, what=what, why=why)))

    async def _of_application(self, *, is_former: bool) -> bool:
        """Whether there is one."""
        found = await self._found(is_former=is_former)
        if found is None:
            await self._step(Verdict("application", message(kinds.NOTHING_TO_REMOVE, what="application")))
            return False
        desired = self.desired
        why = removal.why_kept(found, desired.mark, desired.trusted)
        if not why:
            await self._step(removal.application(found))
            return True
        await self._credential(credential.holder(found.client_id, None))
        await self._permissions(found)
        await self._step(removal.kept(found, why))
        return True

    async def _credential(self, holder: Application) -> None:
        known = await self.applications.credentials(holder)
        await self._step(credential.removal(self.desired, holder, known, self.applications))

    async def _permissions(self, found: Registration) -> None:
        graph = await self.directory.graph()
        principal = await self.directory.principal(found.client_id)
        given = await self.directory.assignments(str(principal["id"])) if principal else []
        await self._step(removal.permissions(found, self.desired.mark, every(graph), given, str(graph["id"])))

    async def _found(self, *, is_former: bool) -> Registration | None:
        """The application that the ServiceAccount names, or that was given, or that was made for it.

        is_former: whether it was made for a former issuer; then the ServiceAccount may name another one by now.
        """
        desired = self.desired
        given = desired.application if is_guid(desired.application) else ""
        if is_former and not given:
            named = await self.directory.named(desired.application or desired.name)
            if len(named) == 1:
                return named[0]
        by_id = given or desired.annotated if is_former else desired.annotated or given
        if by_id:
            return await self.directory.application(by_id, whole=True)
        found = await self.directory.named(desired.application or desired.name)
        return found[0] if len(found) == 1 else None

    async def _step(self, verdict: Verdict) -> None:
        if self.requests is None:
            self.say(removal.planned(verdict))
            return
        for call in verdict.todo:
            await self.requests.make(call, verdict.step)
        self.say(verdict)
