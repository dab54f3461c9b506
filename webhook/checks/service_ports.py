"""The port of the webhook's Service that kube-apiserver calls, and where it leads. Pure."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

_PORT: Final = "webhook"  # the name of the port in the chart


def has_port(service: Mapping[str, Any], port: int) -> bool:
    """Whether a Service has the port that the webhook configuration names."""
    return port_of(service, port) is not None


def port_of(service: Mapping[str, Any], port: int) -> tuple[int, Mapping[str, Any]] | None:
    """The port of a Service that kube-apiserver can call, and its index; None without one."""
    ports = (service.get("spec") or {}).get("ports") or ()
    found = ((index, each) for index, each in enumerate(ports) if each.get("port") == port)
    return next(((index, each) for index, each in found if each.get("protocol", "TCP") == "TCP"), None)


def wrong_target(service: Mapping[str, Any], port: int, pods: Iterable[Mapping[str, Any]]) -> tuple[str, str]:
    """Why the port of a Service does not lead to the pods' port of the chart's name, and the command that corrects it.

    Both are "" if it does, or if the pods have no such port.
    """
    found = port_of(service, port)
    containers = [each for pod in pods for each in (pod.get("spec") or {}).get("containers") or ()]
    numbers = {each.get("containerPort") for one in containers for each in one.get("ports") or () if _is_ours(each)}
    if found is None or not numbers or not {_PORT, *numbers}.isdisjoint({found[1].get("targetPort", port)}):
        return "", ""
    metadata = service["metadata"]
    patch = [{"op": "replace", "path": f"/spec/ports/{found[0]}/targetPort", "value": _PORT}]
    listens = " or ".join(map(str, sorted(filter(None, numbers))))
    return (
        f"its port {port} goes to port {found[1].get('targetPort', port)} of the pods, and the webhook listens at "
        f"{listens} ({_PORT})",
        f"kubectl patch service {metadata['name']} -n {metadata['namespace']} --type json -p "
        f"'{json.dumps(patch, separators=(',', ':'))}'",
    )


def _is_ours(port: Mapping[str, Any]) -> bool:
    return port.get("name") == _PORT


def ready_endpoints(slices: Iterable[Mapping[str, Any]]) -> int:
    """How many ready addresses the EndpointSlices of a Service have; one without a state counts as ready."""
    return sum(
        (endpoint.get("conditions") or {}).get("ready") is not False
        for each in slices
        for endpoint in each.get("endpoints") or ()
    )
