"""The rights that `check --pre` prints, on a real API server: a user who has just these installs the chart by Helm."""

import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from testbed.chart import helm
from testbed.chart.helm import CHART, NAME, NAMESPACE, Refused
from testbed.cluster.control_plane import ControlPlane
from testbed.cluster.processes import wait_until
from tests.commands.live import Ran, run
from webhook.checks.rights import Right

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("installer")]

USER: Final = "dev@example.com"
AUDIT: Final = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived", "ResponseStarted"],
    "rules": [{"level": "Metadata", "users": [USER]}, {"level": "None"}],
}
MORE: Final[dict[str, Any]] = {
    "autoscaling": {"enabled": True},
    "resourceQuota": {"enabled": True},
    "grafanaDashboards": {"enabled": True, "namespace": "kube-public"},
    "networkPolicy": {"enabled": True, "apiServerTo": [{"ipBlock": {"cidr": "10.0.0.1/32"}}]},
    "validatingAdmissionPolicy": {"enabled": True},
    "federation": {"enabled": True, "clientId": "11111111-2222-3333-4444-555555555555", "tenantId": "contoso.com"},
}
"""Options that make more objects, and give more rights."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane that logs what the user does, with the namespace of the webhook."""
    policy = tmp_path_factory.mktemp("audit") / "policy.json"
    policy.write_text(json.dumps(AUDIT))
    with ControlPlane(apiserver_flags=[f"--audit-policy-file={policy}"]) as found:
        found.create_namespace(NAMESPACE)
        yield found


@pytest.fixture
def kubeconfig(cluster: ControlPlane) -> Path:
    """Of a user without any right."""
    return cluster.kubeconfig_for(USER)


def pre(kubeconfig: Path, *arguments: str) -> Ran:
    return run("check", "--pre", *arguments, environ={"KUBECONFIG": str(kubeconfig)})


@contextmanager
def given(cluster: ControlPlane, kubeconfig: Path, *arguments: str) -> Iterator[list[dict[str, Any]]]:
    """An administrator applies what is printed, and takes it back."""
    done = pre(kubeconfig, *arguments, "-o", "rbac")
    assert done.code == 0, done.err
    documents = [*yaml.safe_load_all(done.out)]
    with applied(cluster, documents):
        yield documents


@contextmanager
def applied(cluster: ControlPlane, documents: list[dict[str, Any]]) -> Iterator[None]:
    """Roles and bindings, in force; at the end no longer: kube-apiserver hears of both by and by."""
    rights, manifest = granted(documents), yaml.safe_dump_all(documents)

    def allowed() -> set[Right]:
        return {each for each in rights if is_allowed(cluster, each)}

    cluster.kubectl("apply", "-f", "-", input=manifest)
    try:
        wait_until(lambda: allowed() == rights, "the rights in force")
        yield
    finally:
        cluster.kubectl("delete", "-f", "-", input=manifest)
        wait_until(lambda: not allowed(), "the rights taken back")


def is_allowed(cluster: ControlPlane, right: Right) -> bool:
    """Whether the user has it now."""
    options = {"group": right.group, "namespace": right.namespace, "name": right.name}
    return cluster.allows(USER, right.verb, right.resource, **options)


@contextmanager
def kubelet(cluster: ControlPlane) -> Iterator[None]:
    """Says of each pod of the webhook that it is ready, as soon as it is created."""
    pods, done = f"/api/v1/namespaces/{NAMESPACE}/pods", threading.Event()

    def answer() -> None:
        while not done.wait(0.2):
            for pod in cluster.api.get(pods).expect().json["items"]:
                if pod["status"].get("phase") != "Running":
                    conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]
                    status = {"status": {"phase": "Running", "conditions": conditions}}
                    headers = {"Content-Type": "application/merge-patch+json"}
                    path = f"{pods}/{pod['metadata']['name']}/status"
                    cluster.api.patch(path, status, headers=headers).expect(200, 404)

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def life(kubeconfig: Path, values: dict[str, Any], *how: str) -> None:
    """The chart is installed, upgraded and uninstalled. Raises Refused."""
    where = ("-n", NAMESPACE, "--wait", "--timeout", "90s")
    helm.helm("install", NAME, str(CHART), *where, *how, values=values, kubeconfig=kubeconfig)
    changed = {**values, "scope": "cluster", "replicas": 3}
    helm.helm("upgrade", NAME, str(CHART), *where, *how, values=changed, kubeconfig=kubeconfig)
    helm.helm("uninstall", NAME, *where, kubeconfig=kubeconfig)


def used(events: Iterable[dict[str, Any]]) -> set[Right]:
    """What a user did with resources. An apply that creates needs two rights, and so does a watch."""
    found = set()
    for event in events:
        about = event.get("objectRef") or {}
        if not about.get("resource") or event["user"]["username"] != USER or "selfsubject" in about["resource"]:
            continue
        part = f"/{about['subresource']}" if about.get("subresource") else ""
        right = Right(
            event["verb"],
            about.get("apiGroup", ""),
            about["resource"] + part,
            about.get("namespace", ""),
            about.get("name", ""),
        )
        found.add(right)
        if right.verb == "patch" and event["responseStatus"]["code"] == 201:
            found.add(right._replace(verb="create"))
        if right.verb == "watch":
            found.add(right._replace(verb="list"))
    return found


def granted(documents: Iterable[dict[str, Any]]) -> set[Right]:
    """The rights in roles."""
    found = set()
    for role in documents:
        for rule in role.get("rules") or ():
            for group in rule.get("apiGroups") or ():
                for resource in rule["resources"]:
                    for verb in rule["verbs"]:
                        for name in rule.get("resourceNames") or ("",):
                            where = role["metadata"].get("namespace", "")
                            found.add(Right(verb, group, resource, where, name))
    return found


def test_just_these_rights_are_enough_and_each_is_needed(cluster: ControlPlane, kubeconfig: Path) -> None:
    """With Helm's server-side apply and without; what was never used is what the webhook gets, as RBAC wants it."""
    before = len(cluster.audit_events())
    found = pre(kubeconfig).finding("rights")
    assert "[WI684]" in found
    assert USER in found
    assert "mutatingwebhookconfigurations.admissionregistration.k8s.io, " in found
    assert "check --pre -o rbac > installer.yaml" in found
    with given(cluster, kubeconfig) as roles, kubelet(cluster):
        assert pre(kubeconfig).finding("rights", "ok")
        life(kubeconfig, {})
        life(kubeconfig, {}, "--server-side=false")
        did = used(cluster.audit_events()[before:])
    for_the_webhook = {
        Right("get", "", "serviceaccounts"),
        *(Right(verb, "", "secrets", NAMESPACE, f"{NAME}-ca") for verb in ("create", "get", "patch", "update")),
        *(
            Right(verb, "admissionregistration.k8s.io", "mutatingwebhookconfigurations", "", NAME)
            for verb in ("get", "patch")
        ),
    }
    unused = {right for right in granted(roles) if not any(right.covers(each) for each in did)}
    assert unused <= for_the_webhook
    assert "[WI684]" in pre(kubeconfig).finding("rights")


@pytest.mark.parametrize("lost", ["get serviceaccounts", "list replicasets", "list validatingadmissionpolicies"])
def test_one_right_less_is_told(cluster: ControlPlane, kubeconfig: Path, lost: str) -> None:
    """The first of them is one of the webhook's own, which whoever makes its role must have."""
    verb, resource = lost.split()
    printed = pre(kubeconfig, "-o", "rbac").out
    roles = [*yaml.safe_load_all(printed)]
    for role in roles:
        for rule in role.get("rules") or ():
            if resource in rule["resources"] and verb in rule["verbs"]:
                rule["resources"] = [each for each in rule["resources"] if each != resource]
        if "rules" in role:
            role["rules"] = [rule for rule in role["rules"] if rule["resources"]]
    with applied(cluster, roles):
        found = pre(kubeconfig).finding("rights")
    assert verb in found
    assert resource in found


def test_options_that_need_more(cluster: ControlPlane, kubeconfig: Path, tmp_path: Path) -> None:
    """The rights for the defaults do not do; those for what Helm renders do."""
    rendered = tmp_path / "rendered.yaml"
    rendered.write_text(helm.render(MORE))
    with given(cluster, kubeconfig):
        found = pre(kubeconfig, "-f", str(rendered)).finding("rights")
        assert "cronjobs.batch" in found
        assert f"-f {rendered} -o rbac" in found
        with pytest.raises(Refused, match="forbidden"):
            life(kubeconfig, MORE)
    with suppress(Refused):  # as an administrator, in case that something was left
        helm.helm("uninstall", NAME, "-n", NAMESPACE, kubeconfig=cluster.kubeconfig)
    with given(cluster, kubeconfig, "-f", str(rendered)) as roles, kubelet(cluster):
        assert {"nonResourceURLs": ["/.well-known/openid-configuration"], "verbs": ["get"]} in roles[0]["rules"]
        assert pre(kubeconfig, "-f", str(rendered)).finding("rights", "ok")
        life(kubeconfig, MORE)


def test_a_kind_that_the_cluster_does_not_have(cluster: ControlPlane, kubeconfig: Path, tmp_path: Path) -> None:
    """It is named, and no rights are printed, since Helm would refuse the chart."""
    rendered = tmp_path / "rendered.yaml"
    rendered.write_text(helm.render({"podMonitor": {"enabled": True}}))
    arguments = ("-f", str(rendered))
    administrator = cluster.kubeconfig
    assert "PodMonitor (monitoring.coreos.com/v1)" in pre(administrator, *arguments).finding("rights")
    done = pre(kubeconfig, *arguments, "-o", "rbac")
    assert (done.code, done.out) == (1, "")
    assert "PodMonitor" in done.err


def test_what_the_user_may_not_see_is_not_a_fault(cluster: ControlPlane, kubeconfig: Path) -> None:
    """With exactly the rights that an installation needs, the rest is skipped."""
    with given(cluster, kubeconfig):
        done = pre(kubeconfig)
    assert done.code == 0, done.out
    for about, code in (("address", "WI697"), ("pod", "WI696"), ("priority", "WI602"), ("namespace", "WI602")):
        assert f"[{code}]" in done.finding(about, "skip")


def test_a_namespace_that_is_not_there(kubeconfig: Path) -> None:
    """The administrator makes it first, since a role needs one."""
    found = pre(kubeconfig, "--own-namespace", "not-there").finding("rights")
    assert "kubectl create namespace not-there" in found
    assert "--own-namespace not-there -o rbac" in found


def test_flags_that_go_with_pre() -> None:
    """-f and -o rbac."""
    done = run("check", "-f", "x.yaml", "-o", "rbac")
    assert done.code == 2
    assert done.err.count("[WI517]") == 2
