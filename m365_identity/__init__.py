"""A pod signs in to Microsoft 365 with its ServiceAccount's token and no secret.

    from m365_identity import WorkloadIdentityCredential, graph_scope

    with WorkloadIdentityCredential() as credential:
        token = credential.get_token(graph_scope())

`m365_identity.aio` has the same for asyncio; `m365_identity.errors` shows all errors as a tree. Modules with a leading
underscore are private. azure-identity is imported with the first token: its import takes longer than everything else.
"""

from typing import TYPE_CHECKING, Any

from m365_identity.clouds import CLOUDS, Cloud
from m365_identity.credential import WorkloadIdentityCredential
from m365_identity.errors import (
    ExchangeError,
    GraphError,
    M365IdentityError,
    NetworkError,
    NoAnswerError,
    SettingsError,
    ThrottledError,
    TokenFileError,
    UnreachableError,
)
from m365_identity.retry import Retry
from m365_identity.settings import Settings, graph_root, graph_scope

if TYPE_CHECKING:
    from m365_identity._unavailable import NotConfiguredError

__all__ = [
    "CLOUDS",
    "Cloud",
    "ExchangeError",
    "GraphError",
    "M365IdentityError",
    "NetworkError",
    "NoAnswerError",
    "NotConfiguredError",
    "Retry",
    "Settings",
    "SettingsError",
    "ThrottledError",
    "TokenFileError",
    "UnreachableError",
    "WorkloadIdentityCredential",
    "graph_root",
    "graph_scope",
]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "NotConfiguredError":
        from m365_identity._unavailable import NotConfiguredError

        return NotConfiguredError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
