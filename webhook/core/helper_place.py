"""Where among the init containers the helper containers stand: at the front, but behind what they need.

    a native sidecar that carries the pod's traffic, such as Istio's    behind it: it opens the network
    a proxy of theirs is in the pod itself                              behind the last native sidecar
    their authorities come from a volume that an init container fills   behind that container
    otherwise                                                           first, so that all others can rely on them

In front of a network sidecar connections are refused, if a CNI plugin redirects them from the pod's first moment. A
mesh whose proxy is an ordinary container then gives init containers no network at all, so the user is warned. If an
init container of the mesh begins to redirect, `m365-preflight` comes before that one and needs no mesh.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

from webhook.core.mesh_exceptions import reaches_past_the_mesh
from webhook.core.messages import Message, Place, message
from webhook.core.messages.pods import PREFLIGHT_BEFORE_MESH, PREFLIGHT_BEFORE_PROXY
from webhook.core.names import PREFLIGHT_CONTAINER
from webhook.core.own_containers import HELPER_NAMES, carries_traffic, is_native_sidecar

# What redirects the pod's traffic when its turn comes, and not from the pod's first moment as a CNI plugin does.
_REDIRECTS: Final = frozenset({"istio-init", "linkerd-init", "kuma-init", "consul-connect-inject-init"})


def helper_place(
    spec: Mapping[str, Any], *, sidecars: Collection[str] = (), loopback: str = "", after: str = ""
) -> int:
    """How many init containers stand before the helpers.

    sidecars: names of more network sidecars. loopback: the variable that names a proxy in the pod. after: the container
    that fills their volume.
    """
    place = 0
    for index, container in enumerate(spec.get("initContainers") or (), start=1):
        name = container.get("name")
        if name in HELPER_NAMES:
            continue
        native = is_native_sidecar(container)
        if (native and (loopback or carries_traffic(container, sidecars))) or (after and name == after):
            place = index
    return place


def place_warnings(
    pod: Mapping[str, Any], helpers: Collection[str], *, sidecars: Collection[str] = (), loopback: str = ""
) -> list[Message]:
    """What keeps preflight from its network although it stands where it stands."""
    if PREFLIGHT_CONTAINER not in helpers:
        return []
    spec = pod["spec"]
    init = spec.get("initContainers") or ()
    found = []
    late = next((each.get("name") for each in spec["containers"] if carries_traffic(each, sidecars)), None)
    redirected_later = any(each.get("name") in _REDIRECTS for each in init)
    if late is not None and not redirected_later and not reaches_past_the_mesh(pod):
        found.append(message(PREFLIGHT_BEFORE_MESH, Place.of_container(late), helper=PREFLIGHT_CONTAINER))
    if loopback and not any(is_native_sidecar(each) for each in init):
        found.append(message(PREFLIGHT_BEFORE_PROXY, variable=loopback, helper=PREFLIGHT_CONTAINER))
    return found
