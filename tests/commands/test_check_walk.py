"""`python -m webhook check` of a ServiceAccount and a workload of a real cluster, and of pods to be created again."""

import base64
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from demo.server import Running, running
from testbed.cluster.cluster import Cluster
from testbed.cluster.pods import CLIENT_ID, LABELLED, a_pod, annotated, create, make_account
from testbed.cluster.processes import wait_until
from testbed.cluster.registration import CONFIGURATIONS, settle
from testbed.cluster.states import preflight_failed
from tests.commands.live import Change, another_webhook, check, ours, registered

USE = "azure.workload.identity/use"
APPS = "/apis/apps/v1"


@pytest.fixture(scope="module")
def tenant_webhook(control_plane: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A webhook with a default tenant."""
    flags = ["--kubeconfig", str(control_plane.kubeconfig), "--tenant-id", "contoso.com"]
    with running(tmp_path_factory.mktemp("tenant"), flags) as process:
        yield process


@pytest.mark.parametrize(
    ("metadata", "status", "sentence", "fix"),
    [
        ({}, "FAIL", "has no client id", "kubectl annotate serviceaccount terraform"),
        (
            {"annotations": {**annotated(), "azure.workload.identity/client_id": "x"}},
            "warn",
            "unknown annotation client_id, did you mean client-id? [WI106]\n",
            " azure.workload.identity/client_id-",
        ),
        (
            {"annotations": {**annotated(), "azure.workload.identity/clouds": "dod"}},
            "warn",
            "unknown annotation azure.workload.identity/clouds, did you mean m365.workload.identity/cloud? [WI106]\n",
            "m365.workload.identity/cloud=dod azure.workload.identity/clouds-",
        ),
        (
            {"annotations": {"azure.workload.identity/client-id": "contoso-app"}},
            "FAIL",
            "expected the application's GUID",
            "kubectl annotate --overwrite serviceaccount terraform",
        ),
        (
            {"annotations": {**annotated(), "azure.workload.identity/skip-containers": "app"}},
            "warn",
            "has no effect on a ServiceAccount",
            "move it to the Pod; kubectl annotate serviceaccount terraform",
        ),
        (
            {"annotations": annotated(), "labels": LABELLED},
            "warn",
            "has no effect on a ServiceAccount: it belongs on the pods",
            "spec.template.metadata.labels",
        ),
        (
            {"annotations": annotated(), "labels": {"azure.workload.identity/client-id": CLIENT_ID}},
            "warn",
            "it is an annotation",
            "kubectl annotate serviceaccount terraform",
        ),
        (
            {"annotations": {"azure.workload.identity/client-id": CLIENT_ID}},
            "warn",
            "no tenant id",
            "--tenant-id",
        ),
    ],
)
def test_a_mistake_on_a_service_account_is_found(
    control_plane: Cluster,
    namespace: str,
    live_webhook: Running,
    metadata: dict[str, Any],
    status: str,
    sentence: str,
    fix: str,
) -> None:
    """Each is one finding with its fix; a warning does not fail the command."""
    body = {"metadata": {"name": "terraform", **metadata}}
    control_plane.api.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", body).expect()
    with ours(control_plane, live_webhook):
        done = check(control_plane, namespace, "--service-account", "terraform")
    assert done.code == (1 if status == "FAIL" else 0), done.out
    found = done.finding("account", status)
    assert sentence in found
    assert fix in found


@pytest.mark.parametrize(
    ("annotations", "status"),
    [
        ({"azure.workload.identity/clientid": CLIENT_ID}, "FAIL"),
        ({"azure.workload.identity/client-id": CLIENT_ID, "azure.workload.identity/client_id": "x"}, "warn"),
        (annotated() | {"azure.workload.identity/service-account-token-expiration": "5"}, "FAIL"),
        (annotated(cloud="gcc"), "warn"),
        (annotated(cloud="GCC High"), "FAIL"),
        (annotated(audience="of two words"), "FAIL"),
        (annotated(client_id="contoso-app"), "FAIL"),
        ({}, "FAIL"),
        (annotated(client_id="00000000-0000-0000-0000-000000000000"), "warn"),
        (annotated() | {"azure.workload.identity/use": "true"}, "warn"),
    ],
)
def test_the_fix_of_a_service_account_can_be_run_as_it_is(
    control_plane: Cluster, namespace: str, tenant_webhook: Running, annotations: dict[str, str], status: str
) -> None:
    """It has the key, and the value that is there or that is expected; one that only Entra knows is looked up there."""
    make_account(control_plane, namespace, annotations=annotations)
    with ours(control_plane, tenant_webhook):
        found = check(control_plane, namespace, "--service-account", "terraform").finding("account", status)
        assert "GUID" not in found.rpartition("fix: ")[2] or "az ad app list " in found
        command = found.rpartition("kubectl ")[2].partition(" (")[0].replace("=GUID", f"={CLIENT_ID}")
        control_plane.kubectl(*shlex.split(command))
        assert check(control_plane, namespace, "--service-account", "terraform").out.endswith("All is well.\n")


def test_a_tenant_in_the_settings_of_the_webhook_is_enough(
    control_plane: Cluster, namespace: str, tenant_webhook: Running
) -> None:
    """`check` reads it off the pod of the dry run."""
    make_account(control_plane, namespace, annotations={"azure.workload.identity/client-id": CLIENT_ID})
    with ours(control_plane, tenant_webhook):
        done = check(control_plane, namespace, "--service-account", "terraform")
    assert "All is well." in done.out
    assert f"application {CLIENT_ID} in tenant contoso.com" in done.finding("account", "ok")


def test_a_service_account_that_does_not_exist(control_plane: Cluster, namespace: str, live_webhook: Running) -> None:
    """kube-apiserver says so, and the fix is a command."""
    with ours(control_plane, live_webhook):
        done = check(control_plane, namespace, "--service-account", "terraform")
    assert f"ServiceAccount {namespace}/terraform does not exist" in done.finding("account")
    assert "kubectl create serviceaccount" in done.finding("call")


def deployment(
    *, labels: Mapping[str, str] | None = None, metadata: Mapping[str, Any] | None = None, replicas: int = 2
) -> dict[str, Any]:
    """A Deployment `web` as ServiceAccount `terraform`, with `labels` on its pods."""
    pod = a_pod(labels={"app": "web", **(LABELLED if labels is None else labels)})
    return {
        "metadata": {"name": "web", **(metadata or {})},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": pod["metadata"]["labels"]}, "spec": pod["spec"]},
        },
    }


def make_deployment(cluster: Cluster, namespace: str, document: Mapping[str, Any]) -> list[str]:
    """Creates it and waits for its pods; their names."""
    if not cluster.has_controllers:
        pytest.skip("no controller creates the pods of a Deployment here")
    cluster.api.post(f"{APPS}/namespaces/{namespace}/deployments", document).expect()
    wait_until(lambda: len(living(cluster, namespace)) == document["spec"]["replicas"], "the pods")
    return living(cluster, namespace)


def living(cluster: Cluster, namespace: str) -> list[str]:
    """The names of the pods that are not being deleted."""
    items = cluster.api.get(f"/api/v1/namespaces/{namespace}/pods").expect().json["items"]
    return sorted(pod["metadata"]["name"] for pod in items if not pod["metadata"].get("deletionTimestamp"))


def test_pods_older_than_the_annotation_are_named_and_restarted(
    control_plane: Cluster, namespace: str, live_webhook: Running
) -> None:
    """The command in the fix can be run as it is."""
    make_account(control_plane, namespace, annotations={"azure.workload.identity/tenant-id": "contoso.com"})
    with ours(control_plane, live_webhook):
        old = make_deployment(control_plane, namespace, deployment())
        account = f"/api/v1/namespaces/{namespace}/serviceaccounts/terraform"
        control_plane.api.patch(account, {"metadata": {"annotations": annotated()}}).expect()
        done = check(control_plane, namespace, "--workload", "deploy/web")
        as_json = check(control_plane, namespace, "--workload", "deploy/web", "-o", "json")
        found = done.finding("pods")
        assert done.code == 1
        assert "2 pods of Deployment" in found
        assert "older than the annotation" in found
        assert f"pods: {', '.join(old)}" in found
        assert as_json.json["restart"] == old
        wait, _, command = found.rpartition("fix: ")[2].partition("kubectl ")
        assert "in 30 seconds" in wait, "the annotations changed just now"
        assert command == f"rollout restart deployment/web -n {namespace}"
        control_plane.kubectl(*command.split())
        # Nothing gets ready without a node, so the old ones are taken away by hand.
        for name in old:
            control_plane.api.delete(f"/api/v1/namespaces/{namespace}/pods/{name}").expect(200, 404)
        wait_until(lambda: is_fixed(control_plane, namespace), "new pods")


SAID = "AADSTS700213 (invalid_client, HTTP 401), after 9 attempts: no credential fits [WIH304] Fix: az ad app x"


def test_a_pod_whose_preflight_fails_says_why(control_plane: Cluster, namespace: str, live_webhook: Running) -> None:
    """The pod's status as the kubelet leaves it: the reason, its code, and what to do."""
    make_account(control_plane, namespace)
    with ours(control_plane, live_webhook):
        pod = a_pod("waits")
        pod["spec"]["initContainers"] = [{"name": "m365-preflight", "image": "example.test/helper:1"}]
        create(control_plane, namespace, pod)
        path = f"/api/v1/namespaces/{namespace}/pods/waits/status"
        status = {"initContainerStatuses": [preflight_failed(SAID)]}
        control_plane.api.patch(path, {"status": status}).expect()
        for asked in (("--service-account", "terraform"), ("--workload", "pod/waits")):
            done = check(control_plane, namespace, *asked)
            assert done.code == 1
            said = done.finding("sign-in")
            assert "1 pod of" in said
            assert "container m365-preflight of waits says: AADSTS700213" in said
            assert "no credential fits [WIH304] [WI735]" in said
            assert "advises: az ad app x" in said
        whole = check(control_plane, namespace, "-A", "-o", "json").json["findings"]
        (found,) = (each for each in whole if each["code"] == "WI735" and each["namespace"] == namespace)
        assert (found["serviceAccount"], found["owner"]) == ("terraform", "")
        assert "[WIH304]" in found["detail"]


def is_fixed(cluster: Cluster, namespace: str) -> bool:
    """Whether `check` finds nothing wrong."""
    return check(cluster, namespace, "--workload", "deployment/web").code == 0


def test_pods_created_while_the_webhook_was_away_are_named(
    control_plane: Cluster, namespace: str, live_webhook: Running
) -> None:
    """With failurePolicy Ignore they were admitted without an identity and without an error."""
    make_account(control_plane, namespace)
    ignore: Change = lambda entry: entry.update(failurePolicy="Ignore")  # noqa: E731
    with registered(control_plane.api, "https://127.0.0.1:1/mutate", change=ignore) as name:
        pods = make_deployment(control_plane, namespace, deployment())
        create(control_plane, namespace, a_pod("alone"))
        bundle = base64.b64encode(live_webhook.authority.encode()).decode()
        client = {"url": live_webhook.url, "caBundle": bundle}
        entries = control_plane.api.get(f"{CONFIGURATIONS}/{name}").json["webhooks"]
        entries[0]["clientConfig"] = client
        control_plane.api.patch(f"{CONFIGURATIONS}/{name}", {"webhooks": entries}).expect()
        settle(control_plane.api)
        of_workload = check(control_plane, namespace, "--workload", "Deployment/web")
        of_account = check(control_plane, namespace, "--service-account", "terraform")
    found = of_workload.finding("pods")
    assert "created while the webhook was away" in found
    assert f"pods: {', '.join(pods)}" in found
    found = of_account.finding("pods")
    assert f"pods: {', '.join(sorted([*pods, 'alone']))}" in found
    assert f"kubectl rollout restart deployment/web -n {namespace}" in found
    assert f"kubectl delete pod alone -n {namespace}" in found


def test_pods_older_than_the_installation_are_named(
    control_plane: Cluster, namespace: str, live_webhook: Running
) -> None:
    """They existed before the webhook was installed."""
    make_account(control_plane, namespace)
    made = create(control_plane, namespace, a_pod("early"))["metadata"]["creationTimestamp"]

    def later() -> bool:
        made_now = control_plane.api.post(
            "/api/v1/namespaces/default/configmaps", {"metadata": {"generateName": "x"}}, params={"dryRun": "All"}
        )
        return str(made_now.json["metadata"]["creationTimestamp"]) > str(made)

    wait_until(later, "the next second of the API server")
    with ours(control_plane, live_webhook):
        found = check(control_plane, namespace, "--workload", "pod/early").finding("pods")
    assert "older than the installation of the webhook" in found
    assert f"kubectl delete pod early -n {namespace}" in found


@pytest.mark.parametrize(
    ("document", "status", "sentence", "fix"),
    [
        (
            deployment(labels={}, replicas=0),
            "FAIL",
            f'is missing the label {USE}: "true"',
            "kubectl patch deployment web",
        ),
        (
            deployment(labels={}, metadata={"labels": LABELLED}, replicas=0),
            "FAIL",
            f"has the label {USE} on itself, where it has no effect",
            "spec.template.metadata.labels",
        ),
        (deployment(labels={USE: "True"}, replicas=0), "FAIL", 'is "True", expected "true"', "spec.template.metadata"),
        (deployment(labels={USE: "false"}, replicas=0), "warn", "has opted out", "spec.template.metadata.labels"),
        (
            deployment(metadata={"annotations": annotated()}, replicas=0),
            "warn",
            "azure.workload.identity/client-id has no effect on a Deployment: it belongs on ServiceAccount terraform",
            "kubectl annotate deployment web",
        ),
    ],
)
def test_a_mistake_on_a_workload_is_found(
    control_plane: Cluster,
    namespace: str,
    live_webhook: Running,
    document: dict[str, Any],
    status: str,
    sentence: str,
    fix: str,
) -> None:
    """Each is one finding with its fix."""
    make_account(control_plane, namespace)
    control_plane.api.post(f"{APPS}/namespaces/{namespace}/deployments", document).expect()
    with ours(control_plane, live_webhook):
        done = check(control_plane, namespace, "--workload", "deployment/web")
    assert done.code == (1 if status == "FAIL" else 0), done.out
    about = [line for line in done.out.splitlines() if line.startswith(f"{status}  workload")]
    assert any(sentence in line for line in about), done.out
    assert fix in done.out


@pytest.mark.parametrize(
    ("document", "status"),
    [
        (deployment(labels={}, replicas=0), "FAIL"),
        (deployment(labels={USE: "True"}, replicas=0), "FAIL"),
        (deployment(labels={}, metadata={"labels": LABELLED}, replicas=0), "FAIL"),
        (deployment(labels={USE: "false"}, replicas=0), "warn"),
    ],
    ids=["missing", "another value", "on the Deployment", "opted out"],
)
def test_the_patch_in_the_fix_adds_the_label_to_the_pods(
    control_plane: Cluster, namespace: str, live_webhook: Running, document: dict[str, Any], status: str
) -> None:
    """The command can be run as it is."""
    make_account(control_plane, namespace)
    control_plane.api.post(f"{APPS}/namespaces/{namespace}/deployments", document).expect()
    with ours(control_plane, live_webhook):
        found = check(control_plane, namespace, "--workload", "deployment/web").finding("workload", status)
        control_plane.kubectl(*shlex.split(found.partition("fix: ")[2].partition("kubectl ")[2]))
        assert check(control_plane, namespace, "--workload", "deployment/web").out.endswith("All is well.\n")


def test_a_token_file_that_is_not_there_is_found_before_a_pod_runs(
    control_plane: Cluster, namespace: str, live_webhook: Running
) -> None:
    """The command in the fix can be run as it is; the webhook then adds variable and volume."""
    make_account(control_plane, namespace)
    document = deployment(replicas=0)
    (container,) = document["spec"]["template"]["spec"]["containers"]
    container["env"] = [{"name": "AZURE_FEDERATED_TOKEN_FILE", "value": "/mine/token"}]
    control_plane.api.post(f"{APPS}/namespaces/{namespace}/deployments", document).expect()
    with ours(control_plane, live_webhook):
        done = check(control_plane, namespace, "--workload", "deployment/web")
        found = done.finding("workload")
        assert done.code == 1
        assert "AZURE_FEDERATED_TOKEN_FILE of container app is /mine/token, and no volume is mounted there" in found
        control_plane.kubectl(*found.rpartition("fix: kubectl ")[2].split())
        assert check(control_plane, namespace, "--workload", "deployment/web").out.endswith("All is well.\n")


def test_labels_of_the_namespace_count_in_their_scope(control_plane: Cluster, namespace: str, tmp_path: Path) -> None:
    """The scope is read off the webhook configuration."""
    make_account(control_plane, namespace)
    control_plane.api.post(f"{APPS}/namespaces/{namespace}/deployments", deployment(labels={}, replicas=0)).expect()
    with another_webhook(control_plane, tmp_path, "--scope", "namespace-label", scope="namespace-label"):
        found = check(control_plane, namespace, "--workload", "deployment/web").finding("workload")
        assert f"kubectl label namespace {namespace} m365.workload.identity/inject=true" in found
        control_plane.kubectl("label", "namespace", namespace, "m365.workload.identity/inject=true")
        assert check(control_plane, namespace, "--workload", "deployment/web").code == 0


def test_pods_of_a_service_account_without_the_label_are_named(
    control_plane: Cluster, namespace: str, live_webhook: Running
) -> None:
    """This may be on purpose, so it is a warning."""
    make_account(control_plane, namespace)
    create(control_plane, namespace, a_pod("bare", labels={}))
    create(control_plane, namespace, a_pod("opted-out", labels={USE: "false"}))
    with ours(control_plane, live_webhook):
        done = check(control_plane, namespace, "--service-account", "terraform")
    assert done.code == 0
    found = done.finding("pods", "warn")
    assert "pods: bare\n" in found
    assert f"`m365wi check -n {namespace} --workload pod/bare` has the command" in found


def test_long_lists_are_read_to_their_end(
    control_plane: Cluster, namespace: str, live_webhook: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Page by page, as the API server wants it."""
    monkeypatch.setattr("webhook.cluster.kube._PAGE", 2)
    make_account(control_plane, namespace)
    made = [create(control_plane, namespace, a_pod(f"bare-{number}", labels={})) for number in range(5)]
    with ours(control_plane, live_webhook):
        done = check(control_plane, namespace, "--service-account", "terraform", "-o", "json")
    (found,) = (finding for finding in done.json["findings"] if finding["about"] == "pods")
    assert found["pods"] == [pod["metadata"]["name"] for pod in made]
    assert done.json["restart"] == []  # only a warning


def test_pods_of_a_cron_job_are_found(control_plane: Cluster, namespace: str, live_webhook: Running) -> None:
    """By the Jobs that it created."""
    make_account(control_plane, namespace)
    pod = a_pod()
    template = {"metadata": {"labels": LABELLED}, "spec": {**pod["spec"], "restartPolicy": "Never"}}
    cron_job = {
        "metadata": {"name": "nightly"},
        "spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": template}}},
    }
    api = control_plane.api
    made = api.post(f"/apis/batch/v1/namespaces/{namespace}/cronjobs", cron_job).expect().json
    owner = {"kind": "CronJob", "name": "nightly", "uid": made["metadata"]["uid"], "apiVersion": "batch/v1"}
    job = (
        api.post(
            f"/apis/batch/v1/namespaces/{namespace}/jobs",
            {
                "metadata": {"name": "nightly-1", "ownerReferences": [owner]},
                "spec": {"suspend": True, "template": template},
            },
        )
        .expect()
        .json
    )
    by_job = {"kind": "Job", "name": "nightly-1", "uid": job["metadata"]["uid"], "apiVersion": "batch/v1"}
    api.post(
        f"/api/v1/namespaces/{namespace}/pods",
        {**pod, "metadata": {"name": "nightly-1-x", "labels": LABELLED, "ownerReferences": [by_job]}},
    ).expect()
    create(control_plane, namespace, a_pod("another"))
    with ours(control_plane, live_webhook):
        done = check(control_plane, namespace, "--workload", "cronjob/nightly")
    found = done.finding("pods")
    assert "pods: nightly-1-x" in found
    assert "kubectl get jobs" in found


def test_a_stateful_set_with_claims_is_fine(control_plane: Cluster, namespace: str, live_webhook: Running) -> None:
    """kube-apiserver would refuse its template as a pod: some volumes come from the claims."""
    make_account(control_plane, namespace)
    document = deployment(replicas=0)
    pod = document["spec"]["template"]["spec"]
    pod["containers"][0]["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    document["spec"] |= {
        "serviceName": "web",
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}],
    }
    control_plane.api.post(f"{APPS}/namespaces/{namespace}/statefulsets", document).expect()
    with ours(control_plane, live_webhook):
        done = check(control_plane, namespace, "--workload", "statefulset/web")
    assert done.code == 0, done.out
    assert "has pods that the webhook takes" in done.finding("workload", "ok")


def test_an_installation_that_is_narrowed_on_purpose_is_fine(
    control_plane: Cluster, namespace: str, tmp_path: Path
) -> None:
    """Its scope stays as it was; a workload inside is fine, and one outside is missing a label."""
    make_account(control_plane, namespace)
    control_plane.kubectl("label", "namespace", namespace, f"only={namespace}")

    def narrow(entry: dict[str, Any]) -> None:
        entry["namespaceSelector"]["matchLabels"] = {"only": namespace}
        entry["objectSelector"].setdefault("matchLabels", {})["app"] = "web"

    deployments = f"{APPS}/namespaces/{namespace}/deployments"
    control_plane.api.post(deployments, deployment(labels={}, replicas=0)).expect()
    other = deployment(labels={"app": "other"}, metadata={"name": "other"}, replicas=0)
    other["spec"]["selector"] = {"matchLabels": {"app": "other"}}
    control_plane.api.post(deployments, other).expect()
    with another_webhook(control_plane, tmp_path, "--scope", "cluster", scope="cluster", change=narrow):
        inside = check(control_plane, namespace, "--workload", "deployment/web")
        outside = check(control_plane, namespace, "--workload", "deployment/other")
    assert inside.code == 0, inside.out
    assert "scope cluster, only pods that also have app=web" in inside.finding("configuration", "ok")
    assert outside.code == 1, outside.out
    assert "put app=web into spec.template.metadata.labels" in outside.finding("workload")


def test_pods_older_than_an_audience_or_a_family_are_named(
    control_plane: Cluster, namespace: str, live_webhook: Running
) -> None:
    """Token and variables are compared with those of a new pod, which may have fewer."""
    make_account(control_plane, namespace)
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/terraform"

    def now(**annotations: str | None) -> str:
        changed = {f"m365.workload.identity/{key}": value for key, value in annotations.items()}
        control_plane.api.patch(path, {"metadata": {"annotations": changed}}).expect()
        return check(control_plane, namespace, "--workload", "deployment/web").finding("pods")

    with ours(control_plane, live_webhook):
        old = make_deployment(control_plane, namespace, deployment(replicas=1))
        well = check(control_plane, namespace, "--workload", "deployment/web").finding("pods", "ok")
        assert "with what a new one would get" in well
        audience = now(audience="api://mine")
        family = now(audience=None, env="azure")
    assert "their token is for api://AzureADTokenExchange and not for api://mine" in audience
    assert "M365_CLIENT_ID is there and would not be in a new pod" in family
    for said in (audience, family):
        assert f"pods: {old[0]}" in said
        assert f"kubectl rollout restart deployment/web -n {namespace}" in said


def test_a_workload_that_does_not_exist_or_has_another_account(
    control_plane: Cluster, namespace: str, live_webhook: Running
) -> None:
    """Each is one finding."""
    make_account(control_plane, namespace)
    make_account(control_plane, namespace, "other")
    with ours(control_plane, live_webhook):
        absent = check(control_plane, namespace, "--workload", "sts/web")
        control_plane.api.post(f"{APPS}/namespaces/{namespace}/deployments", deployment(replicas=0)).expect()
        others = check(control_plane, namespace, "--workload", "deploy/web", "--service-account", "other")
    assert f"StatefulSet {namespace}/web does not exist" in absent.finding("workload")
    assert "kubectl get statefulsets" in absent.finding("workload")
    assert "runs as ServiceAccount terraform, not as other" in others.finding("workload")


def test_a_workload_whose_pods_are_refused(control_plane: Cluster, namespace: str, live_webhook: Running) -> None:
    """Its own pod is created by dry run, which shows what only the webhook or the cluster knows."""
    make_account(control_plane, namespace)
    document = deployment(replicas=0)
    document["spec"]["template"]["metadata"]["annotations"] = {"m365.workload.identity/preflight": "true"}
    control_plane.api.post(f"{APPS}/namespaces/{namespace}/deployments", document).expect()
    with ours(control_plane, live_webhook):
        done = check(control_plane, namespace, "--workload", "deployment/web")
    assert done.code == 1
    assert "refuses the pod: " in done.finding("workload")
    assert "--helper-image" in done.finding("workload")
