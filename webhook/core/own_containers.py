"""The containers of a pod by what they are: its own, those that carry its traffic, and the helper containers."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from webhook.core.names import PREFLIGHT_CONTAINER, TOKEN_ENDPOINT_CONTAINER

HELPER_NAMES: Final = frozenset({PREFLIGHT_CONTAINER, TOKEN_ENDPOINT_CONTAINER})
# Of Istio, Linkerd, Kuma and Consul. Without theirs no other container of the pod has a network.
_NETWORK_SIDECARS: Final = frozenset({"istio-proxy", "linkerd-proxy", "kuma-sidecar", "consul-dataplane"})
# Their images, whatever registry they come from, for a container of another name: Consul gives one to each service.
_NETWORK_IMAGE: Final = re.compile(
    r"(.*/)?((proxyv2|kuma-dp|consul-dataplane)(-[\w.-]+)?|(linkerd|buoyantio)/proxy)([:@].*)?"
)
_LONGEST_IMAGE: Final = 1000  # characters that are looked at


def own_containers(
    spec: Mapping[str, Any], skip: Collection[str] = (), sidecars: Collection[str] = ()
) -> list[Mapping[str, Any]]:
    """Those that do the pod's own work, init containers last. sidecars: names of more network sidecars."""
    others = {*HELPER_NAMES, *skip}
    return [
        each for each in all_containers(spec) if each.get("name") not in others and not carries_traffic(each, sidecars)
    ]


def all_containers(spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """All containers of the pod, init containers last."""
    yield from spec.get("containers") or ()
    yield from spec.get("initContainers") or ()


def carries_traffic(container: Mapping[str, Any], sidecars: Collection[str] = ()) -> bool:
    """Whether it is the proxy of a mesh, by its name or its image. sidecars: more names."""
    name, image = container.get("name"), container.get("image")
    if name in _NETWORK_SIDECARS or name in sidecars:
        return True
    return isinstance(image, str) and len(image) <= _LONGEST_IMAGE and bool(_NETWORK_IMAGE.fullmatch(image))


def is_native_sidecar(container: Mapping[str, Any]) -> bool:
    """Whether an init container goes on to run; the next one starts as soon as this one has started."""
    return container.get("restartPolicy") == "Always"


def is_set(entry: Mapping[str, Any] | None) -> bool:
    """Whether an entry of `env` is there and has a value, known here or not."""
    return entry is not None and ("valueFrom" in entry or bool(entry.get("value")))


def mapping(value: Any) -> Mapping[str, Any]:
    """`value` if it is an object, else an empty one: no check of the pod looks at these fields."""
    return value if isinstance(value, dict) else {}
