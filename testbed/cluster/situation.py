"""What the workloads of a namespace are doing, and why: what one wants to read in a log when a wait has failed.

Deployments and ReplicaSets with their numbers and conditions, pods with the state of each container, what a pod that is
not ready says itself (`/readyz`, the end of its log), the latest events, and the nodes.
"""

from __future__ import annotations

import http.client
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from testbed.cluster.api import Api
from testbed.cluster.processes import ClusterError

__all__ = ["describe", "describe_at", "namespace_of"]

LOG_LINES = 12
LONGEST = 400  # characters of a line
EVENTS = 40
READINESS_PORT = "operations"  # by its name, where our webhook says what is missing

Document = Mapping[str, Any]


def namespace_of(arguments: Sequence[str]) -> str:
    """The namespace that a command line of kubectl or Helm names."""
    for place, argument in enumerate(arguments):
        if argument in ("-n", "--namespace") and place + 1 < len(arguments):
            return arguments[place + 1]
        if argument.startswith("--namespace="):
            return argument.partition("=")[2]
    return "default"


def describe_at(kubeconfig: Path, namespace: str) -> str:
    """The same as the user of a kubeconfig sees it."""
    try:
        api = Api.from_kubeconfig(kubeconfig)
    except (OSError, ClusterError, ValueError) as error:
        return f"{kubeconfig} cannot be used: {error}"
    try:
        return describe(api, namespace)
    finally:
        api.close()


def describe(api: Api, namespace: str) -> str:
    """Some lines. Never raises for what cannot be read, since it explains another error."""
    lines = [f"What namespace {namespace} has:"]
    for part in (_workloads, _pods, _events, _nodes):
        try:
            lines += part(api, namespace)
        except (OSError, http.client.HTTPException, ClusterError, KeyError, ValueError) as error:
            lines.append(f"({part.__name__.strip('_')} cannot be read: {error!r})")
    return "\n".join(line if len(line) <= LONGEST else f"{line[:LONGEST]}…" for line in lines)


def _workloads(api: Api, namespace: str) -> Iterator[str]:
    for kind in ("deployments", "replicasets", "statefulsets", "daemonsets", "jobs"):
        group = "batch" if kind == "jobs" else "apps"
        for each in _items(api, f"/apis/{group}/v1/namespaces/{namespace}/{kind}"):
            spec, status = each["spec"], each.get("status", {})
            if kind == "replicasets" and not spec.get("replicas") and not status.get("replicas"):
                continue
            images = ", ".join(_images(spec["template"]["spec"]))
            numbers = ", ".join(f"{name} {value}" for name, value in status.items() if isinstance(value, int))
            wanted = f"{spec['replicas']} wanted; " if "replicas" in spec else ""
            yield f"  {kind[:-1]} {_name(each)} ({images}): {wanted}{numbers or 'no status'}"
            yield from (f"    {line}" for line in _conditions(status))


def _pods(api: Api, namespace: str) -> Iterator[str]:
    path = f"/api/v1/namespaces/{namespace}/pods"
    for pod in _items(api, path):
        status = pod.get("status", {})
        where = pod["spec"].get("nodeName", "no node")
        yield f"  pod {_name(pod)}: {status.get('phase')} on {where}, created {pod['metadata']['creationTimestamp']}"
        yield from (f"    {line}" for line in _conditions(status) if "=True" not in line)
        for container in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
            yield f"    container {container['name']}: {_state(container)}"
            if container["restartCount"] or not _is_well(container):
                yield from _said(api, f"{path}/{pod['metadata']['name']}", pod, container)


def _said(api: Api, path: str, pod: Document, container: Document) -> Iterator[str]:
    """What a container that is not as it should be says of itself, and said before it was started again."""
    ports = [
        port["containerPort"]
        for each in pod["spec"]["containers"]
        for port in each.get("ports", ())
        if each["name"] == container["name"] and port.get("name") == READINESS_PORT
    ]
    if "running" in container["state"]:
        for port in ports:
            answer = api.get(f"{path}:{port}/proxy/readyz")
            yield f"      /readyz: {answer.status}"
            yield from (f"        {line}" for line in answer.body.decode(errors="replace").splitlines())
    logs: list[tuple[str, dict[str, str]]] = [("its log", {})]
    if container["restartCount"]:
        logs.append(("its log before the last start", {"previous": "true"}))
    for what, more in logs:
        parameters = {"container": container["name"], "tailLines": str(LOG_LINES), **more}
        answer = api.get(f"{path}/log", params=parameters)
        if answer.status == 200 and answer.body:
            yield f"      {what} ends with"
            yield from (f"        {line}" for line in answer.body.decode(errors="replace").splitlines())


def _events(api: Api, namespace: str) -> Iterator[str]:
    found = sorted(_items(api, f"/api/v1/namespaces/{namespace}/events"), key=_time)
    yield f"  the last {min(len(found), EVENTS)} of {len(found)} events"
    for each in found[-EVENTS:]:
        about = each["involvedObject"]
        times = f" ({count} times)" if (count := each.get("count") or 1) > 1 else ""
        what = f"{each['type']} {each['reason']} {about['kind']}/{about['name']}"
        yield f"    {_time(each)} {what}: {each.get('message', '')}{times}"


def _nodes(api: Api, _namespace: str) -> Iterator[str]:
    for node in _items(api, "/api/v1/nodes"):
        yield f"  node {_name(node)}: allocatable {node['status'].get('allocatable')}"
        yield from (f"    {line}" for line in _conditions(node["status"]) if ("=True" in line) != ("Ready" in line))


def _items(api: Api, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get(path).expect().json["items"]
    return found


def _name(document: Document) -> str:
    metadata = document["metadata"]
    since = metadata.get("deletionTimestamp")
    return f"{metadata['name']}, deleted at {since}," if since else str(metadata["name"])


def _images(spec: Document) -> list[str]:
    return [str(each["image"]) for each in spec["containers"]]


def _conditions(status: Document) -> list[str]:
    return [
        f"{each['type']}={each['status']} {each.get('reason', '')}: {each.get('message', '')}".rstrip(": ")
        for each in status.get("conditions", ())
    ]


def _is_well(container: Document) -> bool:
    """Whether it runs and is ready, or has ended without an error."""
    ended = container["state"].get("terminated")
    return bool(container["ready"]) or (ended is not None and ended["exitCode"] == 0)


def _state(container: Document) -> str:
    ready = "ready" if container["ready"] else "not ready"
    state = "; ".join(
        " ".join([name, *(f"{key}={value}" for key, value in detail.items() if key != "containerID")])
        for name, detail in container["state"].items()
    )
    return f"{ready}, {container['restartCount']} restarts, {state}"


def _time(event: Document) -> str:
    times = (event.get("lastTimestamp"), event.get("eventTime"), event["metadata"].get("creationTimestamp"))
    return str(next((each for each in times if each), ""))
