"""`python -m webhook check` on a real cluster, broken in every way that it knows."""

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from certs.pem import bundle_pem
from demo.server import Running, running
from testbed.cluster.cluster import Cluster
from testbed.cluster.kubeconfig import Access, render
from testbed.cluster.pods import CLIENT_ID, a_pod, make_account
from testbed.cluster.processes import wait_until
from testbed.cluster.registration import CONFIGURATIONS
from tests.commands.live import Change, another_webhook, authority, check, endpoint, ours, pair, registered, run, silent

OUR_SERVICE = "m365-workload-identity"
ENTRY = "labelled.m365.workload.identity"
RBAC = "/apis/rbac.authorization.k8s.io/v1"


@pytest.fixture
def own(control_plane: Cluster) -> Iterator[str]:
    """A namespace where the webhook could be installed."""
    name = control_plane.create_namespace(f"webhook-{secrets.token_hex(4)}")
    yield name
    control_plane.delete_namespace(name)


def calls(own: str, name: str = OUR_SERVICE, *, port: int = 443) -> Change:
    """Lets each entry call a Service."""

    def change(entry: dict[str, Any]) -> None:
        del entry["clientConfig"]["url"]
        entry["clientConfig"]["service"] = {"namespace": own, "name": name, "path": "/mutate", "port": port}

    return change


def make_service(cluster: Cluster, own: str, **spec: Any) -> None:
    """The webhook's Service."""
    body = {
        "metadata": {"name": OUR_SERVICE},
        "spec": {"ports": [{"port": 443}], "selector": {"app": "webhook"}, **spec},
    }
    cluster.api.post(f"/api/v1/namespaces/{own}/services", body).expect()


def test_a_pod_that_is_injected_means_that_all_is_well(
    control_plane: Cluster, namespace: str, live_webhook: Running
) -> None:
    """A pod is injected by dry run, the ServiceAccount says who it is; exit code 0, nothing left behind."""
    make_account(control_plane, namespace)
    with ours(control_plane, live_webhook) as name:
        done = check(control_plane, namespace, "--service-account", "terraform")
        as_json = check(control_plane, namespace, "--service-account", "terraform", "-o", "json")
    assert done.code == 0, done.out
    assert f"{name} has {ENTRY}: scope pod-label" in done.finding("configuration", "ok")
    assert "is injected" in done.finding("call", "ok")
    assert CLIENT_ID in done.finding("account", "ok")
    assert "All is well." in done.out
    assert as_json.json["status"] == "ok"
    assert as_json.json["restart"] == []
    assert control_plane.api.get(f"/api/v1/namespaces/{namespace}/pods").expect().json["items"] == []


def test_without_an_installation_the_fix_is_helm_install(control_plane: Cluster, namespace: str) -> None:
    """`helm upgrade` would fail, so the fix is `helm install`."""
    found = check(control_plane, namespace, "--own-namespace", namespace).finding("configuration")
    assert f"The webhook is not installed: Service {namespace}/{OUR_SERVICE} does not exist" in found
    assert f"fix: helm install m365-workload-identity manifests/chart -n {namespace}" in found


def test_a_missing_webhook_configuration_is_found(control_plane: Cluster, namespace: str, own: str) -> None:
    """kube-apiserver calls no webhook, although one is installed."""
    make_service(control_plane, own)
    done = check(control_plane, namespace, "--own-namespace", own)
    assert done.code == 1
    found = done.finding("configuration")
    assert "No MutatingWebhookConfiguration has an entry of the webhook" in found
    assert "fix: helm upgrade" in found
    assert "No pod was created" in done.finding("call", "skip")


def test_a_second_webhook_configuration_is_warned_about(
    control_plane: Cluster, namespace: str, live_webhook: Running
) -> None:
    """An older installation left it: pods still get their identity, so it is a warning."""
    with ours(control_plane, live_webhook) as name:
        with registered(
            control_plane.api,
            "https://127.0.0.1:1/",
            change=lambda entry: entry.update(objectSelector={"matchLabels": {"none": "x"}}),
        ) as other:
            done = check(control_plane, namespace, "--configuration", name)
    assert done.code == 0, done.out
    assert done.finding("configuration", "warn").endswith(f"kubectl delete mutatingwebhookconfiguration {other}")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"namespaceSelector": {"matchLabels": {"team": "other"}}}, "its namespaceSelector leaves out namespace"),
        ({"objectSelector": {"matchLabels": {"inject": "yes"}}}, "its objectSelector leaves out the pod's labels"),
        (
            {"rules": [{"operations": ["UPDATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}]},
            "its rules do not have CREATE of pods",
        ),
    ],
)
def test_an_entry_that_leaves_the_pod_out_is_found_with_the_reason(
    control_plane: Cluster, namespace: str, change: Mapping[str, Any], reason: str
) -> None:
    """Somebody changed a selector or a rule; pods are admitted without a change."""
    with registered(control_plane.api, "https://127.0.0.1:1/", change=lambda entry: entry.update(change)):
        done = check(control_plane, namespace)
        admitted = control_plane.api.post(
            f"/api/v1/namespaces/{namespace}/pods", a_pod(account="default"), params={"dryRun": "All"}
        )
    assert done.code == 1
    assert admitted.status == 201
    assert reason in done.finding("selection")
    assert "helm upgrade" in done.finding("selection")


def test_a_namespace_that_is_left_out_on_purpose(control_plane: Cluster) -> None:
    """kube-system is never touched."""
    with registered(control_plane.api, "https://127.0.0.1:1/"):
        found = check(control_plane, "kube-system").finding("selection")
    assert "leaves out namespace kube-system" in found
    assert "move the workload to another namespace" in found


def test_a_namespace_that_does_not_exist(control_plane: Cluster) -> None:
    """A typing error in -n."""
    with registered(control_plane.api, "https://127.0.0.1:1/"):
        found = check(control_plane, "no-such-namespace").finding("call")
    assert "Namespace no-such-namespace does not exist" in found
    assert "kubectl create namespace" in found


def test_a_missing_service_is_found(control_plane: Cluster, namespace: str, own: str) -> None:
    """Uninstalled, but for the configuration."""
    with registered(control_plane.api, "https://x/", change=calls(own)) as name:
        found = check(control_plane, namespace).finding("call")
    assert f"Service {own}/{OUR_SERVICE} does not exist" in found
    assert f"kubectl delete mutatingwebhookconfiguration {name}" in found


def test_a_service_without_the_port_of_the_entry_is_found(control_plane: Cluster, namespace: str, own: str) -> None:
    """Service and configuration disagree."""
    make_service(control_plane, own)
    with registered(control_plane.api, "https://x/", change=calls(own, port=9443)):
        found = check(control_plane, namespace).finding("call")
    assert f"Service {own}/{OUR_SERVICE} has no port 9443" in found
    assert "helm upgrade" in found


def test_a_service_without_endpoints_is_found_with_its_pods(control_plane: Cluster, namespace: str, own: str) -> None:
    """The Deployment is gone, or no pod gets ready: the pods are named with the reason."""
    make_service(control_plane, own)
    with registered(control_plane.api, "https://x/", change=calls(own)):
        nothing = check(control_plane, namespace).finding("call")
        pod = a_pod("webhook-0", account="default", labels={"app": "webhook"})
        control_plane.api.post(f"/api/v1/namespaces/{own}/pods", pod).expect()
        not_ready = check(control_plane, namespace).finding("call")
    assert f"Service {own}/{OUR_SERVICE} has no ready endpoints; it has no pods and no Deployment [" in nothing
    assert "fix: helm upgrade" in nothing
    assert "1 of its 1 pods not ready (webhook-0: Pending)" in not_ready
    assert not_ready.endswith(f"fix: kubectl get pods -n {own}; kubectl describe pod -n {own} webhook-0")


def test_a_refused_connection_is_told_as_one(control_plane: Cluster, namespace: str) -> None:
    """No program listens on the port."""
    with registered(control_plane.api, "https://127.0.0.1:1/mutate"):
        done = check(control_plane, namespace)
    assert done.code == 1
    assert "Nothing listens at https://127.0.0.1:1/mutate: connection refused [" in done.finding("call")


def test_a_name_that_leads_nowhere(control_plane: Cluster, namespace: str) -> None:
    """The control plane's network does not reach the webhook."""
    with registered(control_plane.api, "https://nowhere.invalid/mutate"):
        found = check(control_plane, namespace).finding("call")
    assert "kube-apiserver cannot reach https://nowhere.invalid/mutate" in found
    assert "firewall" in found


def answering(status: int, body: bytes = b"") -> Callable[[str], tuple[int, bytes, Mapping[str, str]]]:
    """A server that says the same to everything."""
    return lambda _: (status, body, {"Content-Type": "text/plain"})


@pytest.mark.parametrize(
    ("trusted", "reason"),
    [
        ("another", "signed by an authority that is not in caBundle"),
        ("nobody", "its caBundle is empty"),
        ("expired", "the last authority in its caBundle expired on"),
    ],
)
def test_a_ca_bundle_that_does_not_trust_the_certificate_is_found(
    control_plane: Cluster, namespace: str, trusted: str, reason: str
) -> None:
    """caBundle is another's, empty, or of an authority that has expired."""
    signer = authority()
    other = authority(days_ago=5, days_left=-1) if trusted == "expired" else authority()
    bundle = b"" if trusted == "nobody" else bundle_pem([other.certificate])
    with endpoint(pair(signer), answering(200)) as port:
        with registered(control_plane.api, f"https://127.0.0.1:{port}/mutate", bundle):
            found = check(control_plane, namespace).finding("call")
    assert "kube-apiserver does not trust the certificate" in found
    assert reason in found
    assert "`m365wi certs`" in found


def test_an_expired_certificate_is_found(control_plane: Cluster, namespace: str) -> None:
    """The leaf ended; the authority is trusted."""
    signer = authority(days_ago=5)
    with endpoint(pair(signer, expired=True), answering(200)) as port:
        with registered(control_plane.api, f"https://127.0.0.1:{port}/mutate", signer.pem.encode()):
            found = check(control_plane, namespace).finding("call")
    assert "expired on 20" in found
    assert "compare the clocks" in found


def test_a_certificate_for_another_name(control_plane: Cluster, namespace: str) -> None:
    """Issued for a Service of another name."""
    signer = authority()
    with endpoint(pair(signer, "elsewhere.example"), answering(200)) as port:
        with registered(control_plane.api, f"https://127.0.0.1:{port}/mutate", signer.pem.encode()):
            found = check(control_plane, namespace).finding("call")
    assert "is for another name" in found
    assert "--extra-names" in found


def test_an_entry_with_the_port_of_the_probes_is_found(control_plane: Cluster, namespace: str) -> None:
    """A port that speaks no TLS."""
    with endpoint(None, answering(200)) as port:
        with registered(control_plane.api, f"https://127.0.0.1:{port}/mutate"):
            found = check(control_plane, namespace).finding("call")
    assert "answers without TLS" in found
    assert "9443" in found


def test_a_webhook_that_does_not_answer_in_time_is_found(control_plane: Cluster, namespace: str) -> None:
    """A firewall that drops, or a webhook that hangs."""
    with silent() as port:
        with registered(control_plane.api, f"https://127.0.0.1:{port}/mutate", timeout_seconds=1):
            found = check(control_plane, namespace).finding("call")
    assert "did not answer within 1 s" in found
    assert "NetworkPolicies" in found


@pytest.mark.parametrize(
    ("status", "body", "sentence", "fix"),
    [
        (500, b"internal error: see the webhook's log\n", "failed with an internal error", "report it"),
        (404, b"not found\n", "does not know the path", "/mutate"),
        (200, b"{}", "is not this webhook", "clientConfig"),
        (503, b"not ready\n", "answers that it cannot decide (HTTP 503)", "/readyz"),
    ],
)
def test_answers_that_are_not_reviews(
    control_plane: Cluster, namespace: str, status: int, body: bytes, sentence: str, fix: str
) -> None:
    """kube-apiserver passes on little of them."""
    signer = authority()
    with endpoint(pair(signer), answering(status, body)) as port:
        with registered(control_plane.api, f"https://127.0.0.1:{port}/mutate", signer.pem.encode()):
            found = check(control_plane, namespace).finding("call")
    assert sentence in found
    assert fix in found


def test_not_mutated_because_failures_are_ignored(control_plane: Cluster, namespace: str, own: str) -> None:
    """Pods are admitted without an identity and without an error; `check` says why."""
    make_service(control_plane, own)

    def change(entry: dict[str, Any]) -> None:
        calls(own)(entry)
        entry["failurePolicy"] = "Ignore"

    with registered(control_plane.api, "https://x/", change=change):
        found = check(control_plane, namespace).finding("call")
    assert "is admitted without an identity: failurePolicy" in found
    assert "has no ready endpoints" in found
    assert "with failurePolicy Fail" in found


def test_a_webhook_whose_own_settings_leave_the_pod_out_is_found(
    control_plane: Cluster, namespace: str, tmp_path: Path
) -> None:
    """Its own settings leave the namespace out although the selectors do not."""
    with another_webhook(control_plane, tmp_path, "--own-namespace", namespace):
        found = check(control_plane, namespace).finding("call")
    assert "the webhook was called and did not change it" in found
    assert "--own-namespace" in found


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"failurePolicy": "Ignore"}, "WI616"),
        ({"objectSelector": {}}, "WI617"),
        ({"objectSelector": {}, "namespaceSelector": {}}, "WI618"),
        ({"reinvocationPolicy": "Never"}, "WI619"),
    ],
)
def test_what_goes_wrong_only_on_a_bad_day_is_a_warning(
    control_plane: Cluster, namespace: str, live_webhook: Running, change: Mapping[str, Any], code: str
) -> None:
    """Somebody changed the configuration by hand. Pods are injected as before, so only `check` shows it."""
    with ours(control_plane, live_webhook, change=lambda entry: entry.update(change)) as name:
        scope = {"metadata": {"annotations": {"m365.workload.identity/scope": "pod-label"}}}
        control_plane.api.patch(f"{CONFIGURATIONS}/{name}", scope).expect()
        done = check(control_plane, namespace)
    assert done.code == 0, done.out
    assert f"[{code}]" in done.finding("configuration", "warn")
    assert done.out.endswith("It works; somebody should look at the warnings.\n")


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("'x' in object.metadata.labels", "only for pods that meet them: none: 'x' in object.metadata.labels [WI668]"),
        ("object.metadata.name == 'x'", "no such key: name [WI678]"),
    ],
)
def test_conditions_that_leave_the_pod_out_are_shown(
    control_plane: Cluster, namespace: str, live_webhook: Running, expression: str, said: str
) -> None:
    """The chart has one, about mirror pods; what another one means, its author knows."""

    def change(entry: dict[str, Any]) -> None:
        entry["matchConditions"].append({"name": "none", "expression": expression})

    with ours(control_plane, live_webhook, change=change):
        found = check(control_plane, namespace).finding("call")
    assert said in found


def test_another_webhook_is_broken(control_plane: Cluster, namespace: str, live_webhook: Running) -> None:
    """It is named, with its documentation as the fix."""

    def change(entry: dict[str, Any]) -> None:
        entry["name"] = "guard.example.com"

    with ours(control_plane, live_webhook), registered(control_plane.api, "https://127.0.0.1:1/guard", change=change):
        found = check(control_plane, namespace).finding("call")
    assert "Another webhook, guard.example.com, cannot be called" in found
    assert "see the documentation of guard.example.com" in found


def test_a_quota_that_refuses_the_pod_is_not_the_webhooks_fault(
    control_plane: Cluster, namespace: str, live_webhook: Running
) -> None:
    """The reason has nothing to do with any webhook."""
    spec = {"spec": {"hard": {"pods": "0"}}, "metadata": {"name": "none"}}
    control_plane.api.post(f"/api/v1/namespaces/{namespace}/resourcequotas", spec).expect()

    pods = f"/api/v1/namespaces/{namespace}/pods"

    def is_refused() -> bool:
        answer = control_plane.api.post(pods, a_pod(account="default"), params={"dryRun": "All"})
        return "exceeded quota" in answer.message

    wait_until(is_refused, "the quota in force")
    with ours(control_plane, live_webhook):
        found = check(control_plane, namespace).finding("call")
    assert "for a reason that has nothing to do with the webhook" in found
    assert "exceeded quota" in found


def test_the_user_is_missing_rights(control_plane: Cluster, namespace: str, live_webhook: Running) -> None:
    """What they may not read is skipped, with the right that is missing; a pod that they may not create is an error."""
    with ours(control_plane, live_webhook):
        kubeconfig = control_plane.kubeconfig_for_account(namespace, "default")
        done = check(control_plane, namespace, "--service-account", "default", kubeconfig=kubeconfig)
    assert done.code == 1
    assert "You may not read mutatingwebhookconfigurations" in done.finding("configuration", "skip")
    assert f"You may not create pods in namespace {namespace}" in done.finding("call")
    user = f"--user=system:serviceaccount:{namespace}:default"
    assert done.finding("call").endswith(
        f"kubectl create rolebinding m365-check --clusterrole=edit -n {namespace} {user}"
    )
    assert "Something is wrong. Not looked at: mutatingwebhookconfigurations, serviceaccounts." in done.out
    assert "You may not read serviceaccounts" in done.finding("account", "skip")


@contextmanager
def bound_role(cluster: Cluster, own: str) -> Iterator[None]:
    """ServiceAccount `webhook` may read ServiceAccounts of the whole cluster."""
    role = {
        "metadata": {"name": own},
        "rules": [{"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["get"]}],
    }
    binding = {
        "metadata": {"name": own},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": own},
        "subjects": [{"kind": "ServiceAccount", "name": "webhook", "namespace": own}],
    }
    with ExitStack() as stack:
        for resource, body in (("clusterroles", role), ("clusterrolebindings", binding)):
            cluster.api.post(f"{RBAC}/{resource}", body).expect()
            stack.callback(lambda path: cluster.api.delete(path).expect(200, 404), f"{RBAC}/{resource}/{own}")
        yield


def test_the_webhook_is_missing_rights(control_plane: Cluster, namespace: str, own: str, tmp_path: Path) -> None:
    """Its ClusterRoleBinding is gone: it answers 503, and RBAC says why."""
    api, user = control_plane.api, f"system:serviceaccount:{own}:webhook"
    make_account(control_plane, namespace)
    make_account(control_plane, own, "webhook", annotations={})
    make_service(control_plane, own, type="ExternalName", externalName="localhost")
    pod = a_pod("webhook-0", account="webhook", labels={"app": "webhook"})
    api.post(f"/api/v1/namespaces/{own}/pods", pod).expect()
    signer = authority()
    served = tmp_path / "served.pem"
    served.write_bytes(pair(signer, f"{OUR_SERVICE}.{own}.svc").private_pem())
    with ExitStack() as stack:
        stack.enter_context(bound_role(control_plane, own))
        kubeconfig = control_plane.kubeconfig_for_account(own, "webhook")
        process = stack.enter_context(running(tmp_path, ["--kubeconfig", str(kubeconfig), "--tls-cert", str(served)]))
        change = calls(own, port=process.port)
        ports = {"spec": {"ports": [{"port": process.port}]}}
        api.patch(f"/api/v1/namespaces/{own}/services/{OUR_SERVICE}", ports).expect()
        stack.enter_context(registered(api, "https://x/", signer.pem.encode(), change=change, timeout_seconds=4))
        # That the Service has another port, and the webhook its rights, kube-apiserver hears by and by.
        wait_until(lambda: "is injected" in check(control_plane, namespace).out, "pods are injected")
        api.delete(f"{RBAC}/clusterrolebindings/{own}").expect()
        reading = ("get", "serviceaccounts")
        wait_until(lambda: not control_plane.allows(user, *reading, namespace=namespace), "RBAC forbids it")
        found = check(control_plane, namespace).finding("call")
    assert f"RBAC forbids {user} to `get` serviceaccounts" in found
    assert "ClusterRoleBinding" in found


def test_the_api_server_cannot_be_reached(tmp_path: Path) -> None:
    """One finding, no traceback."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(render(Access("https://127.0.0.1:1", None, token="a")))
    done = run("check", "--kubeconfig", str(kubeconfig))
    assert done.code == 1
    assert "The API server cannot be reached" in done.finding("cluster")


def test_pods_without_the_label_have_an_entry_of_their_own(
    control_plane: Cluster, namespace: str, tmp_path: Path
) -> None:
    """In scope cluster it ignores failures, so only `check` shows a caBundle that is wrong there."""
    make_account(control_plane, namespace)

    def spoil(entry: dict[str, Any]) -> None:
        if entry["failurePolicy"] == "Ignore":
            entry["clientConfig"]["caBundle"] = ""

    with another_webhook(control_plane, tmp_path, "--scope", "cluster", scope="cluster", change=spoil):
        done = check(control_plane, namespace, "--service-account", "terraform")
    assert done.code == 1
    assert "A labelled pod" in done.finding("call", "ok")
    found = done.finding("call")
    assert "A pod without the label is admitted without an identity" in found
    assert "failurePolicy of unlabelled.m365.workload.identity is Ignore" in found
    assert "its caBundle is empty" in found
