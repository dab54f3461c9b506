"""A pod signs in to Microsoft 365 with its ServiceAccount's token and no secret.

    from m365_identity import WorkloadIdentityCredential, graph_scope

    with WorkloadIdentityCredential() as credential:
        token = credential.get_token(graph_scope())

`m365_identity.aio` has the same for asyncio, `m365_identity.metrics` counts; `m365_identity.errors` shows all errors as
a tree. Modules with a leading underscore are private. azure-identity is imported with the first token: its import takes
longer than everything else.
"""

from __future__ import annotations

TYPE_CHECKING = (
    False  # without importing typing: the command handles signals first, and this module is imported before it
)
if TYPE_CHECKING:
    from typing import Any

    from m365_identity._unavailable import NotConfiguredError
    from m365_identity.clouds import CLOUDS, Cloud
    from m365_identity.credential import WorkloadIdentityCredential
    from m365_identity.errors import (
        EventLoopError,
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

__all__ = [
    "CLOUDS",
    "Cloud",
    "EventLoopError",
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


# Each name of __all__ is imported when it is first used.
_MODULES = {
    "CLOUDS": "clouds",
    "Cloud": "clouds",
    "NotConfiguredError": "_unavailable",
    "Retry": "retry",
    "Settings": "settings",
    "WorkloadIdentityCredential": "credential",
    "graph_root": "settings",
    "graph_scope": "settings",
}
# Modules that `import m365_identity` makes known.
_KNOWN = ("clouds", "credential", "errors", "retry", "settings")  # not `metrics`, which needs prometheus-client


def __getattr__(name: str) -> Any:
    if name not in __all__ and name not in _KNOWN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    if name in _KNOWN:
        return importlib.import_module(f"{__name__}.{name}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULES.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_KNOWN})
