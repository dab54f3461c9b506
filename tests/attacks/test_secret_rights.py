"""What the webhook's own rights on one Secret are worth, on a real API server with its controllers.

Without the chart's policy they are worth every ServiceAccount of the namespace: the garbage collector deletes a Secret
whose owner does not exist, and the token controller fills a Secret of another type with a token that never ends.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from typing import Any, Final

import pytest
import yaml

from testbed.cluster.api import Api, Response
from testbed.cluster.cluster import Cluster
from testbed.cluster.processes import wait_until
from tests.chart.objects import installed

pytestmark = pytest.mark.slow

OWNER: Final = {"apiVersion": "v1", "kind": "ConfigMap", "name": "none", "uid": "00000000-0000-0000-0000-000000000001"}
LEFT_OUT: Final = ("Deployment", "Service", "PodDisruptionBudget", "MutatingWebhookConfiguration")
TOKEN: Final = "kubernetes.io/service-account-token"
REFUSAL: Final = "may write the data of its Secret and nothing else of it"


class Held:
    """The webhook's ServiceAccount with what the chart gives it, called as its namespace is; and its Secret."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.client: Api = cluster.client(cluster.kubeconfig_for_account(namespace, namespace))
        self.administrator = cluster.api
        self.name = f"{namespace}-ca"
        self.path = f"/api/v1/namespaces/{namespace}/secrets/{self.name}"

    def apply(self, **document: Any) -> Response:
        """The Secret by server-side apply, as the webhook creates it, with whatever is given."""
        metadata = {"name": self.name, **document.pop("metadata", {})}
        body = {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", **document, "metadata": metadata}
        headers = {"Content-Type": "application/apply-patch+yaml"}
        parameters = {"fieldManager": secrets.token_hex(4), "force": "true"}
        return self.client.patch(self.path, body, headers=headers, params=parameters)

    def update(self, *, dry_run: bool = False, **document: Any) -> Response:
        """The Secret as it is, with `document` in it; `metadata` is added to its own."""
        now = self.client.get(self.path).expect(200).json
        metadata = {**now["metadata"], **document.pop("metadata", {})}
        parameters = {"dryRun": "All"} if dry_run else {}
        return self.client.put(self.path, {**now, **document, "metadata": metadata}, params=parameters)

    def delete(self) -> None:
        """As somebody else does it: the webhook has no right to."""
        self.administrator.delete(self.path).expect(200)


@pytest.fixture
def held(control_plane: Cluster, namespace: str) -> Iterator[Held]:
    """Everything of the chart that gives or takes rights, in force."""
    objects = installed({"name": namespace}, namespace=namespace, name=namespace)
    manifest = yaml.safe_dump_all([each for each in objects if each["kind"] not in LEFT_OUT])
    control_plane.kubectl("apply", "--validate=strict", "-f", "-", input=manifest)
    found = Held(control_plane, namespace)
    try:
        # Its rights, without which it may not even read, come by and by as well.
        wait_until(lambda: REFUSAL in found.update(immutable=True, dry_run=True).message, "the policy in force")
        yield found
    finally:
        control_plane.kubectl("delete", "--ignore-not-found", "--wait=false", "-f", "-", input=manifest)


@pytest.mark.parametrize(
    "metadata",
    [
        {"ownerReferences": [OWNER]},
        {"finalizers": ["example.com/never"]},
        {"labels": {"app": "another"}},
        {"annotations": {"kubernetes.io/service-account.name": "default"}},
    ],
    ids=lambda metadata: next(iter(metadata)),
)
def test_it_may_change_no_metadata(held: Held, metadata: dict[str, Any]) -> None:
    """An owner that does not exist would be enough for the garbage collector to delete the Secret."""
    for answer in (held.update(metadata=metadata), held.apply(metadata=metadata)):
        assert answer.status == 403, answer.message
        assert REFUSAL in answer.message
    held.delete()
    assert held.apply(metadata=metadata).status == 403
    assert held.client.get(held.path).status == 404


def test_it_may_make_no_token_of_any_account(held: Held, control_plane: Cluster, namespace: str) -> None:
    """Neither its own nor another's; without the policy the controllers would fill one in."""
    control_plane.kubectl("create", "serviceaccount", "-n", namespace, "operator")
    held.delete()
    for account in (namespace, "operator", "default"):
        answer = held.apply(type=TOKEN, metadata={"annotations": {"kubernetes.io/service-account.name": account}})
        assert answer.status == 403, answer.message
        assert REFUSAL in answer.message
    for kind in ("bootstrap.kubernetes.io/token", "kubernetes.io/dockerconfigjson", "example.com/other"):
        assert held.apply(type=kind, data={".dockerconfigjson": "e30="}).status in (403, 422)
    assert held.client.get(held.path).status == 404


def test_its_own_writes_pass(held: Held) -> None:
    """Data in the Secret that the chart made, and the Secret made anew, as `webhook.cluster` sends both."""
    data = {"ca.crt": base64.b64encode(b"pem").decode()}
    held.update(data=data).expect(200)
    held.delete()
    held.apply(data=data).expect(201)
    assert held.client.get(held.path).expect(200).json["data"] == data
    held.update(data={**data, "state.json": "e30="}).expect(200)


def test_others_may_write_it_as_before(held: Held) -> None:
    """The policy holds the webhook and no one else: helm upgrade sets labels, an owner may be added by an operator."""
    now = held.administrator.get(held.path).expect(200).json
    now["metadata"]["labels"] = {"app": "theirs"}
    held.administrator.put(held.path, now).expect(200)
    held.update(data={"ca.crt": "eA=="}).expect(200)  # and what they set does not keep the webhook from writing
    assert held.client.get(held.path).json["metadata"]["labels"] == {"app": "theirs"}
