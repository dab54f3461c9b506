"""Names of Graph's application permissions."""

from typing import Any

import pytest

from webhook.onboarding.permissions import UnknownPermissions, resolve


def role(name: str, **changes: Any) -> dict[str, Any]:
    return {"value": name, "id": f"id of {name}", "isEnabled": True, "allowedMemberTypes": ["Application"], **changes}


GRAPH = {
    "appRoles": [
        role("Group.Read.All"),
        role("Group.ReadWrite.All"),
        role("User.Read.All"),
        role("Old.Read.All", isEnabled=False),
        role("Assigned", allowedMemberTypes=["User"]),
    ],
    "oauth2PermissionScopes": [{"value": "User.Read"}, {"value": "User.Read.All"}],
}


def test_each_name_is_found_once_in_the_order_given() -> None:
    found = resolve(["User.Read.All", "Group.Read.All", "User.Read.All"], GRAPH)
    assert [each.name for each in found] == ["User.Read.All", "Group.Read.All"]
    assert found[0].id == "id of User.Read.All"


def test_all_wrong_names_are_reported_at_once_with_the_nearest() -> None:
    """Another spelling, a typing mistake, one for people, one that is off, and one that is like nothing."""
    with pytest.raises(UnknownPermissions) as raised:
        resolve(
            ["group.read.all", "Group.Reed.All", "User.Read", "Old.Read.All", "Group.Read.All", "Nonsense", "Assigned"],
            GRAPH,
        )
    texts = [problem.text for problem in raised.value.problems]
    assert len(texts) == 6
    assert texts[0].endswith("did you mean Group.Read.All?")
    assert "did you mean Group.Read.All" in texts[1]
    assert "for people who sign in" in texts[2]
    assert texts[4].endswith("such as Group.Read.All")
