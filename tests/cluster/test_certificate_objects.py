"""How the Secret and the configuration are asked for, and what the API server's answers mean."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from certs.errors import Conflict, Forbidden, NotFound, Rejected, StoreError, StoreUnavailable
from certs.managed.secret import StoredSecret
from certs.managed.source import SelfManagedSource
from tests.certs.fakes import SERVICE, FakeClock, FakeServing, FixedChance, World, settings
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
    """RBAC is asked for the name then, and two that create it at once own no field in common."""
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
        (429, "too many requests", StoreUnavailable),
        (500, "etcd", StoreUnavailable),
    ],
)
async def test_an_answer_is_an_error_with_the_api_servers_words(
    status: int, message: str, error: type[StoreError]
) -> None:
    """RBAC is named only if it is RBAC; what else refused the change is in the API server's words."""
    kube = FakeKube(status, {"message": message})
    for call in (secret(kube).create({"ca.key": KEY}), secret(kube).update(StoredSecret(data={}, version="7"), {})):
        with pytest.raises(StoreError) as raised:
            await call
        assert type(raised.value) is error
        assert message in str(raised.value)
        assert "fieldManager" not in str(raised.value)


async def test_each_object_has_its_uid() -> None:
    """An object that was deleted and made again has another one."""
    kube = FakeKube(document={"metadata": {"resourceVersion": "7", "uid": "0d1c"}})
    assert (await secret(kube).get()).uid == "0d1c"
    assert (await KubeConfiguration(cast("Kube", kube), "webhook").get()).uid == "0d1c"


async def test_what_cannot_be_decoded_is_not_quoted() -> None:
    """The API server shows a piece of it, and it may be of a key."""
    kube = FakeKube(400, {"message": f"error found in #10 byte of ...|{KEY.decode()}|..."})
    with pytest.raises(Rejected) as raised:
        await secret(kube).create({"ca.key": KEY})
    assert "BEGIN" not in str(raised.value)
    with pytest.raises(Rejected) as raised:
        await KubeConfiguration(cast("Kube", kube), "webhook").get()
    assert "error found" in str(raised.value)


class PretendApiServer:
    """The webhook configuration and no Secret, in place of `Kube`: it takes every change and dates every answer."""

    DATE = datetime(2030, 1, 1, tzinfo=UTC)

    def __init__(self) -> None:
        self.written: list[tuple[str, Any]] = []
        self.secret: dict[str, Any] | None = None
        namespace, name = SERVICE.split("/")
        self.client_config: dict[str, Any] = {"service": {"namespace": namespace, "name": name}}

    async def request(self, method: str, path: str, *, seconds: float, body: Any = None, kind: str = "json") -> Reply:
        if method != "GET":
            self.written.append((path.partition("?")[0], body))
        if "/secrets/" not in path:
            if method == "PATCH":
                self.client_config |= body["webhooks"][0]["clientConfig"]
            return self.answer({"webhooks": [{"name": "pods.m365", "clientConfig": self.client_config}]})
        if method != "GET":
            self.secret = {"data": body["data"]}
        return self.answer(self.secret) if self.secret else self.answer({"message": "not found"}, status=404)

    def answer(self, document: dict[str, Any], status: int = 200) -> Reply:
        content = {"metadata": {"resourceVersion": str(len(self.written))}, **document}
        return Reply(status, json.dumps(content).encode(), f"{self.DATE:%a, %d %b %Y %H:%M:%S} GMT")


def replica_of(api_server: PretendApiServer, *, ahead: timedelta) -> SelfManagedSource:
    """A replica with the real adapters, whose wall clock is `ahead` of the API server's."""
    kube = cast("Kube", api_server)
    return SelfManagedSource(
        secrets=KubeSecret(kube, "m365", "webhook-authority"),
        trust=KubeConfiguration(kube, "m365-webhook"),
        settings=settings(),
        clock=FakeClock(World(time=api_server.DATE), ahead),
        chance=FixedChance(),
        serve=FakeServing,
    )


async def test_a_replica_two_days_ahead_without_a_secret_creates_nothing() -> None:
    """The answer for the configuration is the only one that gives the time: a Secret that is absent gives none."""
    api_server = PretendApiServer()
    replica = replica_of(api_server, ahead=timedelta(days=2))
    for _ in range(3):
        await replica.round()
    assert api_server.written == []
    assert any("the clock of this node" in problem.text for problem in replica.describe().problems)


async def test_a_replica_half_an_hour_ahead_dates_by_the_api_server() -> None:
    """Its wall clock is near enough to create an authority, and does not date it."""
    api_server = PretendApiServer()
    replica = replica_of(api_server, ahead=timedelta(minutes=30))
    await replica.round()
    assert replica.healthy()
    description, second = replica.describe(), timedelta(seconds=1)
    assert description.authority_not_after is not None
    assert description.not_after is not None
    life = settings()
    assert timedelta(0) <= description.authority_not_after - api_server.DATE - life.authority_lifetime <= second
    assert timedelta(0) <= description.not_after - api_server.DATE - life.leaf_lifetime <= second
