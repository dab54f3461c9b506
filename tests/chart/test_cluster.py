"""What a real kube-apiserver says to the chart's objects, and what Helm, kubectl and GitOps leave alone."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
import yaml

from testbed.chart.helm import CHART, Refused, helm, render
from testbed.cluster.api import Api
from testbed.cluster.cluster import Cluster
from testbed.cluster.pki import Authority
from testbed.cluster.processes import wait_until
from testbed.cluster.registration import PLAIN
from tests.chart import kinds
from tests.chart.objects import installed, one, some
from webhook.checks.registration import restore
from webhook.cluster.certificate_objects import KubeConfiguration
from webhook.cluster.kube import Kube

pytestmark = pytest.mark.slow

CONFIGURATIONS: Final = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
MERGE: Final = {"Content-Type": "application/strategic-merge-patch+json"}
VARIANTS: Final[dict[str, dict[str, Any]]] = {
    "default": {},
    "namespace-label": {"scope": "namespace-label"},
    "cluster": {"scope": "cluster", "webhook": {"excludedNamespaces": ["build"], "failurePolicy": "Ignore"}},
    "files": {"certificates": {"mode": "files", "secretName": "pair"}},
    "everything": {
        "autoscaling": {"enabled": True},
        "resourceQuota": {"enabled": True},
        "grafanaDashboards": {"enabled": True},
        "networkPolicy": {
            "enabled": True,
            "webhookFrom": [{"ipBlock": {"cidr": "10.0.0.0/28"}}],
            "apiServerTo": [{"ipBlock": {"cidr": "10.0.0.1/32"}}],
            "operationsFrom": [{"namespaceSelector": {}}],
        },
        "validatingAdmissionPolicy": {"enabled": True, "actions": ["Warn", "Audit"]},
        "hostNetwork": True,
        "preStopSeconds": 0,
        "imagePullSecrets": [{"name": "registry"}],
        "tolerations": [{"key": "CriticalAddonsOnly", "operator": "Exists"}],
        "extraEnv": [{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
        "webhook": {"namespaceSelector": {"matchLabels": {"stage": "test"}}, "annotations": {"a": "b"}},
        "helper": {"enabled": False},
        "commonLabels": {"team": "platform"},
        "federation": {
            "enabled": True,
            "clientId": "11111111-2222-3333-4444-555555555555",
            "tenantId": "contoso.com",
            "clusterName": "prod-eu",
            "formerIssuers": ["https://old.example.com/"],
            "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
        },
        "canary": {
            "enabled": True,
            "clientId": "11111111-2222-3333-4444-555555555555",
            "tenantId": "contoso.com",
            "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
        },
    },
}


def only_in(namespace: str) -> dict[str, Any]:
    """Values that keep an installation out of every other test's way."""
    return {
        "name": namespace,
        "webhook": {"namespaceSelector": {"matchLabels": {"only": namespace}}},
    }


@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS.keys())
def test_every_object_is_valid(control_plane: Cluster, namespace: str, values: dict[str, Any]) -> None:
    """Server-side dry run with strict validation: nothing misspelt, nothing deprecated, nothing that is not there."""
    text = render({**values, "name": namespace}, namespace=namespace)
    objects = [each for each in yaml.safe_load_all(text) if each]
    accounts = yaml.safe_dump_all(some(objects, "ServiceAccount"))  # without which no pod is looked at
    control_plane.kubectl("apply", "-f", "-", input=accounts)
    done = control_plane.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", input=text)
    assert len(done.stdout.splitlines()) == len(objects)
    assert "arning" not in done.stderr


# Objects of kinds that others bring.
FOREIGN: Final[dict[str, dict[str, Any]]] = {
    "an authority of the chart's own": {"certificates": {"mode": "cert-manager"}},
    "an issuer of one's own": {
        "certificates": {
            "mode": "cert-manager",
            "certManager": {
                "issuerRef": {"name": "corporate", "kind": "ClusterIssuer", "group": "cert-manager.io"},
                "duration": "24h",
            },
        }
    },
    "an issuer of the namespace": {
        "certificates": {"mode": "cert-manager", "certManager": {"issuerRef": {"name": "corporate"}}}
    },
    "monitoring": {
        "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "signInMetrics": {"podMonitor": {"enabled": True, "labels": {"release": "prometheus"}}},
        "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
        "canary": {
            "enabled": True,
            "clientId": "11111111-2222-3333-4444-555555555555",
            "tenantId": "contoso.com",
        },
    },
}


@pytest.fixture(scope="module")
def foreign_kinds(control_plane: Cluster) -> Cluster:
    """The cluster with the kinds of cert-manager and the Prometheus operator, without their controllers."""
    kinds.establish(control_plane)
    return control_plane


@pytest.mark.parametrize("values", FOREIGN.values(), ids=FOREIGN.keys())
def test_every_object_of_others_kinds_is_valid(foreign_kinds: Cluster, namespace: str, values: dict[str, Any]) -> None:
    """By the definitions that cert-manager and the Prometheus operator publish, strictly."""
    rendered = yaml.safe_load_all(render({**values, "name": namespace}, namespace=namespace))
    groups = ("cert-manager.io/v1", "monitoring.coreos.com/v1")
    objects = [each for each in rendered if each and each["apiVersion"] in groups]
    assert objects
    text = yaml.safe_dump_all(objects)
    done = foreign_kinds.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", input=text)
    assert len(done.stdout.splitlines()) == len(objects)
    assert "arning" not in done.stderr
    objects[-1]["spec"]["misspelt"] = True
    text = yaml.safe_dump_all(objects)
    done = foreign_kinds.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", input=text, check=False)
    assert 'unknown field "spec.misspelt"' in done.stderr


def test_the_default_passes_pod_security_restricted(control_plane: Cluster) -> None:
    """The pods of the Deployment and of `helm test`, in a namespace that takes nothing else."""
    labels = one(installed({"namespace": {"create": True}}), "Namespace")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    place = control_plane.create_namespace(labels=labels)
    try:
        objects = [each for each in yaml.safe_load_all(render({"name": place}, namespace=place)) if each]
        pods = f"/api/v1/namespaces/{place}/pods"
        template = one(objects, "Deployment")["spec"]["template"]
        for name, pod in (("webhook", template), ("test", one(objects, "Pod"))):
            account = {"metadata": {"name": pod["spec"]["serviceAccountName"]}}
            control_plane.api.post(f"/api/v1/namespaces/{place}/serviceaccounts", account).expect()
            made = {**pod, "metadata": {"name": name, "labels": pod["metadata"]["labels"]}}
            answer = control_plane.api.post(pods, made, params={"dryRun": "All"}).expect(201)
            assert answer.warnings == ()
        as_root = {**template["spec"], "securityContext": {"runAsUser": 0}}
        refused = control_plane.api.post(pods, {"metadata": {"name": "root"}, "spec": as_root})
        assert refused.status == 403
        assert "restricted" in refused.message
    finally:
        control_plane.delete_namespace(place)


@pytest.fixture
def release(control_plane: Cluster, namespace: str) -> Iterator[str]:
    """The name of a release that may be installed; taken away after the test, whatever became of it."""
    yield namespace
    helm("uninstall", namespace, "--namespace", namespace, "--ignore-not-found", kubeconfig=control_plane.kubeconfig)


def fill(api: Api, name: str) -> tuple[str, dict[str, str]]:
    """Does what the webhook does once it runs: keeps its authority, publishes it. Both as they are then."""
    bundle = base64.b64encode(Authority().certificate).decode()
    entry = {"name": "labelled.m365.workload.identity", "clientConfig": {"caBundle": bundle}}
    api.patch(f"{CONFIGURATIONS}/{name}", {"webhooks": [entry]}, headers=MERGE).expect()
    data = {"ca.crt": bundle, "ca.key": "a2V5"}
    secret = f"/api/v1/namespaces/{name}/secrets/{name}-ca"
    api.put(secret, {**api.get(secret).expect().json, "data": data}).expect()
    return bundle, data


def filled(api: Api, name: str) -> tuple[str | None, dict[str, str] | None]:
    """What is there now."""
    secret = api.get(f"/api/v1/namespaces/{name}/secrets/{name}-ca").expect().json
    return published(api, name), secret.get("data")


def published(api: Api, name: str) -> str | None:
    """The caBundle that is there now."""
    (entry,) = api.get(f"{CONFIGURATIONS}/{name}").expect().json["webhooks"]
    bundle: str | None = entry["clientConfig"].get("caBundle")
    return bundle


@pytest.mark.parametrize("how", ["--server-side=true", "--server-side=false"], ids=["as Helm 4", "as Helm 3"])
def test_helm_installs_upgrades_and_takes_everything_away(control_plane: Cluster, release: str, how: str) -> None:
    """An upgrade changes what it is told to and leaves the authority alone; nothing is left after an uninstall."""
    api, kubeconfig = control_plane.api, control_plane.kubeconfig
    where = (release, str(CHART), "--namespace", release, how)
    said = helm("install", *where, values=only_in(release), kubeconfig=kubeconfig)
    assert f"helm test --logs -n {release} {release}" in said
    assert "m365wi onboard -n NAMESPACE --service-account NAME" in said
    assert "m365wi fic -n NAMESPACE --service-account NAME" in said
    there = fill(api, release)
    helm("upgrade", *where, values={**only_in(release), "cloud": "gcchigh", "replicas": 3}, kubeconfig=kubeconfig)
    assert filled(api, release) == there
    deployment = api.get(f"/apis/apps/v1/namespaces/{release}/deployments/{release}").expect().json["spec"]
    assert deployment["replicas"] == 3
    assert "--cloud=gcchigh" in deployment["template"]["spec"]["containers"][0]["args"]
    helm("uninstall", release, "--namespace", release, kubeconfig=kubeconfig)
    assert left(control_plane, release) == []


def test_what_check_says_puts_a_selector_back_that_somebody_changed(control_plane: Cluster, release: str) -> None:
    """Server-side apply refuses to overwrite it until it is told to; then it does, and leaves the authority alone."""
    api, kubeconfig = control_plane.api, control_plane.kubeconfig
    where = (release, str(CHART), "--namespace", release)
    helm("install", *where, values=only_in(release), kubeconfig=kubeconfig)
    there = fill(api, release)
    (before,) = api.get(f"{CONFIGURATIONS}/{release}").expect().json["webhooks"]
    selector = {"matchLabels": {"inject": "yes", "azure.workload.identity/use": None}}
    change = [{"name": before["name"], "objectSelector": selector}]
    api.patch(f"{CONFIGURATIONS}/{release}", {"webhooks": change}, headers=MERGE).expect()
    with pytest.raises(Refused, match="conflict"):
        helm("upgrade", *where, values=only_in(release), kubeconfig=kubeconfig)
    assert "--force-conflicts" in restore(None)
    helm("upgrade", *where, "--force-conflicts", values=only_in(release), kubeconfig=kubeconfig)
    (after,) = api.get(f"{CONFIGURATIONS}/{release}").expect().json["webhooks"]
    assert after["objectSelector"] == before["objectSelector"]
    assert filled(api, release) == there


def publish(cluster: Cluster, name: str) -> str:
    """Publishes an authority as the webhook does, by its own adapter. Returns the caBundle."""
    certificate = Authority().certificate

    async def publish() -> None:
        async with Kube(cluster.kubeconfig) as kube:
            configuration = KubeConfiguration(kube, name)
            there = await configuration.get()
            await configuration.patch({"labelled.m365.workload.identity": certificate}, version=there.version)

    asyncio.run(publish())
    return base64.b64encode(certificate).decode()


def test_the_mode_of_certificates_is_changed_in_both_directions(control_plane: Cluster, release: str) -> None:
    """As docs/certificates.md says: to a caBundle of one's own by --force-conflicts, and back without it."""
    kubeconfig = control_plane.kubeconfig
    where = (release, str(CHART), "--namespace", release)
    own = base64.b64encode(Authority().certificate).decode()
    files = {**only_in(release), "certificates": {"mode": "files", "secretName": "own", "caBundle": own}}
    helm("install", *where, values=only_in(release), kubeconfig=kubeconfig)
    publish(control_plane, release)
    with pytest.raises(Refused, match=r'conflict with "m365-workload-identity"'):
        helm("upgrade", *where, values=files, kubeconfig=kubeconfig)
    helm("upgrade", *where, "--force-conflicts", values=files, kubeconfig=kubeconfig)
    assert published(control_plane.api, release) == own
    helm("upgrade", *where, values=only_in(release), kubeconfig=kubeconfig)
    assert published(control_plane.api, release) is None, "until a replica publishes its own"
    bundle = publish(control_plane, release)
    helm("upgrade", *where, values={**only_in(release), "cloud": "gcchigh"}, kubeconfig=kubeconfig)
    assert published(control_plane.api, release) == bundle


@pytest.mark.parametrize("how", ["--server-side=true", "--server-side=false"], ids=["as Helm 4", "as Helm 3"])
def test_autoscaling_enabled_later_begins_with_one_replica(control_plane: Cluster, release: str, how: str) -> None:
    """As docs/install.md warns: without a number of replicas, kube-apiserver's default is one."""
    if not control_plane.has_controllers:
        pytest.skip("no controller scales a Deployment here")

    def scaled(end: str) -> bool:
        events = control_plane.api.get(f"/api/v1/namespaces/{release}/events").expect().json["items"]
        return any(each["reason"] == "ScalingReplicaSet" and each["message"].endswith(end) for each in events)

    where = (release, str(CHART), "--namespace", release, how)
    helm("install", *where, values={**only_in(release), "replicas": 3}, kubeconfig=control_plane.kubeconfig)
    wait_until(lambda: scaled("from 0 to 3"), "three replicas")
    autoscaling = {**only_in(release), "autoscaling": {"enabled": True}}
    helm("upgrade", *where, values=autoscaling, kubeconfig=control_plane.kubeconfig)

    wait_until(lambda: scaled("from 3 to 1"), "two replicas away")
    wait_until(lambda: scaled("from 1 to 2"), "the autoscaler")


def left(cluster: Cluster, name: str) -> list[str]:
    """What a cluster still has of an installation."""
    kinds = (
        "deployments,services,secrets,serviceaccounts,roles,rolebindings,poddisruptionbudgets,configmaps,"
        "clusterroles,clusterrolebindings,mutatingwebhookconfigurations,validatingadmissionpolicies,"
        "validatingadmissionpolicybindings"
    )
    selector = f"app.kubernetes.io/instance={name}"
    return cluster.kubectl("get", kinds, "-n", name, "-l", selector, "-o", "name").stdout.split()


@pytest.mark.parametrize(
    "how", [("--server-side", "--field-manager=kustomize-controller"), ()], ids=["server-side, as Flux", "as kubectl"]
)
def test_manifests_applied_again_leave_the_authority_alone(
    control_plane: Cluster, namespace: str, how: tuple[str, ...]
) -> None:
    """With no conflict, and with the change that was made."""
    first = render(only_in(namespace), namespace=namespace, more=("--skip-tests",))
    changed = render({**only_in(namespace), "cloud": "dod"}, namespace=namespace, more=("--skip-tests",))
    try:
        control_plane.kubectl("apply", *how, "-f", "-", input=first)
        there = fill(control_plane.api, namespace)
        control_plane.kubectl("apply", *how, "-f", "-", input=changed)
        assert filled(control_plane.api, namespace) == there
        difference = control_plane.kubectl("diff", *how, "-f", "-", input=changed, check=False)
        assert (difference.returncode, difference.stdout) == (0, "")
    finally:
        control_plane.kubectl("delete", "--ignore-not-found", "-f", "-", input=first)


def test_the_plain_manifests_are_one_command(control_plane: Cluster) -> None:
    """A first `kubectl apply` of each makes the namespace before what is in it."""
    for path in (CHART.parent / name for name in PLAIN.values()):
        kinds = re.findall(r"^kind: (\w+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert kinds[0] == "Namespace"
        done = control_plane.kubectl("apply", "--dry-run=client", "--validate=strict", "-f", str(path))
        assert len(done.stdout.splitlines()) == len(kinds)
