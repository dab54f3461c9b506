"""Application permissions of Microsoft Graph, by their names."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from webhook.core.messages import Message
from webhook.settings import bad_value

_FLAG: Final = "--permission"
_EXAMPLE: Final = "Group.Read.All"


@dataclass(frozen=True)
class Permission:
    """An app role of Microsoft Graph. id: a GUID, the same in all tenants of a cloud."""

    name: str
    id: str


class UnknownPermissions(ValueError):
    """Names that are not application permissions; `problems` has a message for each."""

    def __init__(self, problems: Iterable[Message]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def resolve(wanted: Iterable[str], graph: Mapping[str, Any]) -> tuple[Permission, ...]:
    """The permissions with these names, each once. graph: the service principal of Microsoft Graph.

    Raises UnknownPermissions with every wrong name.
    """
    known = {each.name: each for each in every(graph)}
    delegated = {scope.get("value") for scope in graph.get("oauth2PermissionScopes") or ()}
    wanted = [*dict.fromkeys(wanted)]
    problems = [
        bad_value(_FLAG, name, _expected(name, known, delegated=name in delegated))
        for name in wanted
        if name not in known
    ]
    if problems:
        raise UnknownPermissions(problems)
    return tuple(known[name] for name in wanted)


def every(graph: Mapping[str, Any]) -> tuple[Permission, ...]:
    """All application permissions of Microsoft Graph. graph: its service principal."""
    return tuple(
        Permission(role["value"], role["id"])
        for role in graph.get("appRoles") or ()
        if role.get("value") and role.get("isEnabled", True) and "Application" in role.get("allowedMemberTypes", ())
    )


def listed(permissions: Iterable[Permission]) -> str:
    """Their names, for a sentence."""
    return ", ".join(each.name for each in permissions)


def _expected(name: str, known: Iterable[str], *, delegated: bool) -> str:
    near = [*_near(name, known)]
    meant = f": did you mean {' or '.join(near)}?" if near else f", such as {_EXAMPLE}"
    if delegated:
        return f"an application permission of Microsoft Graph (this one is for people who sign in){meant}"
    return f"an application permission of Microsoft Graph{meant}"


def _near(name: str, known: Iterable[str]) -> Iterator[str]:
    """The likeliest names, at most two."""
    by_lower = {each.lower(): each for each in known}
    if name.lower() in by_lower:
        yield by_lower[name.lower()]
        return
    for each in difflib.get_close_matches(name.lower(), by_lower, n=2, cutoff=0.75):
        yield by_lower[each]
