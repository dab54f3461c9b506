"""The path of a request to Graph: names of collections, and keys of entities.

    /applications/{id}/federatedIdentityCredentials(name='a')  is  applications/*/federatedIdentityCredentials/*

with the keys Key("id", id) and Key("name", "a"). `/applications/{id}/owners/$ref` has one key.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

__all__ = ["Key", "parse"]

COLLECTIONS: Final = frozenset(
    name.lower()
    for name in (
        "applications",
        "servicePrincipals",
        "federatedIdentityCredentials",
        "owners",
        "appRoleAssignments",
        "appRoleAssignedTo",
        "oauth2PermissionGrants",
        "users",
        "directoryObjects",
        "deletedItems",
    )
)
"""After these names, in lower case, the next part of a path is a key."""

_KEYED: Final = re.compile(r"([A-Za-z0-9_.$]+)\((?:([A-Za-z]+)=)?'((?:[^']|'')*)'\)")


@dataclass(frozen=True)
class Key:
    """One key: of the property `by`, "id" if none is named."""

    by: str
    value: str


def parse(path: str) -> tuple[str, Sequence[Key]]:
    """The pattern of a path, in lower case with * for keys; and the keys."""
    pattern: list[str] = []
    keys: list[Key] = []
    for part in _parts(path):
        if match := _KEYED.fullmatch(part):
            name, by, value = match.groups()
            pattern += [name.lower(), "*"]
            keys.append(Key(by or "id", value.replace("''", "'")))
        elif pattern and pattern[-1] in COLLECTIONS and not part.startswith(("$", "microsoft.graph.")):
            pattern.append("*")
            keys.append(Key("id", part))
        else:
            pattern.append(part.lower())
    return "/".join(pattern), keys


def _parts(path: str) -> Sequence[str]:
    """The parts between slashes, decoded; a slash inside quotes does not count."""
    return [unquote(part) for part in re.findall(r"(?:'(?:[^']|'')*'|[^/'])+", path.replace("%27", "'"))]
