"""The steps of `onboard` in their order. Each reads, decides, does and says, so a run can stop anywhere."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from webhook.core.formats import is_guid
from webhook.core.messages import Message, Place, message
from webhook.core.messages import onboarding as kinds
from webhook.entra.applications import Applications
from webhook.entra.directory import Directory
from webhook.entra.failures import Failed, Refused
from webhook.entra.registrations import Identity
from webhook.entra.trial import SignIn
from webhook.onboarding import account, application, credential
from webhook.onboarding.proof import Proof, not_tried
from webhook.onboarding.requests import Requests
from webhook.onboarding.verdicts import Outcome, Verdict
from webhook.onboarding.wish import Wish

_FORBIDDEN = 403


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
    authority: instead of the cloud's login host.
    """

    directory: Directory
    applications: Applications
    requests: Requests
    say: Callable[[Verdict], None]
    proof: Proof | None = None
    print_account: Callable[[str], None] | None = None
    authority: str = ""
    caller: str = ""


class Onboarding:
    """One run for one ServiceAccount."""

    def __init__(self, wish: Wish, seen: InCluster, tools: Tools) -> None:
        self._wish = wish
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
        principal = identity.principal if identity else await self._principal(client)
        await self._consent(client, principal, str(graph["id"]), is_identity=identity is not None)
        annotated = await self._account(client)
        self._at = "credential"
        applications, holder = self._tools.applications, credential.holder(client, identity)
        known = [] if _is_unknown(client) else await applications.credentials(holder)
        await self._step(credential.credential(self._wish, holder, known, applications))
        await self._sign_in(client, annotated=annotated)

    async def _managed(self, identity: Identity) -> str:
        found = message(kinds.IDENTITY_FOUND, name=identity.name, client=identity.client)
        await self._step(application.another(self._wish, identity.client) or Verdict("identity", found))
        return identity.client

    async def _application(self) -> str:
        """The application and its permissions. Returns its client id."""
        wish, directory = self._wish, self._tools.directory
        by_id = wish.annotated or (wish.application if is_guid(wish.application) else "")
        if by_id:
            one = await directory.application(by_id)
            found = [one] if one else []
        else:
            found = await directory.named(wish.application or wish.name)
        verdict = application.application(wish, found, caller=self._tools.caller)
        answers = await self._step(verdict)
        chosen = found[0] if found else application.new(verdict, str(answers["appId"]))
        self._new = not found
        self._at = "permissions"
        await self._step(application.permissions(wish, chosen))
        return chosen.client_id

    async def _principal(self, client: str) -> str:
        self._at = "principal"
        found = None if _is_unknown(client) else await self._tools.directory.principal(client)
        verdict = application.principal(client, found)
        answers = await self._step(verdict)
        self._new = self._new or not found
        return str((found or answers)["id"])

    async def _consent(self, client: str, principal: str, graph: str, *, is_identity: bool) -> None:
        self._at = "consent"
        known = self._wish.permissions and not self._new
        given = await self._tools.directory.assignments(principal) if known else []
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

    async def _account(self, client: str) -> bool:
        """Whether the ServiceAccount exists then."""
        self._at = "account"
        wish, write = self._wish, self._tools.print_account
        verdict = account.account(wish, client, self._seen.account, namespace=self._seen.namespace)
        if write is None or not verdict.calls:
            await self._step(verdict)
            return True
        write(account.yaml(wish.account, account.annotations(wish, client)))
        await self._step(Verdict("account", message(kinds.ACCOUNT_PRINTED, Place(str(wish.account)))))
        return self._seen.account is not None

    async def _sign_in(self, client: str, *, annotated: bool) -> None:
        wish, proof = self._wish, self._tools.proof
        if proof is None:
            return
        if not annotated:
            verdict = not_tried(f"{wish.account} does not exist yet", "apply it, then run the same command again")
        else:
            sign_in = SignIn(client, wish.tenant, wish.cloud, self._tools.authority, young=self._new)
            verdict = await proof.verdict(wish, sign_in, consented=self._consented)
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
