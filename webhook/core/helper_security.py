"""The security context of a helper container: always as a `restricted` namespace wants it.

Only user and group vary. The first that is set wins:

    one of the pod's own containers sets runAsUser, or the pod does     that user, and the group set with it
    the webhook's settings                                             65532 and 65532, if nothing else is set
    neither                                                            left out: the image says 65532

So the user is one that the namespace allows, if it allows the pod's own: OpenShift has a range of them for each. Root
is never taken over: if the first container runs as root, the next one counts, and last the pod.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from webhook.core.own_containers import mapping

_USER: Final = 65532  # of our image


def helper_security(
    spec: Mapping[str, Any], own: Sequence[Mapping[str, Any]], settings: Mapping[str, int]
) -> dict[str, Any]:
    """The member `securityContext` of a helper container. own: the pod's own containers."""
    of_pod = _user_and_group(mapping(spec.get("securityContext")))
    contexts = [*({**of_pod, **_user_and_group(mapping(each.get("securityContext")))} for each in own), of_pod]
    identity: Mapping[str, int] = settings
    taken = next((each for each in contexts if _is_id(each.get("runAsUser")) and each["runAsUser"]), None)
    if taken:
        identity = {key: value for key, value in taken.items() if _is_id(value)}
    elif contexts[0].get("runAsUser") == 0 and "runAsUser" not in settings:
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
