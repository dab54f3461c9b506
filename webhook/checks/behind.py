"""Reads what is behind a webhook entry: its Service, EndpointSlices, pods and Deployment."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from webhook.checks import installation, replicas, selectors, service_ports
from webhook.checks.api import NotSeen, get, list_all
from webhook.checks.installation import Installation
from webhook.checks.registration import Entry
from webhook.checks.replicas import Replica
from webhook.cluster.kube import Kube

_SECONDS: Final = 10.0  # kube-apiserver answers a read in far less, and a person waits for it
_REVIEWS: Final = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


async def read_installation(kube: Kube, entry: Entry, namespace: str, *, dropped: bool = False) -> Installation | None:
    """What is behind an entry that calls a Service, as far as the user may see it; None for other entries.

    namespace: whose ServiceAccounts the webhook has to read. dropped: whether something on the way dropped the
    connection, as a NetworkPolicy does. Raises Unavailable.
    """
    if entry.service is None:
        return None
    own, name, port = entry.service
    behind = Installation(f"{own}/{name}")
    service = await get(kube, f"/api/v1/namespaces/{own}/services/{name}")
    if isinstance(service, NotSeen):
        if service.status == 404:
            return replace(behind, exists=False)
        return _without(behind, "services", service)
    spec = service.get("spec") or {}
    has_port, selector = service_ports.has_port(service, port), spec.get("selector") or {}
    behind = replace(behind, exists=True, has_port=has_port, selector=selector)
    behind = await _with_endpoints(kube, behind, spec)
    if selector:
        query = {"labelSelector": selectors.join(selector, ",")}
        pods = await list_all(kube, f"/api/v1/namespaces/{own}/pods", query)
        if isinstance(pods, NotSeen):
            behind = _without(behind, "pods", pods)
        else:
            pods = [*replicas.living(pods)]
            target, target_fix = service_ports.wrong_target(service, port, pods)
            behind = replace(behind, target=target, target_fix=target_fix)
            found = [await _with_node(kube, replicas.replica(pod)) for pod in pods]
            behind = replace(behind, replicas=tuple(found))
            behind = await _with_policies(kube, behind, pods) if dropped else behind
            behind = await _with_account(kube, behind, pods)
    if behind.endpoints == 0 or not (selector or spec.get("type") == "ExternalName"):
        deployments = await list_all(kube, f"/apis/apps/v1/namespaces/{own}/deployments")
        if isinstance(deployments, NotSeen):
            behind = _without(behind, "deployments", deployments)
        else:
            behind = replace(behind, deployment=installation.deployment(deployments, name, selector))
    return replace(behind, may_read=await _may_read(kube, behind, namespace)) if behind.replicas else behind


async def _with_endpoints(kube: Kube, behind: Installation, spec: Mapping[str, Any]) -> Installation:
    if spec.get("type") == "ExternalName":
        return behind
    name = behind.place.partition("/")[2]
    path = f"/apis/discovery.k8s.io/v1/namespaces/{behind.namespace}/endpointslices"
    slices = await list_all(kube, path, {"labelSelector": f"kubernetes.io/service-name={name}"})
    if isinstance(slices, NotSeen):
        return _without(behind, "endpointslices", slices)
    return replace(behind, endpoints=service_ports.ready_endpoints(slices))


async def _with_node(kube: Kube, replica: Replica) -> Replica:
    """The replica, with what its node explains. Most users may not see nodes, and miss nothing else by that."""
    if replica.trouble != replicas.RUNNING or not replica.node:
        return replica
    node = await get(kube, f"/api/v1/nodes/{replica.node}")
    return replica if isinstance(node, NotSeen) else replicas.without_node(replica, node)


async def _with_account(kube: Kube, behind: Installation, pods: list[Any]) -> Installation:
    """With what is wrong with the pods' own ServiceAccount. Who may not see it misses nothing else by that."""
    if not behind.replicas:
        return behind
    name = behind.replicas[0].account
    account = await get(kube, f"/api/v1/namespaces/{behind.namespace}/serviceaccounts/{name}")
    if isinstance(account, NotSeen) and account.status != 404:
        return behind
    known = None if isinstance(account, NotSeen) else account
    trouble = replicas.account_trouble(known, name, pods)
    return replace(behind, account_trouble=trouble, account_exists=known is not None)


async def _with_policies(kube: Kube, behind: Installation, pods: list[Any]) -> Installation:
    policies = await list_all(kube, f"/apis/networking.k8s.io/v1/namespaces/{behind.namespace}/networkpolicies")
    if isinstance(policies, NotSeen):
        return _without(behind, "networkpolicies", policies)
    return replace(behind, policies=installation.network_policies(policies, pods))


def _without(behind: Installation, resource: str, answer: NotSeen) -> Installation:
    return replace(behind, unseen=(*behind.unseen, resource)) if answer.status == 403 else behind


async def _may_read(kube: Kube, behind: Installation, namespace: str) -> bool | None:
    """Whether the webhook may read ServiceAccounts of the namespace; None if the user may not ask."""
    attributes = {"verb": "get", "resource": "serviceaccounts", "namespace": namespace}
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{behind.namespace}", "system:authenticated"]
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": behind.account(), "groups": groups, "resourceAttributes": attributes},
    }
    reply = await kube.request("POST", _REVIEWS, body=body, seconds=_SECONDS)
    return bool((reply.json().get("status") or {}).get("allowed")) if reply.status == 201 else None
