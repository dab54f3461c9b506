"""Who may do what in Azure: roles that are assigned to applications and users, at a scope and below it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from testbed.entra.arm.errors import ArmError
from testbed.entra.directory import Application
from testbed.entra.principals import User

__all__ = ["ROLES", "Access"]

_IDENTITIES: Final = "microsoft.managedidentity/"
ROLES: Final[Mapping[str, tuple[str, str]]] = {
    "Owner": ("", ""),
    "Contributor": ("", ""),
    "Managed Identity Contributor": ("", _IDENTITIES),
    "Managed Identity Operator": (_IDENTITIES, "nothing"),
    "Reader": ("", "nothing"),
}
"""Azure's roles, each with how the types begin that it may read, and write or delete."""


@dataclass
class Access:
    """The role assignments. An application or a user without one sees no subscription."""

    _roles: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    def grant(self, who: Application | User, role: str = "Managed Identity Contributor", *, scope: str = "/") -> None:
        """Assigns a role of `ROLES` at a scope, such as /subscriptions/ID/resourceGroups/NAME."""
        number = who.object_id if isinstance(who, Application) else who.id
        self._roles.setdefault(number, []).append((scope.lower().rstrip("/"), ROLES[role] and role))

    def may(self, number: str, action: str, scope: str) -> bool:
        """Whether the one with this object id may do an action, such as `type/write`, at a scope."""
        kind, _, verb = action.lower().rpartition("/")
        for where, role in self._roles.get(number, ()):
            begins = ROLES[role][0 if verb == "read" else 1]
            is_inside = scope.lower() == where or scope.lower().startswith(f"{where}/")
            if is_inside and f"{kind}/".startswith(begins):
                return True
        return False

    def sees(self, number: str, subscription: str) -> bool:
        """Whether the one with this object id has any role in a subscription."""
        scope = f"/subscriptions/{subscription}".lower()
        return any(not where or f"{where}/".startswith(f"{scope}/") for where, _ in self._roles.get(number, ()))

    def need(self, number: str, action: str, scope: str) -> None:
        """Raises ArmError unless the action is allowed."""
        if not self.may(number, action, scope):
            message = (
                f"The client '{number}' with object id '{number}' does not have authorization to perform action "
                f"'{action}' over scope '{scope}' or the scope is invalid. If access was recently granted, please "
                "refresh your credentials."
            )
            raise ArmError(403, "AuthorizationFailed", message)
