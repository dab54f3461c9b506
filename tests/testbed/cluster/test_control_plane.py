"""The control plane is a real one: controllers, tokens, users with limited rights, faults, and a clean end."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from testbed.cluster import build
from testbed.cluster.api import Api
from testbed.cluster.cluster import Cluster
from testbed.cluster.control_plane import AUDIENCE, ControlPlane
from testbed.cluster.processes import ClusterError, Workshop, wait_until


def pod(name: str = "app") -> dict[str, Any]:
    containers = [{"name": "app", "image": "example.invalid/app"}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": containers}}


def claims(token: str) -> dict[str, Any]:
    """The payload of a JWT, unverified."""
    payload = token.split(".")[1]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return decoded


def test_the_server_is_of_the_minor_asked_for(owned_control_plane: ControlPlane) -> None:
    """The version stamped by the build is what the API server and kubectl report."""
    answer = owned_control_plane.api.get("/version").expect().json
    if owned_control_plane.name in build.MINORS:
        assert answer["gitVersion"].startswith(f"v{owned_control_plane.name}.")
    assert f"Server Version: {answer['gitVersion']}" in owned_control_plane.kubectl("version").stdout


def test_a_namespace_gets_its_default_service_account(api: Api, namespace: str) -> None:
    """A fresh namespace has the ServiceAccount without which no pod is admitted."""
    assert api.get(f"/api/v1/namespaces/{namespace}/serviceaccounts/default").status == 200


def test_a_pod_is_admitted_by_dry_run_and_not_kept(api: Api, namespace: str) -> None:
    """A dry-run create answers 201 with the pod as admission left it, and nothing is stored."""
    pods = f"/api/v1/namespaces/{namespace}/pods"
    created = api.post(pods, pod(), params={"dryRun": "All"}).expect(201)
    assert created.json["spec"]["serviceAccountName"] == "default"
    assert api.get(pods).expect().json["items"] == []


def test_raw_bytes_and_failures_reach_the_test(api: Api, namespace: str) -> None:
    """A body that is not JSON is answered with status 400 and the server's message."""
    answer = api.post(f"/api/v1/namespaces/{namespace}/pods", b"{not json")
    assert answer.status == 400
    assert "invalid character" in answer.message
    with pytest.raises(ClusterError, match="HTTP 400"):
        answer.expect(201)


def test_warnings_of_the_server_are_read(api: Api, namespace: str) -> None:
    """The Warning header that kubectl prints is there, unquoted."""
    body = pod()
    body["spec"]["containers"][0]["env"] = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
    answer = api.post(f"/api/v1/namespaces/{namespace}/pods", body, params={"dryRun": "All"}).expect()
    assert any('"A"' in warning for warning in answer.warnings)


def test_a_token_for_entra_names_issuer_subject_and_audience(control_plane: Cluster, namespace: str) -> None:
    """What a pod would exchange at Entra: iss of the cluster, sub of the ServiceAccount, aud as asked, one hour."""
    token = claims(control_plane.token(namespace, "default", audiences=[AUDIENCE]))
    discovery = control_plane.api.get("/.well-known/openid-configuration").expect().json
    assert token["iss"] == discovery["issuer"]
    assert token["sub"] == f"system:serviceaccount:{namespace}:default"
    assert token["aud"] == [AUDIENCE]
    assert token["exp"] - token["iat"] == 3600


def test_discovery_names_the_keys_that_sign_tokens(control_plane: Cluster, namespace: str) -> None:
    """The JWKS has an RS256 key with the key id of a token."""
    header = control_plane.token(namespace, "default").split(".")[0]
    key_id = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))["kid"]
    discovery = control_plane.api.get("/.well-known/openid-configuration").expect().json
    keys = control_plane.api.get("/openid/v1/jwks").expect().json["keys"]
    assert discovery["jwks_uri"].endswith("/openid/v1/jwks")
    assert [key["alg"] for key in keys if key["kid"] == key_id] == ["RS256"]


def test_a_service_account_has_the_rights_it_was_given(control_plane: Cluster, namespace: str) -> None:
    """A kubeconfig with the account's own token reads ServiceAccounts once a role says so, and nothing else."""
    client = control_plane.client(control_plane.kubeconfig_for_account(namespace, "default"))
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
    assert client.get(path).status == 403
    control_plane.kubectl("-n", namespace, "create", "role", "reader", "--verb=get", "--resource=serviceaccounts")
    control_plane.kubectl(
        "-n", namespace, "create", "rolebinding", "reader", "--role=reader", f"--serviceaccount={namespace}:default"
    )
    wait_until(lambda: client.get(path).status == 200, "role in force")
    assert client.get(f"/api/v1/namespaces/{namespace}/serviceaccounts").status == 403


def test_any_user_can_be_made_up(owned_control_plane: ControlPlane) -> None:
    """A kubeconfig for a user and groups is who it says, to kubectl and to the REST client."""
    kubeconfig = owned_control_plane.kubeconfig_for("dev@example.com", ["developers"])
    who = json.loads(owned_control_plane.kubectl("auth", "whoami", "-o", "json", kubeconfig=kubeconfig).stdout)
    assert who["status"]["userInfo"]["username"] == "dev@example.com"
    assert set(who["status"]["userInfo"]["groups"]) == {"developers", "system:authenticated"}
    assert owned_control_plane.client(kubeconfig).get("/api/v1/namespaces").status == 403


def test_kubectl_says_why_it_failed(control_plane: Cluster, namespace: str) -> None:
    """A failing kubectl raises with what it wrote to stderr; unchecked, it returns."""
    with pytest.raises(ClusterError, match="NotFound"):
        control_plane.kubectl("-n", namespace, "get", "pod", "absent")
    assert control_plane.kubectl("-n", namespace, "get", "pod", "absent", check=False).returncode == 1


def test_a_pod_read_from_standard_input_is_created(control_plane: Cluster, namespace: str) -> None:
    """kubectl's standard input is the test's to give."""
    done = control_plane.kubectl("-n", namespace, "create", "-f", "-", input=json.dumps(pod()))
    assert done.stdout.strip() == "pod/app created"


def test_a_deployment_makes_pods(control_plane: Cluster, namespace: str) -> None:
    """The controllers work: a Deployment's pod is created, and waits for a node."""
    if not control_plane.has_controllers:
        pytest.skip("no controllers")
    control_plane.kubectl("-n", namespace, "create", "deployment", "web", "--image=example.invalid/web")
    pods = f"/api/v1/namespaces/{namespace}/pods"
    wait_until(lambda: len(control_plane.api.get(pods).expect().json["items"]) == 1, "the pod of a Deployment")


def test_the_audit_log_has_pods_as_they_were_asked_for(owned_control_plane: ControlPlane, namespace: str) -> None:
    """An event of level Request carries the body of a dry-run create."""
    name = f"audited-{namespace}"
    owned_control_plane.api.post(f"/api/v1/namespaces/{namespace}/pods", pod(name), params={"dryRun": "All"}).expect()
    bodies = [event.get("requestObject", {}) for event in owned_control_plane.audit_events()]
    assert [body["kind"] for body in bodies if body.get("metadata", {}).get("name") == name] == ["Pod"]


def test_a_stopped_server_refuses_and_comes_back_with_its_data(
    owned_control_plane: ControlPlane, namespace: str
) -> None:
    """After stop_apiserver connections are refused; after start_apiserver the same port has the same objects.

    So do the controllers work, which would otherwise wait for a time that grows with each attempt.
    """
    path = f"/api/v1/namespaces/{namespace}"
    controllers = [each for each in owned_control_plane.processes if each.name == "kube-controller-manager"]
    uid = owned_control_plane.api.get(path).expect().json["metadata"]["uid"]
    owned_control_plane.stop_apiserver()
    with pytest.raises(ConnectionRefusedError):
        owned_control_plane.api.get(path)
    owned_control_plane.start_apiserver()
    assert owned_control_plane.api.get(path).expect().json["metadata"]["uid"] == uid
    now = [each for each in owned_control_plane.processes if each.name == "kube-controller-manager"]
    assert len(now) == len(controllers)
    assert not any(each in controllers for each in now)


def test_a_paused_server_hangs_and_goes_on(owned_control_plane: ControlPlane) -> None:
    """While paused nothing is answered; once resumed everything is."""
    hasty = owned_control_plane.client(owned_control_plane.kubeconfig, timeout=0.3)
    assert hasty.get("/readyz").status == 200
    owned_control_plane.pause()
    with pytest.raises(TimeoutError):
        hasty.get("/readyz")
    owned_control_plane.resume()
    assert owned_control_plane.api.get("/readyz").status == 200


@pytest.mark.cluster
@pytest.mark.xdist_group("kubernetes-1.37")
def test_issuer_and_flags_are_the_tests_own_and_nothing_outlives_the_block() -> None:
    """A control plane of one's own has the issuer asked for, obeys a flag, and leaves neither process nor file."""
    issuer = "https://issuer.example.com/cluster"
    with ControlPlane(issuer=issuer, apiserver_flags=["--event-ttl=1h", "--anonymous-auth=false"]) as cluster:
        assert claims(cluster.token("default", "default"))["iss"] == issuer
        groups = [process.popen.pid for process in cluster.processes]
        assert len(groups) == 3
    assert not any(alive(group) for group in groups)
    assert not cluster.directory.exists()


@pytest.mark.cluster
@pytest.mark.xdist_group("kubernetes-1.37")
def test_a_server_that_cannot_start_is_explained_and_cleaned_up() -> None:
    """An unknown flag is reported with the server's own words, and nothing is left behind."""
    cluster = ControlPlane(apiserver_flags=["--no-such-flag"])
    with pytest.raises(ClusterError, match=r"kube-apiserver ended with status 1(?s:.*)unknown flag: --no-such-flag"):
        cluster.start()
    assert cluster.processes == ()
    assert not cluster.directory.exists()


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL], ids=lambda end: end.name)
def test_processes_end_with_an_owner_that_was_killed(tmp_path: Path, end: signal.Signals) -> None:
    """Whatever signal ends the interpreter, its processes and their directory go with it."""
    script = """
import sys
from testbed.cluster.processes import Workshop
workshop = Workshop("m365wi-test-")
process = workshop.start("sleeper", ["sleep", "600"])
print(process.popen.pid, workshop.directory, flush=True)
sys.stdin.read()
"""
    checkout = Path(__file__).parents[3]
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=checkout) as owner:
        assert owner.stdout is not None
        group, directory = owner.stdout.readline().split()
        assert alive(int(group))
        owner.send_signal(end)
        owner.wait()
    wait_until(lambda: not alive(int(group)) and not Path(directory).exists(), "end of the processes")


@pytest.mark.slow
def test_a_program_that_ends_is_reported_with_its_log() -> None:
    """Waiting for something that died says so at once, with the end of its log."""
    workshop = Workshop("m365wi-test-")
    try:
        process = workshop.start("failing", ["sh", "-c", "echo out of luck; exit 3"])
        with pytest.raises(ClusterError, match=r"failing ended with status 3(?s:.*)out of luck"):
            wait_until(lambda: False, "anything", alive=[process])
    finally:
        workshop.close()
    assert not workshop.directory.exists()


def alive(group: int) -> bool:
    """Whether a process group has a member that is not a zombie."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{group}/stat")
    try:
        return status.read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return sys.platform != "linux"
