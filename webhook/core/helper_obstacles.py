"""Why a helper container cannot run in a pod."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from webhook.core import names
from webhook.core.messages import Kind
from webhook.core.messages import annotations as kinds
from webhook.core.own_containers import mapping
from webhook.core.policy import Policy

_WINDOWS: Final = "windows"
_SYSTEM_LABELS: Final = ("kubernetes.io/os", "beta.kubernetes.io/os")


def helper_obstacle(key: str, container: str, spec: Mapping[str, Any], policy: Policy) -> Kind | None:
    """Why a helper container cannot run in the pod `spec`, or None."""
    if not policy.helper_image:
        return kinds.HELPER_WITHOUT_IMAGE
    if _is_windows(spec):
        return kinds.HELPER_ON_WINDOWS
    if key == names.TOKEN_ENDPOINT and spec.get("hostNetwork"):
        return kinds.HELPER_ON_HOST_NETWORK
    if any(each.get("name") == container for each in spec["containers"]):
        return kinds.HELPER_NAME_TAKEN
    return None


def _is_windows(spec: Mapping[str, Any]) -> bool:
    """Whether the pod can run on nodes with Windows only."""
    selector = mapping(spec.get("nodeSelector"))
    if _WINDOWS in (mapping(spec.get("os")).get("name"), *(selector.get(label) for label in _SYSTEM_LABELS)):
        return True
    if mapping(mapping(spec.get("securityContext")).get("windowsOptions")).get("hostProcess") is True:
        return True
    terms = [*_node_terms(spec)]
    return bool(terms) and all(_is_for_windows(term) for term in terms)


def _node_terms(spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What the pod's affinity demands of its node: one of these."""
    affinity = mapping(mapping(spec.get("affinity")).get("nodeAffinity"))
    terms = mapping(affinity.get("requiredDuringSchedulingIgnoredDuringExecution")).get("nodeSelectorTerms")
    yield from map(mapping, terms if isinstance(terms, list) else ())


def _is_for_windows(term: Mapping[str, Any]) -> bool:
    expressions = term.get("matchExpressions")
    return any(
        each.get("key") in _SYSTEM_LABELS and each.get("operator") == "In" and each.get("values") == [_WINDOWS]
        for each in map(mapping, expressions if isinstance(expressions, list) else ())
    )
