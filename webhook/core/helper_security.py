"""The security context of a helper container: always as a `restricted` namespace wants it.

Only user and group vary. The first that is set wins:

    the first of the pod's own containers sets runAsUser, or the pod does     that user, and the group set with it
    the webhook's settings                                                   65532 and 65532, if nothing else is set
    neither                                                                  left out: the image says 65532

So the user is one that the namespace allows, if it allows the pod's own: OpenShift has a range of them for each. Root
is never taken over.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from webhook.core.own_containers import mapping

_USER: Final = 65532  # of our image


def helper_security(
    spec: Mapping[str, Any], own: Sequence[Mapping[str, Any]], settings: Mapping[str, int]
) -> dict[str, Any]:
    """The member `securityContext` of a helper container. own: the pod's own containers."""
    of_pod = mapping(spec.get("securityContext"))
    of_container = mapping(own[0].get("securityContext")) if own else {}
    both = {**_user_and_group(of_pod), **_user_and_group(of_container)}
    user = both.get("runAsUser")
    identity: Mapping[str, int] = settings
    if _is_id(user) and user:
        identity = {key: value for key, value in both.items() if _is_id(value)}
    elif user == 0 and "runAsUser" not in settings:
        identity = {**settings, "runAsUser": _USER}
    context = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsGroup": identity.get("runAsGroup"),
        "runAsNonRoot": True,
        "runAsUser": identity.get("runAsUser"),
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    return {key: value for key, value in context.items() if value is not None}


def _user_and_group(context: Mapping[str, Any]) -> dict[str, Any]:
    return {key: context[key] for key in ("runAsUser", "runAsGroup") if context.get(key) is not None}


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
