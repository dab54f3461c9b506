"""The one exception that needs azure-identity, in a module of its own: its import takes longer than all the rest."""

from collections.abc import Iterable

from azure.identity import CredentialUnavailableError

from m365_identity._messages import Message
from m365_identity.errors import SettingsError

__all__ = ["NotConfiguredError"]


class NotConfiguredError(SettingsError, CredentialUnavailableError):
    """Settings to sign in with are missing: a ChainedTokenCredential goes on to the next credential."""

    def __init__(self, messages: Iterable[Message]) -> None:
        SettingsError.__init__(self, messages, missing=True)
        CredentialUnavailableError.__init__(self, message="\n".join(map(str, self._messages)))
