"""The one exception that needs azure-identity, in a module of its own: importing it takes longer than all the rest."""

from azure.identity import CredentialUnavailableError

from m365_identity.errors import SettingsError

__all__ = ["NotConfiguredError"]


class NotConfiguredError(SettingsError, CredentialUnavailableError):
    """Nothing is set here to sign in with: a ChainedTokenCredential goes on to the next credential."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        CredentialUnavailableError.__init__(self, message="\n".join(problems))
        self.problems = problems
        self.missing = True
        self.summary = "; ".join(problems)
