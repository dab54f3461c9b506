"""Every case of tests/cases, through a real kube-apiserver: the pod that is stored is the one that the case expects."""

from collections.abc import Mapping
from typing import Any

import pytest

from demo.server import Running
from testbed.cluster.cluster import Cluster
from tests.core.cases import NAMESPACE, Case, differences, load
from webhook.core.policy import Policy

# Scopes and the namespaces that no scope reaches have tests of their own (test_scopes), with real selectors.
CASES = [case for case in load() if case.account and not case.apiserver and case.namespace == NAMESPACE]
USUAL = [case for case in CASES if case.policy == Policy() and not case.namespace_labels]


def parts(pod: Mapping[str, Any]) -> dict[str, list[str]]:
    """All that could be added to a pod, by name and in order, except what kube-apiserver adds to every pod."""
    spec = pod["spec"]
    found = {"volumes": [volume["name"] for volume in spec.get("volumes") or ()]}
    for kind in ("initContainers", "containers"):
        found[kind] = [container["name"] for container in spec.get(kind) or ()]
        for container in spec.get(kind) or ():
            found[f"{container['name']} variables"] = [entry["name"] for entry in container.get("env") or ()]
            mounts = container.get("volumeMounts") or ()
            found[f"{container['name']} mounts"] = [
                mount["mountPath"] for mount in mounts if not mount["name"].startswith("kube-api-access-")
            ]
    found["volumes"] = [name for name in found["volumes"] if not name.startswith("kube-api-access-")]
    return found


def check(cluster: Cluster, case: Case) -> None:
    """Creates the case's ServiceAccount and its pod; the stored pod and the messages must be those of the case."""
    api, path = cluster.api, f"/api/v1/namespaces/{case.namespace}"
    account = case.service_account()
    if account and api.get(f"{path}/serviceaccounts/{case.account_name}").status == 200:
        change = {"metadata": {"annotations": account["metadata"]["annotations"]}}
        api.patch(f"{path}/serviceaccounts/{case.account_name}", change).expect()
    else:
        api.post(f"{path}/serviceaccounts", account).expect()
    pod: dict[str, Any] = {"apiVersion": "v1", "kind": "Pod", **case.pod}
    answer = api.post(f"{path}/pods", pod)
    ours = [warning for warning in answer.warnings if not warning.startswith(("metadata.", "spec."))]
    if case.expect.outcome == "denied":
        assert answer.status == 422, answer.message
        assert case.expect.message.fits(answer.message.split("denied the request: ", 1)[1])
    else:
        # The answer to a create is the stored pod; a moment later a controller may have deleted it.
        stored = answer.expect().json
        assert differences(case.expected_pod(), stored) == []
        assert parts(stored) == parts(case.expected_pod()), "what the case does not have"
    expected = tuple(dict.fromkeys(case.expect.warnings))  # kube-apiserver repeats no warning
    if len(expected) <= 3:
        assert len(ours) == len(expected), ours
        assert all(text.fits_sent(said) for text, said in zip(expected, ours, strict=True) if len(said) < 120)
    else:
        assert len(ours) == 3


@pytest.mark.parametrize("case", USUAL, ids=[case.id for case in USUAL])
def test_a_case_is_stored_as_expected(control_plane: Cluster, webhook: Running, namespace: str, case: Case) -> None:
    """The case's own sentence says what it tests."""
    check(control_plane, case.moved(namespace))
