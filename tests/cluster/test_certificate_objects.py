"""How the Secret and the configuration are asked for, and what the API server's answers mean."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from certs.errors import Conflict, Forbidden, NotFound, Rejected, StoreError, Unavailable
from certs.managed.secret import Stored
from webhook.cluster.certificate_objects import KubeConfiguration, KubeSecret
from webhook.cluster.kube import Kube, Reply

KEY = b"-----BEGIN PRIVATE KEY-----"
ANSWER = {"metadata": {"name": "ca", "resourceVersion": "7"}, "data": {"ca.key": "a2V5"}}
RBAC = 'secrets "ca" is forbidden: User "system:serviceaccount:m365:webhook" cannot get resource "secrets"'
POLICY = "secrets \"ca\" is forbidden: ValidatingAdmissionPolicy 'no-keys' with binding 'no-keys' denied request: no"
ENDING = 'secrets "ca" is forbidden: unable to create new content in namespace m365 because it is being terminated'


class FakeKube:
    """Answers every request alike and notes them."""

    def __init__(self, status: int = 200, document: Any = ANSWER) -> None:
        self.reply = Reply(status, json.dumps(document).encode(), "Tue, 01 Jan 2030 00:00:00 GMT")
        self.asked: list[tuple[str, str, str, Any]] = []

    async def request(self, method: str, path: str, *, seconds: float, body: Any = None, kind: str = "json") -> Reply:
        self.asked.append((method, path, kind, body))
        return self.reply


def secret(kube: FakeKube) -> KubeSecret:
    return KubeSecret(cast("Kube", kube), "m365", "ca")


async def test_a_secret_is_created_under_its_name_and_by_a_manager_of_its_own() -> None:
    """RBAC is asked for the name then, and two who create it at once own nothing in common."""
    kube = FakeKube(201)
    for _ in range(2):
        await secret(kube).create({"ca.key": b"key"})
    places = [path.partition("?fieldManager=") for _, path, _, _ in kube.asked]
    assert {(method, kind) for method, _, kind, _ in kube.asked} == {("PATCH", "apply-patch+yaml")}
    assert {place for place, _, _ in places} == {"/api/v1/namespaces/m365/secrets/ca"}
    assert len({manager for _, _, manager in places}) == 2
    assert "force" not in kube.asked[0][1]
    assert kube.asked[0][3]["kind"] == "Secret"


@pytest.mark.parametrize(
    ("status", "message", "error"),
    [
        (403, RBAC, Forbidden),
        (403, POLICY, Rejected),
        (403, ENDING, Rejected),
        (404, "not found", NotFound),
        (409, "Apply failed with 1 conflict", Conflict),
        (422, "field is immutable", Rejected),
        (429, "too many requests", Unavailable),
        (500, "etcd", Unavailable),
    ],
)
async def test_an_answer_is_an_error_with_the_api_servers_words(
    status: int, message: str, error: type[StoreError]
) -> None:
    """RBAC is named only where it is RBAC; whoever refused the change says so himself."""
    kube = FakeKube(status, {"message": message})
    for call in (secret(kube).create({"ca.key": KEY}), secret(kube).update(Stored(data={}, version="7"), {})):
        with pytest.raises(StoreError) as raised:
            await call
        assert type(raised.value) is error
        assert ascii(message)[1:-1] in str(raised.value)
        assert "fieldManager" not in str(raised.value)


async def test_what_cannot_be_decoded_is_not_quoted() -> None:
    """The API server shows a piece of it, and it may be of a key."""
    kube = FakeKube(400, {"message": f"error found in #10 byte of ...|{KEY.decode()}|..."})
    with pytest.raises(Rejected) as raised:
        await secret(kube).create({"ca.key": KEY})
    assert "BEGIN" not in str(raised.value)
    with pytest.raises(Rejected) as raised:
        await KubeConfiguration(cast("Kube", kube), "webhook").get()
    assert "error found" in str(raised.value)
