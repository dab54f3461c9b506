"""How an administrator consents to the application's permissions."""

from m365_identity.clouds import CLOUDS
from m365_identity.settings import Settings

__all__ = ["consent"]


def consent(settings: Settings) -> str:
    """A command, or, in other clouds than the public one, where az has none, the page of the login host."""
    if settings.cloud.authority == CLOUDS["public"].authority:
        return f"az ad app permission admin-consent --id {settings.client_id}"
    page = f"{settings.authority}{settings.tenant_id}/adminconsent?client_id={settings.client_id}"
    return f"as an administrator, open {page}"
