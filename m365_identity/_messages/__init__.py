"""The table of messages: each error, warning and finding of the helper has a row.

    WIH0xx  usage.py        flags and arguments of the commands
    WIH1xx  settings.py     settings, variables that contradict each other, trusted authorities
    WIH2xx  token_file.py   the token file, and what the token in it says
    WIH3xx  entra.py        what Entra answers about credential, token and request, and why; uncoded.py if no known
                            code says it
            tenant.py       what it answers about application, tenant, cloud and policies
    WIH4xx  network.py      proxies, names, connections, certificates
    WIH5xx  graph.py        the tenant, the clock, the access token, Microsoft Graph

`TABLE` has them all by code. docs/messages.md is made from it. `message` has what a row is.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType, ModuleType
from typing import Final

from m365_identity._messages import entra, graph, network, settings, tenant, token_file, uncoded, usage
from m365_identity._messages.message import Kind, Message, Severity, message

__all__ = [
    "TABLE",
    "Kind",
    "Message",
    "Severity",
    "entra",
    "graph",
    "message",
    "network",
    "settings",
    "tenant",
    "token_file",
    "uncoded",
    "usage",
]


def _rows(*modules: ModuleType) -> Iterable[Kind]:
    for module in modules:
        yield from (value for value in vars(module).values() if isinstance(value, Kind))


def _table(rows: Iterable[Kind]) -> Mapping[str, Kind]:
    table: dict[str, Kind] = {}
    for row in rows:
        if table.setdefault(row.code, row) is not row:
            raise ValueError(f"{row.code} stands for two messages")
    return MappingProxyType(dict(sorted(table.items())))


TABLE: Final = _table(_rows(usage, settings, token_file, entra, tenant, uncoded, network, graph))
