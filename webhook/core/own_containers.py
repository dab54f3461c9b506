"""The containers of a pod by what they are: its own, those that carry its traffic, and the helper containers."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from webhook.core.names import PREFLIGHT_CONTAINER, TOKEN_ENDPOINT_CONTAINER

HELPER_NAMES: Final = frozenset({PREFLIGHT_CONTAINER, TOKEN_ENDPOINT_CONTAINER})
# Of Istio, Linkerd, Kuma and Consul. Without theirs no other container of the pod has a network.
NETWORK_SIDECARS: Final = ("istio-proxy", "linkerd-proxy", "kuma-sidecar", "consul-dataplane")


def own_containers(
    spec: Mapping[str, Any], skip: Collection[str] = (), sidecars: Collection[str] = ()
) -> list[Mapping[str, Any]]:
    """Those that do the pod's own work, init containers last. sidecars: names of more network sidecars."""
    others = {*HELPER_NAMES, *NETWORK_SIDECARS, *sidecars, *skip}
    return [each for each in all_containers(spec) if each.get("name") not in others]


def all_containers(spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """All containers of the pod, init containers last."""
    yield from spec.get("containers") or ()
    yield from spec.get("initContainers") or ()


def is_native_sidecar(container: Mapping[str, Any]) -> bool:
    """Whether an init container goes on to run; the next one starts as soon as this one has started."""
    return container.get("restartPolicy") == "Always"


def mapping(value: Any) -> Mapping[str, Any]:
    """`value` if it is an object, else an empty one: no check of the pod looks at these fields."""
    return value if isinstance(value, dict) else {}
