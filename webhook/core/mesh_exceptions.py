"""Whether a pod's mesh leaves its connections to Microsoft alone: by port, by network, or because it takes none."""

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any, Final

_PORT: Final = 443
_MOST: Final = 100  # entries of an annotation that are looked at
# The meshes' own names. A port may be a range of ports.
_EXCLUDED_PORTS: Final = (
    "traffic.sidecar.istio.io/excludeOutboundPorts",
    "config.linkerd.io/skip-outbound-ports",
    "traffic.kuma.io/exclude-outbound-ports",
    "consul.hashicorp.com/transparent-proxy-exclude-outbound-ports",
)
_EXCLUDED_NETWORKS: Final = (
    "traffic.sidecar.istio.io/excludeOutboundIPRanges",
    "config.linkerd.io/skip-subnets",
    "traffic.kuma.io/exclude-outbound-ips",
    "consul.hashicorp.com/transparent-proxy-exclude-outbound-cidrs",
)
_EVERYTHING: Final = "0.0.0.0/0"
_ALONE: Final = "traffic.sidecar.istio.io/includeOutboundIPRanges"  # no other network
_WHATEVER_NETWORK: Final = "traffic.sidecar.istio.io/includeOutboundPorts"
_NOT_TAKEN: Final = {
    ("sidecar.istio.io/interceptionMode", "NONE"),
    ("consul.hashicorp.com/transparent-proxy", "false"),
}


def reaches_past_the_mesh(pod: Mapping[str, Any]) -> bool:
    """Whether the mesh leaves connections to Microsoft alone."""
    annotations: Mapping[str, str] = (pod.get("metadata") or {}).get("annotations") or {}
    if (pod.get("spec") or {}).get("hostNetwork") or not _NOT_TAKEN.isdisjoint(annotations.items()):
        return True
    if any(_has_port(annotations.get(key)) for key in _EXCLUDED_PORTS):
        return True
    if any(_EVERYTHING in _entries(annotations.get(key)) for key in _EXCLUDED_NETWORKS):
        return True
    ports = annotations.get(_WHATEVER_NETWORK)
    if _ALONE not in annotations or ports == "*" or _has_port(ports):
        return False
    return all(map(_is_private, _entries(annotations[_ALONE])))


def _entries(text: str | None) -> list[str]:
    found = (text or "").split(",", _MOST)
    # What is not looked at may be anything.
    return [each for each in map(str.strip, found[:_MOST]) if each] + ["*"] * (len(found) > _MOST)


def _has_port(text: str | None) -> bool:
    return any(_covers(each.split("-")) for each in _entries(text))


def _covers(bounds: Iterable[str]) -> bool:
    numbers = [int(each) if each.isascii() and each.isdigit() and len(each) <= 5 else -1 for each in bounds]
    return len(numbers) <= 2 and 0 <= numbers[0] <= _PORT <= numbers[-1]


def _is_private(network: str) -> bool:
    """Whether nothing of Microsoft's is in it."""
    try:
        return ipaddress.ip_network(network, strict=False).is_private
    except ValueError:
        return False
