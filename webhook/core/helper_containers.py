"""The containers that a pod may ask for in addition to its own; both run `m365-identity` (docs/helper-containers.md).

    m365-preflight         an init container that signs in, so that the pod's own start only once that works
    m365-token-endpoint    a native sidecar that speaks the managed-identity protocol of App Service on loopback

They come before the user's own init containers, which may need them too: first the one that may fail, with its reason.
A container that has the name of one is that one, from an earlier call.
"""

from collections.abc import Mapping
from typing import Any, Final

from webhook.core.identity import Identity
from webhook.core.names import PREFLIGHT_CONTAINER, TOKEN_ENDPOINT_CONTAINER

# What a "restricted" namespace asks for. The user id is that of our image, whatever the pod sets for its own.
_SECURITY: Final = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsGroup": 65532,
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "seccompProfile": {"type": "RuntimeDefault"},
}
_PROBE: Final = {
    "exec": {"command": ["m365-identity", "serve", "--check"]},
    "failureThreshold": 30,
    "periodSeconds": 1,
    "timeoutSeconds": 5,
}
_OWN: Final[Mapping[str, Mapping[str, Any]]] = {
    PREFLIGHT_CONTAINER: {"command": ["m365-identity", "preflight"]},
    TOKEN_ENDPOINT_CONTAINER: {
        "command": ["m365-identity", "serve"],
        "restartPolicy": "Always",
        "startupProbe": _PROBE,
    },
}
_RESOURCES: Final = {"limits": {"memory": "128Mi"}, "requests": {"cpu": "10m", "memory": "64Mi"}}


def missing_helpers(spec: Mapping[str, Any], identity: Identity) -> list[dict[str, Any]]:
    """The containers of `identity.helpers` that the pod `spec` does not have, without variables and mount."""
    if not identity.helpers:
        return []
    present = {container.get("name") for container in spec.get("initContainers") or ()}
    return [
        {
            "name": name,
            "image": identity.helper_image,
            **_OWN[name],
            "resources": _RESOURCES,
            "securityContext": _SECURITY,
            # The reason of a failure is then in the pod's status, where people look first.
            "terminationMessagePolicy": "FallbackToLogsOnError",
        }
        for name in identity.helpers
        if name not in present
    ]
