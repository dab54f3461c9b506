"""The rights that the chart gives: exactly those of docs/certificates.md, and enough."""

from __future__ import annotations

import base64
import re
import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest
import yaml

from testbed.chart.helm import CHART, NAME
from testbed.cluster.api import Api, Response
from testbed.cluster.cluster import Cluster
from testbed.cluster.pki import Authority
from testbed.cluster.processes import wait_until
from tests.chart.objects import container, installed, one, some

pytestmark = pytest.mark.slow

CONFIGURATIONS: Final = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
REVIEWS: Final = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
PAGE: Final = CHART.parents[1] / "docs" / "certificates.md"
READ_ACCOUNTS: Final = {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["get"]}
TRUST: Final = {
    "apiGroups": ["admissionregistration.k8s.io"],
    "resources": ["mutatingwebhookconfigurations"],
    "resourceNames": [NAME],
    "verbs": ["get", "patch"],
}
KEEP: Final = {
    "apiGroups": [""],
    "resources": ["secrets"],
    "resourceNames": [f"{NAME}-ca"],
    "verbs": ["get", "update", "patch", "create"],
}


def test_the_rights_are_these_and_no_others() -> None:
    """Every ServiceAccount may be read; of Secrets and configurations one each, by name."""
    objects = installed()
    assert one(objects, "ClusterRole")["rules"] == [READ_ACCOUNTS, TRUST]
    assert one(objects, "Role")["rules"] == [KEEP]


def test_the_rights_are_those_of_the_documentation() -> None:
    """Rule by rule, whatever the names there."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    documented = [rule for block in blocks for each in yaml.safe_load_all(block) for rule in each.get("rules", [])]

    def without_names(rule: dict[str, Any]) -> dict[str, Any]:
        return {**rule, "resourceNames": len(rule["resourceNames"])}

    assert [without_names(rule) for rule in documented] == [without_names(KEEP), without_names(TRUST)]


@pytest.mark.parametrize("mode", ["cert-manager", "files"])
def test_with_certificates_of_others_only_accounts_are_read(mode: str) -> None:
    """No Secret, no configuration: the kubelet mounts one, somebody else writes the other."""
    objects = installed({"certificates": {"mode": mode, "secretName": "pair"}})
    assert one(objects, "ClusterRole")["rules"] == [READ_ACCOUNTS]
    assert some(objects, "Role") == some(objects, "Secret") == []


@pytest.mark.parametrize("mode", ["self-managed", "cert-manager", "files"])
def test_the_webhook_knows_the_service_that_its_certificate_is_for(mode: str) -> None:
    """Whatever it is called: a pair of others that is not for it is refused."""
    objects = installed({"name": "another", "certificates": {"mode": mode, "secretName": "pair"}})
    assert f"--service={one(objects, 'Service')['metadata']['name']}" in container(objects)["args"]


def test_the_bindings_bind_only_the_webhook() -> None:
    """Each has one subject: the Deployment's ServiceAccount, whose token no other pod gets by default."""
    objects = installed()
    account = one(objects, "ServiceAccount")
    for binding in (one(objects, "ClusterRoleBinding"), one(objects, "RoleBinding")):
        (subject,) = binding["subjects"]
        assert (subject["kind"], subject["name"]) == ("ServiceAccount", account["metadata"]["name"])
        assert subject["namespace"] == account["metadata"]["namespace"]
    assert one(objects, "Deployment")["spec"]["template"]["spec"]["serviceAccountName"] == account["metadata"]["name"]
    assert account["automountServiceAccountToken"] is False


@pytest.fixture
def bound(control_plane: Cluster, namespace: str) -> Iterator[Api]:
    """A client of the webhook's ServiceAccount, with what the chart gives it, called as its namespace is."""
    objects = installed({"name": namespace}, namespace=namespace, name=namespace)
    left_out = ("Deployment", "Service", "PodDisruptionBudget", "MutatingWebhookConfiguration")
    wanted = [each for each in objects if each["kind"] not in left_out]
    configuration = one(objects, "MutatingWebhookConfiguration")
    for entry in configuration["webhooks"]:
        entry["objectSelector"] = {"matchLabels": {"only": namespace}}
    manifest = yaml.safe_dump_all([*wanted, configuration])
    control_plane.kubectl("apply", "-f", "-", input=manifest)
    client = control_plane.client(control_plane.kubeconfig_for_account(namespace, namespace))
    try:
        wait_until(lambda: may_read(client, namespace), "its rights, which kube-apiserver hears of by and by")
        yield client
    finally:
        control_plane.kubectl("delete", "--ignore-not-found", "--wait=false", "-f", "-", input=manifest)


def may_read(client: Api, namespace: str) -> bool:
    """Whether each of its three rules is in force."""
    secret = f"/api/v1/namespaces/{namespace}/secrets/{namespace}-ca"
    account = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
    return all(client.get(path).status == 200 for path in (secret, account, f"{CONFIGURATIONS}/{namespace}"))


def rules(client: Api, namespace: str) -> set[tuple[str, ...]]:
    """What a client may do in a namespace, cluster-wide rules included: each rule as one sorted tuple."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    status = client.post(REVIEWS, review).expect().json["status"]
    found: set[tuple[str, ...]] = set()
    for rule in (*status["resourceRules"], *status["nonResourceRules"]):
        names = rule.get("resourceNames") or ["*"]
        things = rule.get("resources") or rule.get("nonResourceURLs")
        found.add((",".join(sorted(rule["verbs"])), ",".join(sorted(things)), ",".join(names)))
    return found


def test_on_a_cluster_it_may_do_just_that(control_plane: Cluster, namespace: str, bound: Api) -> None:
    """Compared with a ServiceAccount without any grant, in its own namespace and in another."""
    plain = control_plane.client(control_plane.kubeconfig_for_account(namespace, "default"))
    everywhere = {
        ("get", "serviceaccounts", "*"),
        ("get,patch", "mutatingwebhookconfigurations", namespace),
    }
    here = {("create,get,patch,update", "secrets", f"{namespace}-ca")}
    assert rules(bound, namespace) - rules(plain, namespace) == everywhere | here
    assert rules(bound, "kube-system") - rules(plain, "kube-system") == everywhere


def test_on_a_cluster_that_is_enough(control_plane: Cluster, namespace: str, bound: Api) -> None:
    """To read an account, to keep the authority, to publish it; and for nothing beside."""
    bound.get("/api/v1/namespaces/kube-system/serviceaccounts/default").expect(200)
    folder = f"/api/v1/namespaces/{namespace}/secrets"
    secret = bound.get(f"{folder}/{namespace}-ca").expect(200).json
    assert not secret.get("data")
    bound.put(f"{folder}/{namespace}-ca", {**secret, "data": {"ca.crt": "cGVt"}}).expect(200)
    publish(bound, namespace).expect(200)
    control_plane.api.delete(f"{folder}/{namespace}-ca").expect(200)
    apply(bound, namespace, f"{namespace}-ca").expect(201)

    for answer in (
        bound.get("/api/v1/namespaces/kube-system/serviceaccounts"),
        bound.get(folder),
        bound.post(folder, {"metadata": {"name": "another"}}),
        bound.post(folder, {"metadata": {"name": f"{namespace}-ca"}}),
        apply(bound, namespace, "another"),
        apply(bound, "kube-system", f"{namespace}-ca"),
        bound.delete(f"{folder}/{namespace}-ca"),
        bound.get("/api/v1/namespaces/kube-system/secrets/any"),
        bound.get(CONFIGURATIONS),
        bound.delete(f"{CONFIGURATIONS}/{namespace}"),
        bound.patch(f"{CONFIGURATIONS}/another", {"webhooks": []}),
        bound.get(f"/api/v1/namespaces/{namespace}/pods"),
        bound.post(f"/api/v1/namespaces/{namespace}/serviceaccounts/default/token", {}),
    ):
        assert answer.status == 403, answer.message


def test_on_a_cluster_one_of_five_makes_the_secret(control_plane: Cluster, namespace: str, bound: Api) -> None:
    """Who applies second owns no field and forces nothing: a conflict, and what the first one wrote stands."""
    path = f"/api/v1/namespaces/{namespace}/secrets/{namespace}-ca"
    for _ in range(3):
        control_plane.api.delete(path).expect(200)
        together = threading.Barrier(5)

        def create(together: threading.Barrier = together) -> Response:
            bound.get(path).expect(404)  # opens this thread's connection
            together.wait()
            return apply(bound, namespace, f"{namespace}-ca")

        with ThreadPoolExecutor(5) as replicas:
            answers = [each.result() for each in [replicas.submit(create) for _ in range(5)]]
        assert sorted(answer.status for answer in answers) == [201, 409, 409, 409, 409]
        (made,) = (answer.json["data"] for answer in answers if answer.status == 201)
        assert bound.get(path).expect(200).json["data"] == made


def apply(client: Api, namespace: str, name: str) -> Response:
    """A Secret with content of its own, sent as the webhook creates one."""
    data = {key: base64.b64encode(secrets.token_bytes(8)).decode() for key in ("ca.crt", "ca.key", "state.json")}
    return client.patch(
        f"/api/v1/namespaces/{namespace}/secrets/{name}",
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "Opaque", "data": data},
        headers={"Content-Type": "application/apply-patch+yaml"},
        params={"fieldManager": secrets.token_hex(8)},
    )


def publish(client: Api, name: str, **changed: Any) -> Response:
    """A new caBundle, sent as the webhook sends it, and whatever else of the entry is `changed`."""
    bundle = base64.b64encode(Authority().certificate).decode()
    entry = {"name": "labelled.m365.workload.identity", "clientConfig": {"caBundle": bundle}, **changed}
    return patch(client, name, {"webhooks": [entry]})


def patch(client: Api, name: str, document: dict[str, Any]) -> Response:
    """A strategic merge patch of a webhook configuration."""
    headers = {"Content-Type": "application/strategic-merge-patch+json"}
    return client.patch(f"{CONFIGURATIONS}/{name}", document, headers=headers)


REFUSAL: Final = "may change only caBundle of a webhook configuration"

# What a replica in the wrong hands might want of the configuration.
WISHES: Final[dict[str, dict[str, Any]]] = {
    "every Secret": {
        "rules": [{"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"], "scope": "*"}]
    },
    "every namespace": {"namespaceSelector": None},
    "every pod": {"objectSelector": {"$patch": "replace"}},
    "another address": {"clientConfig": {"service": None, "url": "https://192.0.2.1/"}},
    "another Service": {"clientConfig": {"service": {"name": "other", "namespace": "default"}}},
    "mirror pods": {"matchConditions": [{"$patch": "replace"}]},
    "more time": {"timeoutSeconds": 30},
    "not to be missed": {"failurePolicy": "Ignore"},
}


def test_on_a_cluster_it_may_change_the_bundle_and_nothing_else(
    control_plane: Cluster, namespace: str, bound: Api
) -> None:
    """A policy goes on where RBAC ends: of its own configuration it may change caBundle alone; others, all of it."""

    def restricted() -> bool:
        return REFUSAL in publish(bound, namespace, timeoutSeconds=secrets.choice(range(6, 30))).message

    wait_until(restricted, "the policy in force")
    before = control_plane.api.get(f"{CONFIGURATIONS}/{namespace}").expect().json
    for wish, changed in WISHES.items():
        refused = publish(bound, namespace, **changed)
        assert refused.status == 403, wish
        assert REFUSAL in refused.message
    entry = {**before["webhooks"][0], "name": "another.m365.workload.identity"}
    for document in (
        {"webhooks": [entry]},
        {"metadata": {"annotations": {"cert-manager.io/inject-ca-from": "default/theirs"}}},
        {"metadata": {"labels": {"app.kubernetes.io/instance": "theirs"}}},
        {"metadata": {"finalizers": ["example.com/never"]}},
    ):
        assert patch(bound, namespace, document).status == 403, document
    after = control_plane.api.get(f"{CONFIGURATIONS}/{namespace}").expect().json
    assert after["webhooks"] == before["webhooks"]
    publish(bound, namespace).expect(200)
    publish(control_plane.api, namespace, timeoutSeconds=9).expect(200)


def test_the_restriction_is_where_there_is_something_to_restrict() -> None:
    """Not with certificates of others, and not against the platform engineer's will."""
    for values in ({"certificates": {"mode": "cert-manager"}}, {"selfRestriction": {"enabled": False}}):
        assert some(installed(values), "ValidatingAdmissionPolicy") == []
