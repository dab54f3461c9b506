"""The containers that a pod may ask for in addition to its own; both run `m365-identity` (docs/helper-containers.md).

    m365-preflight         an init container that signs in, so that the pod's own start only once that works
    m365-token-endpoint    a native sidecar that speaks the managed-identity protocol of App Service on loopback

First the one that may fail, with its reason. A container that has the name of one is that one, from an earlier call.
What varies with the pod: resources (`helper_resources`), user (`helper_security`), proxies (`helper_proxies`), trusted
authorities (`helper_authorities`), the port for metrics (`helper_ports`), and where they stand (`helper_place`).
"""

from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple

from webhook.core.helper_authorities import helper_authorities
from webhook.core.helper_place import helper_place, place_warnings
from webhook.core.helper_ports import metrics_fields, metrics_warnings
from webhook.core.helper_proxies import helper_proxies
from webhook.core.helper_resources import helper_resources
from webhook.core.helper_security import helper_security
from webhook.core.identity import Identity
from webhook.core.messages import Message
from webhook.core.names import PREFLIGHT_CONTAINER, TOKEN_ENDPOINT_CONTAINER
from webhook.core.own_containers import own_containers
from webhook.core.policy import Policy

_USUAL: Final = Policy()
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


def missing_helpers(pod: Mapping[str, Any], identity: Identity, skip: Collection[str]) -> list[dict[str, Any]]:
    """The containers of `identity.helpers` that the pod does not have, without variables and mounts."""
    if not identity.helpers:
        return []
    spec, policy = pod["spec"], identity.policy or _USUAL
    present = {container.get("name") for container in spec.get("initContainers") or ()}
    own = own_containers(spec, skip, policy.helper_network_sidecars)
    resources = helper_resources(pod, policy.helper_resources)
    return [
        {
            "name": name,
            "image": identity.helper_image,
            **_OWN[name],
            **(metrics_fields(spec, identity) if name == TOKEN_ENDPOINT_CONTAINER else {}),
            **({"resources": resources} if resources else {}),
            "securityContext": helper_security(spec, own, policy.helper_security_context),
            # The reason of a failure is then in the pod's status, where people look first.
            "terminationMessagePolicy": "FallbackToLogsOnError",
        }
        for name in identity.helpers
        if name not in present
    ]


class Surroundings(NamedTuple):
    """What all helper containers of a pod have in common, beside their identity.

    env, env_from, mounts: of each container. volumes: new ones of the pod. place: how many init containers stand before
    them. size: characters that each container gets so.
    """

    env: tuple[Mapping[str, Any], ...] = ()
    env_from: tuple[Mapping[str, Any], ...] = ()
    mounts: tuple[Mapping[str, Any], ...] = ()
    volumes: tuple[Mapping[str, Any], ...] = ()
    place: int = 0
    size: int = 0
    warnings: tuple[Message, ...] = ()


NOTHING: Final = Surroundings()


def surroundings(pod: Mapping[str, Any], identity: Identity, skip: Collection[str]) -> Surroundings:
    """What the pod and the settings give to its helper containers."""
    spec, policy = pod["spec"], identity.policy or _USUAL
    sidecars = policy.helper_network_sidecars
    own = own_containers(spec, skip, sidecars)
    proxies = helper_proxies(own, policy.helper_env)
    authorities = helper_authorities(spec, own, policy.helper_env, policy.helper_authorities)
    env = (*proxies.env, *authorities.env)
    loopback = "" if spec.get("hostNetwork") else proxies.loopback  # there it is the node's
    warnings = place_warnings(pod, identity.helpers, sidecars=sidecars, loopback=loopback)
    return Surroundings(
        env=env,
        env_from=proxies.env_from,
        mounts=authorities.mounts,
        volumes=authorities.volumes,
        place=helper_place(spec, sidecars=sidecars, loopback=loopback, after=authorities.after),
        size=len(str((env, proxies.env_from))),
        warnings=(*authorities.warnings, *warnings, *metrics_warnings(spec, identity)),
    )
