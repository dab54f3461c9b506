"""The rights that an installation needs, from the objects that it makes."""

from typing import Any, Final

import pytest

from webhook.checks import rights
from webhook.checks.rights import RBAC, Resource, Right

CORE, APPS, ROLES = "v1", "apps/v1", f"{RBAC}/v1"
RESOURCES: Final = {
    (CORE, "Pod"): Resource("pods", namespaced=True),
    (CORE, "Secret"): Resource("secrets", namespaced=True),
    (CORE, "ConfigMap"): Resource("configmaps", namespaced=True),
    (APPS, "Deployment"): Resource("deployments", namespaced=True),
    (ROLES, "Role"): Resource("roles", namespaced=True),
    (ROLES, "RoleBinding"): Resource("rolebindings", namespaced=True),
    (ROLES, "ClusterRole"): Resource("clusterroles", namespaced=False),
    (ROLES, "ClusterRoleBinding"): Resource("clusterrolebindings", namespaced=False),
}
RELEASES: Final = {Right(verb, "", "secrets", "own") for verb in ("create", "delete", "get", "list", "update", "watch")}


def document(version: str, kind: str, namespace: str = "", **more: Any) -> dict[str, Any]:
    metadata = {"name": "x", **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **more}


def needed(*documents: dict[str, Any]) -> set[Right]:
    """Beside those on the Secrets of the release."""
    found = rights.needed(documents, "own", RESOURCES)
    assert len(set(found)) == len(found)
    assert set(found) >= RELEASES
    return set(found) - RELEASES


def of(group: str, resource: str, namespace: str) -> set[Right]:
    """What every object needs."""
    return {
        *(Right(verb, group, resource, namespace) for verb in ("create", "list", "watch")),
        *(Right(verb, group, resource, namespace, "x") for verb in ("delete", "get", "patch")),
    }


def test_an_object_needs_rights_in_its_namespace_or_that_of_the_release() -> None:
    """Its own, or that of the release."""
    assert needed(document(CORE, "ConfigMap")) == of("", "configmaps", "own")
    assert needed(document(CORE, "ConfigMap", "grafana")) == of("", "configmaps", "grafana")


def test_an_object_of_the_cluster_needs_rights_in_all_of_it() -> None:
    """Whatever namespace its metadata has."""
    assert needed(document(ROLES, "ClusterRole", "own")) == of(RBAC, "clusterroles", "")


def test_a_deployment_is_waited_for() -> None:
    """Through its ReplicaSets and pods."""
    more = {Right("list", "", "pods", "own"), Right("list", "apps", "replicasets", "own")}
    assert needed(document(APPS, "Deployment")) == of("apps", "deployments", "own") | more


def test_a_pod_has_a_log() -> None:
    """Which `helm test --logs` reads."""
    assert needed(document(CORE, "Pod")) == of("", "pods", "own") | {Right("get", "", "pods/log", "own", "x")}


def test_a_secret_is_covered_by_the_releases() -> None:
    """But for the patch."""
    assert needed(document(CORE, "Secret")) == {Right("patch", "", "secrets", "own", "x")}


def test_whoever_makes_a_role_has_its_rights() -> None:
    """In its scope; a rule without names means all names, and one may be about URLs."""
    rules = [
        {"apiGroups": ["", "apps"], "resources": ["pods", "deployments"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["a", "b"], "verbs": ["update"]},
        {"nonResourceURLs": ["/healthz"], "verbs": ["get"]},
    ]
    everywhere = {Right("get", group, each) for group in ("", "apps") for each in ("pods", "deployments")}
    named = {Right("update", "", "secrets", "", name) for name in ("a", "b")}
    assert needed(document(ROLES, "ClusterRole", rules=rules)) == {
        *of(RBAC, "clusterroles", ""),
        *everywhere,
        *named,
        Right("get", url="/healthz"),
    }
    in_other = needed(document(ROLES, "Role", "other", rules=rules[:1])) - of(RBAC, "roles", "other")
    assert in_other == {each._replace(namespace="other") for each in everywhere}


@pytest.mark.parametrize("kind", ["ClusterRole", "Role"])
def test_a_role_of_somebody_else_takes_the_right_to_bind_it(kind: str) -> None:
    """Not one that is installed, whose rights are had anyway."""
    binding = document(ROLES, "RoleBinding", roleRef={"apiGroup": RBAC, "kind": kind, "name": "x"})
    bind = Right("bind", RBAC, f"{kind.lower()}s", "own", "x")
    assert bind in needed(binding)
    assert bind not in needed(binding, document(ROLES, kind))


def test_a_kind_that_the_cluster_does_not_have() -> None:
    """Another finding tells it: a kind that does not exist has no rights."""
    assert needed(document("monitoring.coreos.com/v1", "PodMonitor")) == set()


def test_what_one_right_includes() -> None:
    """Every name, and every namespace; not another verb."""
    all_of_them = Right("get", "", "secrets")
    assert all_of_them.covers(Right("get", "", "secrets", "own", "x"))
    assert not Right("get", "", "secrets", "own", "x").covers(all_of_them)
    assert not all_of_them.covers(Right("list", "", "secrets"))


def test_resources_with_the_same_verbs_are_told_together() -> None:
    """The resources with the same verbs, together."""
    found = [Right("get", "", "pods", "a"), Right("list", "", "pods", "b"), Right("get", "", "pods", "b")]
    assert rights.shown([*found, Right("get", "apps", "deployments"), Right("get", url="/x")]) == (
        "get, list pods; get deployments.apps, /x"
    )


def test_rights_become_few_rules_bound_to_a_user() -> None:
    """Few rules: resources and names with the same verbs share one. A role for each namespace, and one for all."""
    wanted = [
        *(Right("get", "", "secrets", "own", name) for name in ("a", "b")),
        *(Right("list", "", each, "own") for each in ("pods", "services")),
        Right("get", url="/x"),
    ]
    cluster, cluster_binding, role, binding = rights.as_rbac(wanted, "dev@example.com")
    assert (cluster["kind"], cluster["rules"]) == ("ClusterRole", [{"nonResourceURLs": ["/x"], "verbs": ["get"]}])
    assert "namespace" not in cluster["metadata"]
    assert role["metadata"] == binding["metadata"] == {"name": "m365wi-installer", "namespace": "own"}
    assert role["rules"] == [
        {"apiGroups": [""], "resources": ["pods", "services"], "verbs": ["list"]},
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["a", "b"], "verbs": ["get"]},
    ]
    for each, kind in ((cluster_binding, "ClusterRole"), (binding, "Role")):
        assert each["roleRef"] == {"apiGroup": RBAC, "kind": kind, "name": "m365wi-installer"}
        assert each["subjects"] == [{"apiGroup": RBAC, "kind": "User", "name": "dev@example.com"}]


def test_rights_of_a_pipeline_are_bound_to_its_service_account() -> None:
    """A ServiceAccount is named as such."""
    *_, binding = rights.as_rbac([Right("get", "", "pods")], "system:serviceaccount:ci:deployer")
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "deployer", "namespace": "ci"}]


def test_the_chart_is_put_into_the_namespace() -> None:
    """Each of its objects that has one."""
    namespaces = {each["metadata"].get("namespace") for each in rights.chart("mine")}
    assert namespaces == {None, "mine"}
