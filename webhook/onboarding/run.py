"""The steps of `onboard` in their order. Each reads, decides, does and says, so a run can stop anywhere.

A step in Entra is taken again, from the reading on, if its answer was lost, if another run was faster, or if a server
does not know yet what was made a moment ago.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from webhook.core.messages import Message, Place, message
from webhook.core.messages import onboarding as kinds
from webhook.entra.applications import Application, Applications
from webhook.entra.directory import Directory
from webhook.entra.failures import Failed, Refused
from webhook.entra.registrations import Identity, Registration
from webhook.entra.trial_sign_in import SignIn
from webhook.onboarding import account, application, credential
from webhook.onboarding.desired_state import DesiredState
from webhook.onboarding.proof import Proof, not_tried
from webhook.onboarding.requests import Requests
from webhook.onboarding.verdicts import Outcome, Verdict

_FORBIDDEN: Final = 403
_OVERTAKEN: Final = (404, 409)  # what another run, or a server that learns slowly, may cause
_WRONG: Final = 400
_PAUSES: Final = (1.0, 2.0, 4.0, 8.0, 8.0, 16.0, 16.0, 16.0)  # as long as servers learn, as a rule
_FEW: Final = 2  # rounds, if nothing is new

_T = TypeVar("_T")


class Stopped(Exception):
    """A step has failed, and was said. Nothing comes after it."""


@dataclass(frozen=True)
class InCluster:
    """What was read in the cluster. account: None if it does not exist."""

    account: Mapping[str, Any] | None
    namespace: bool


@dataclass(frozen=True)
class Tools:
    """What a run works with. say: is called with each verdict, once it is true. caller: the object id of who signed in.

    print_account: is called with the ServiceAccount as YAML, instead of applying it. proof: None to leave it out.
    authority: instead of the cloud's login host. sleep: between two rounds of a step.
    """

    directory: Directory
    applications: Applications
    requests: Requests
    say: Callable[[Verdict], None]
    proof: Proof | None = None
    print_account: Callable[[str], None] | None = None
    authority: str = ""
    caller: str = ""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class Onboarding:
    """One run for one ServiceAccount."""

    def __init__(self, desired: DesiredState, seen: InCluster, tools: Tools) -> None:
        self._wish = desired
        self._seen = seen
        self._tools = tools
        self._at = "application"  # the step that is under way
        self._new = False  # whether something is so new that not every server of Entra knows it
        self._consented = True

    async def run(self, graph: Mapping[str, Any], identity: Identity | None = None) -> None:
        """All steps. graph: the service principal of Microsoft Graph. Raises Stopped."""
        try:
            await self._steps(graph, identity)
        except Failed as error:
            self._tools.say(Verdict(self._at, error.problem))
            raise Stopped from None

    async def _steps(self, graph: Mapping[str, Any], identity: Identity | None) -> None:
        client = await self._managed(identity) if identity else await self._application()
        principal = identity.principal if identity else await self._again(lambda: self._principal(client))
        await self._again(lambda: self._consent(client, principal, str(graph["id"]), is_identity=identity is not None))
        holder = credential.holder(client, identity)
        await self._again(lambda: self._room(holder))
        annotated = await self._account(client)
        await self._again(lambda: self._credential(holder))
        await self._sign_in(client, annotated=annotated)

    async def _again(self, step: Callable[[], Awaitable[_T]]) -> _T:
        """A step, and again from the reading on while something is in its way that passes. Raises Failed."""
        for number, pause in enumerate(_PAUSES, 1):
            try:
                return await step()
            except Failed as error:
                if not self._passes(error, number):
                    raise
            await self._tools.sleep(pause)
        return await step()

    def _passes(self, error: Failed, number: int) -> bool:
        """Whether what made a step fail, in its round `number`, may be another thing in the next."""
        if error.is_open or not isinstance(error, Refused):
            return error.is_open
        # A server that does not know something new yet says that the request is wrong, as it says of one that is.
        return error.status in _OVERTAKEN or (error.status == _WRONG and (self._new or number < _FEW))

    async def _managed(self, identity: Identity) -> str:
        found = message(kinds.IDENTITY_FOUND, name=identity.name, client=identity.client)
        await self._step(application.another(self._wish, identity.client) or Verdict("identity", found))
        return identity.client

    async def _application(self) -> str:
        """The application and its permissions. Returns its client id."""
        chosen = await self._again(self._chosen)
        self._at = "permissions"
        await self._again(lambda: self._step(application.permissions(self._wish, chosen)))
        return chosen.client_id

    async def _chosen(self) -> Registration:
        """The application that is there, or a new one."""
        desired, directory = self._wish, self._tools.directory
        by_id = application.client_id(desired)
        deleted = None
        if by_id:
            one = await directory.application(by_id)
            found = [one] if one else []
            deleted = None if one else await self._tools.applications.deleted(by_id)
        else:
            found = await directory.named(desired.application or desired.name)
        verdict = application.application(desired, found, caller=self._tools.caller, deleted=deleted)
        self._new = not found
        answers = await self._step(verdict)
        return found[0] if found else application.new(verdict, str(answers["appId"]))

    async def _principal(self, client: str) -> str:
        self._at = "principal"
        found = None if _is_unknown(client) else await self._tools.directory.principal(client)
        verdict = application.principal(client, found)
        self._new = self._new or not found
        answers = await self._step(verdict)
        return str((found or answers)["id"])

    async def _consent(self, client: str, principal: str, graph: str, *, is_identity: bool) -> None:
        self._at = "consent"
        known = self._wish.permissions and not _is_unknown(principal)
        given = await self._tools.directory.assignments(principal, young=self._new) if known else []
        try:
            await self._step(application.consent(self._wish, principal, graph, given))
        except Refused as error:
            if error.status != _FORBIDDEN:
                raise
            self._consented = False
            authority = self._tools.authority or self._wish.cloud.authority
            await self._step(
                application.consent_waits(self._wish, client, authority=authority, is_identity=is_identity)
            )

    async def _room(self, holder: Application) -> None:
        """Stops before the ServiceAccount names an application that takes no more credentials."""
        self._at = "credential"
        verdict = await self._compared(holder)
        if verdict.outcome is Outcome.FAILED:
            await self._step(verdict)

    async def _credential(self, holder: Application) -> None:
        self._at = "credential"
        await self._step(await self._compared(holder))

    async def _compared(self, holder: Application) -> Verdict:
        applications = self._tools.applications
        known = [] if _is_unknown(holder.client_id) else await applications.credentials(holder)
        return credential.credential(self._wish, holder, known, applications)

    async def _account(self, client: str) -> bool:
        """Whether the ServiceAccount exists then."""
        self._at = "account"
        desired, write = self._wish, self._tools.print_account
        verdict = account.account(desired, client, self._seen.account, namespace=self._seen.namespace)
        if write is None or not verdict.calls:
            await self._step(verdict)
            return True
        write(account.yaml(desired.account, account.annotations(desired, client)))
        await self._step(Verdict("account", message(kinds.ACCOUNT_PRINTED, Place(str(desired.account)))))
        return self._seen.account is not None

    async def _sign_in(self, client: str, *, annotated: bool) -> None:
        desired, proof = self._wish, self._tools.proof
        if proof is None:
            return
        if not annotated:
            verdict = not_tried(f"{desired.account} does not exist yet", "apply it, then run the same command again")
        else:
            sign_in = SignIn(client, desired.tenant, desired.cloud, self._tools.authority, young=self._new)
            verdict = await proof.verdict(desired, sign_in, consented=self._consented)
        await self._step(verdict)

    async def _step(self, verdict: Verdict) -> Mapping[str, Any]:
        """Makes what the verdict wants, and says it. The members of the answers. Raises Stopped if it has failed."""
        answers: dict[str, Any] = {}
        for call in verdict.todo:
            answers.update(await self._tools.requests.make(call, verdict.step))
        self._tools.say(_filled(verdict, answers))
        if verdict.outcome is Outcome.FAILED:
            raise Stopped
        return answers


def _is_unknown(client: str) -> bool:
    """Whether it is a variable of the shell that is printed."""
    return client.startswith("$")


def _filled(verdict: Verdict, answers: Mapping[str, Any]) -> Verdict:
    """With what the answers say in the place of the variables."""
    known = {f"${variable}": str(answers[member]) for call in verdict.calls for variable, member in call.saves.items()}
    found = verdict.message
    values = {name: known.get(value, value) for name, value in found.values.items()}
    return replace(verdict, message=Message(found.kind, found.place, values))
