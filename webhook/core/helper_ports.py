"""The port for the metrics of signing in, which only `m365-token-endpoint` has, if an annotation asks for it.

The containers of a pod share its ports. The helper container starts first, so it would keep another container from a
port that both want: it has no metrics then, and the user is warned.
"""

from collections.abc import Mapping
from typing import Any, Final

from webhook.core.identity import Identity
from webhook.core.messages import Message, Place, message
from webhook.core.messages.pods import METRICS_PORT_TAKEN
from webhook.core.names import METRICS, METRICS_PORT, METRICS_PORT_NAME, TOKEN_ENDPOINT_CONTAINER
from webhook.core.own_containers import HELPER_NAMES, all_containers, mapping

_NO_PORT: Final[Mapping[str, Any]] = {}


def metrics_fields(spec: Mapping[str, Any], identity: Identity) -> Mapping[str, Any]:
    """What the container with the metrics has in addition; nothing if it has none."""
    port = identity.metrics_port
    if not port or _owner(spec, port):
        return _NO_PORT
    return {
        "args": ["--metrics-port", str(port)],
        "ports": [{"name": METRICS_PORT_NAME, "containerPort": port, "protocol": "TCP"}],
    }


def metrics_warnings(spec: Mapping[str, Any], identity: Identity) -> list[Message]:
    """Why the metrics that are wanted are missing."""
    port = identity.metrics_port
    owner = _owner(spec, port) if port else None
    if owner is None:
        return []
    place = Place.of_container(owner.get("name"))
    other = METRICS_PORT if port != METRICS_PORT else METRICS_PORT + 1
    found = message(METRICS_PORT_TAKEN, place, helper=TOKEN_ENDPOINT_CONTAINER, port=port, key=METRICS, other=other)
    return [found]


def shown_port(container: Mapping[str, Any]) -> int:
    """The port at which a helper container shows metrics, 0 if at none; by its name, on which Prometheus relies."""
    ports = container.get("ports") or ()
    return next((int(each["containerPort"]) for each in ports if each.get("name") == METRICS_PORT_NAME), 0)


def _owner(spec: Mapping[str, Any], port: int) -> Mapping[str, Any] | None:
    """The container of the pod that says that it listens there."""
    return next(
        (each for each in all_containers(spec) if each.get("name") not in HELPER_NAMES and _listens(each, port)), None
    )


def _listens(container: Mapping[str, Any], port: int) -> bool:
    ports = container.get("ports")
    return any(
        each.get("containerPort") == port and each.get("protocol") in (None, "", "TCP")
        for each in map(mapping, ports if isinstance(ports, list) else ())
    )
