"""What was read in the directory, as far as it matters here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

GRAPH_ID: Final = "00000003-0000-0000-c000-000000000000"
"""The client id of Microsoft Graph."""


@dataclass(frozen=True)
class Owner:
    """Who may change an application, and so sign in as it."""

    id: str
    name: str


@dataclass(frozen=True)
class Registration:
    """An application, as far as it matters here. required: its list of permissions, as Graph has it.

    owners, federated: only of applications that were found by their name; federated has issuer and subject of each
    federated identity credential, with a space between.
    """

    client_id: str
    name: str
    tags: tuple[str, ...] = ()
    required: tuple[Mapping[str, Any], ...] = ()
    secrets: int = 0
    owners: tuple[Owner, ...] = ()
    federated: tuple[str, ...] = ()


@dataclass(frozen=True)
class Identity:
    """A user-assigned managed identity. id: of the resource in Azure. principal: the object id in the directory."""

    id: str
    name: str
    client: str
    principal: str
