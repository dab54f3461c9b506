"""`python -m webhook check` of pods with helper containers, as a real kube-apiserver stores them."""

from pathlib import Path

from testbed.cluster.cluster import Cluster
from testbed.cluster.pods import a_pod, create, make_account
from tests.commands.live import another_webhook, check

PREFIX = "m365.workload.identity"


def test_pods_whose_helper_containers_are_not_those_of_a_new_pod_are_named(
    control_plane: Cluster, namespace: str, tmp_path: Path
) -> None:
    """One with another image, and with what kube-apiserver and a LimitRange add, is fine."""
    make_account(control_plane, namespace)
    path = f"/api/v1/namespaces/{namespace}"
    limits = {"limits": [{"type": "Container", "default": {"cpu": "200m"}, "defaultRequest": {"cpu": "20m"}}]}
    control_plane.api.post(f"{path}/limitranges", {"metadata": {"name": "limits"}, "spec": limits}).expect()

    def annotate(what: str, **annotations: str | None) -> None:
        changed = {f"{PREFIX}/{key.replace('_', '-')}": value for key, value in annotations.items()}
        control_plane.api.patch(f"{path}/{what}", {"metadata": {"annotations": changed}}).expect()

    with another_webhook(control_plane, tmp_path, "--helper-image", "example.test/helper:1"):
        pod = a_pod()
        pod["metadata"]["annotations"] = {f"{PREFIX}/preflight": "true", f"{PREFIX}/token-endpoint": "true"}
        stored = create(control_plane, namespace, pod)["spec"]["initContainers"]
        assert [each["name"] for each in stored] == ["m365-preflight", "m365-token-endpoint"]
        control_plane.kubectl("set", "image", "pod/web", "m365-preflight=example.test/helper:0", "-n", namespace)
        done = check(control_plane, namespace, "--workload", "pod/web")
        assert "with what a new one would get" in done.finding("pods", "ok")
        annotate("serviceaccounts/terraform", metrics="9500")
        found = check(control_plane, namespace, "--workload", "pod/web").finding("pods")
        assert "container m365-token-endpoint has its metrics at no port, and in a new pod at port 9500" in found
        annotate("pods/web", preflight=None, metrics="false")
        create(control_plane, namespace, a_pod("later"))
        annotate("pods/later", preflight="true")
        done = check(control_plane, namespace, "--service-account", "terraform")
        whole = check(control_plane, namespace, "-A", "-o", "json").json["findings"]
    extra, missing = done.finding("pods", "warn"), done.finding("pods")
    assert "container m365-preflight is there and would not be in a new pod" in extra
    assert "pods: web" in extra
    assert "container m365-preflight is missing" in missing
    assert "pods: later" in missing
    here = {each["code"]: each["pods"] for each in whole if each.get("namespace") == namespace}
    assert here.items() >= {"WI746": ["later"], "WI748": ["web"]}.items()
