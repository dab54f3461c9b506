"""A desired state, and what may be there."""

from typing import Any

from webhook.core import names
from webhook.core.clouds import CLOUDS
from webhook.core.identity import Account
from webhook.entra.applications import Applications
from webhook.entra.registrations import GRAPH_ID, Registration
from webhook.entra.rest import Rest
from webhook.onboarding.desired_state import DesiredState
from webhook.onboarding.permissions import Permission

CLIENT = "8f14e45f-ceea-467f-9575-6f8f3a1d2b3c"
OTHER = "99999999-ceea-467f-9575-6f8f3a1d2b3c"
TENANT = "11111111-2222-4333-8444-555555555555"
NAME = "shop-terraform-1a2b3c4d"
MARK = "1a2b3c4d"
ISSUER = "https://issuer.example.com/prod"
SUBJECT = "system:serviceaccount:shop:terraform"
GROUPS = Permission("Group.Read.All", "5b567255-7703-4780-807c-7be8301ae99b")
USERS = Permission("User.Read.All", "df021288-bdef-4463-88db-98f22de89214")


def desired(annotations: dict[str, str] | None = None, **changes: Any) -> DesiredState:
    """What is wanted for shop/terraform."""
    usual = {
        "name": NAME,
        "issuer": ISSUER,
        "subject": SUBJECT,
        "audience": "api://AzureADTokenExchange",
        "tenant": TENANT,
        "cloud": CLOUDS["public"],
        "permissions": (GROUPS,),
    }
    return DesiredState(account=Account("shop", "terraform", annotations or {}), **{**usual, **changes})


def annotated(client: str = CLIENT) -> dict[str, str]:
    """The annotation with the client id."""
    return {names.AZURE_CLIENT_ID: client}


class NoRequests:
    """Stands for what asks Entra: a decision asks nothing."""

    async def token(self, root: str) -> str:
        raise AssertionError(root)

    def forget(self, root: str) -> None:
        raise AssertionError(root)


def nothing_asked() -> Applications:
    """For verdicts that nobody acts on."""
    rest = Rest("https://graph.example.com", NoRequests(), name="Graph")
    return Applications(rest, rest)


def application(**changes: Any) -> Registration:
    """One that `onboard` made."""
    return Registration(**{"client_id": CLIENT, "name": NAME, "tags": ("m365wi", f"m365wi:{MARK}"), **changes})


def asking_for(*permissions: Permission) -> tuple[dict[str, Any], ...]:
    """An application's list of permissions."""
    return ({"resourceAppId": GRAPH_ID, "resourceAccess": [{"id": each.id, "type": "Role"} for each in permissions]},)
