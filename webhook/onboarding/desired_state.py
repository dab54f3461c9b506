"""What is wanted for one ServiceAccount."""

from dataclasses import dataclass

from webhook.core import names
from webhook.core.clouds import Cloud
from webhook.core.identity import Account
from webhook.onboarding.permissions import Permission


@dataclass(frozen=True)
class DesiredState:
    """What is to be true in the end.

    name: of the credential, and of the application if it has to be made; it is another one for each ServiceAccount of
    each cluster. application: a client id or a name that the user gave, or "". tenant: a GUID. permissions: of
    Microsoft Graph.
    """

    account: Account
    name: str
    issuer: str
    subject: str
    audience: str
    tenant: str
    cloud: Cloud
    application: str = ""
    permissions: tuple[Permission, ...] = ()

    @property
    def mark(self) -> str:
        """Eight hexadecimal digits that stand for issuer and subject: the end of the name."""
        return self.name[-8:]

    @property
    def trusted(self) -> str:
        """Issuer and subject, as `Registration.federated` has them."""
        return f"{self.issuer} {self.subject}"

    @property
    def annotated(self) -> str:
        """The client id that the ServiceAccount names for Microsoft 365, or ""."""
        return annotated(self.account)


def annotated(account: Account) -> str:
    """The client id that a ServiceAccount names for Microsoft 365, or ""."""
    return account.annotations.get(annotated_by(account), "").strip()


def annotated_by(account: Account) -> str:
    """The annotation that says so, or ""."""
    return next((key for key in (names.CLIENT_ID, names.AZURE_CLIENT_ID) if account.annotations.get(key)), "")
