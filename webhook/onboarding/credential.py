"""The federated identity credential: compared, made and changed by the code of `fic apply`, for one ServiceAccount."""

from collections.abc import Sequence
from typing import Final

from webhook.core.messages import Message, message
from webhook.core.messages import onboarding as kinds
from webhook.entra.applications import APPLICATION, MANAGED_IDENTITY, Application, Applications
from webhook.entra.az_commands import command
from webhook.entra.az_commands import removal as removal_command
from webhook.entra.comparison import MOST, Change, Cluster, Existing, Item, State, Wanted, compare, description
from webhook.entra.registrations import Identity
from webhook.onboarding.desired_state import DesiredState
from webhook.onboarding.verdicts import Deed, Verdict

_STEP: Final = "credential"
_YOUNG_SECONDS: Final = 90.0  # until every server of Graph knows an application, as a rule


def holder(client: str, identity: Identity | None) -> Application:
    """Who has the credential: the application with this client id, or the managed identity."""
    if identity:
        return Application(client, identity.name, MANAGED_IDENTITY, identity.id)
    return Application(client, "", APPLICATION, f"/applications(appId='{client}')")


def wanted(desired: DesiredState) -> Wanted:
    """What the ServiceAccount needs."""
    account = f"{desired.account.namespace}/{desired.account.name}"
    return Wanted(account, desired.name, desired.issuer, desired.subject, desired.audience)


def credential(
    desired: DesiredState, of: Application, known: Sequence[Existing], applications: Applications
) -> Verdict:
    """Whether the credential is there, letter by letter; the deed that makes or changes it."""
    cluster = Cluster(desired.issuer, covers=lambda subject: subject == desired.subject)
    item = next(each for each in compare([wanted(desired)], known, cluster) if each.wanted is not None)
    if item.state is State.NO_ROOM:
        return Verdict(_STEP, message(kinds.CREDENTIALS_FULL, count=MOST, client=of.client_id))
    if item.change is Change.NOTHING:
        return Verdict(_STEP, _text(item))

    async def do() -> None:
        if item.wanted is None:
            raise ValueError("nothing is wanted")
        text = description(item.wanted, item.existing, cluster)
        if item.existing:
            await applications.change(of, item.existing, item.wanted, text)
        else:
            await applications.put(of, item.wanted, text, awaited=_YOUNG_SECONDS)

    return Verdict(_STEP, _text(item), deeds=(Deed(do, command(of, item, cluster)),))


def removal(desired: DesiredState, of: Application, known: Sequence[Existing], applications: Applications) -> Verdict:
    """The deed that removes it, if this program made it."""
    own = next((each for each in known if each.key == (desired.issuer, desired.subject) and each.is_marked), None)
    if own is None:
        return Verdict(_STEP, message(kinds.NOTHING_TO_REMOVE, what="credential"))
    found = own

    async def do() -> None:
        await applications.remove(of, found)

    text = message(kinds.REMOVED, what=f"federated identity credential {found.name}")
    return Verdict(_STEP, text, deeds=(Deed(do, removal_command(of, found)),))


def _text(item: Item) -> Message:
    made = {Change.CREATE: kinds.CREDENTIAL_CREATED, Change.UPDATE: kinds.CREDENTIAL_UPDATED}
    known = item.existing or item.wanted
    return message(made.get(item.change, kinds.CREDENTIAL_FOUND), name=known.name if known else "")
