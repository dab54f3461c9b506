"""Why a helper container cannot run in a pod."""

from collections.abc import Mapping
from typing import Any

from webhook.core import names
from webhook.core.messages import Kind
from webhook.core.messages import annotations as kinds
from webhook.core.policy import Policy


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
    selector = spec.get("nodeSelector")
    chosen = selector.get("kubernetes.io/os") if isinstance(selector, dict) else None
    return "windows" in ((spec.get("os") or {}).get("name"), chosen)
