"""`SecretStore`: the fake of `tests.certs.fakes`, and `KubeSecret` with a real kube-apiserver."""

from __future__ import annotations

import asyncio
import base64
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from certs.errors import Conflict, Forbidden, NotFound, Rejected, StoreUnavailable
from certs.managed.secret import SecretStore
from testbed.cluster.cluster import Cluster
from tests.certs.fakes import FakeSecrets, World
from webhook.cluster.certificate_objects import KubeSecret
from webhook.cluster.kube import Kube

DATA = {"text": b"first", "bytes": b"\x00\xff\n", "empty": b""}
OTHER = {"text": b"second"}
NAME = "contract"


class Site(ABC):
    """A store, and the rest of the world around its Secret. It begins without the Secret."""

    store: SecretStore

    @abstractmethod
    def now(self) -> datetime:
        """The API server's time."""

    @abstractmethod
    def write(self, data: Mapping[str, bytes]) -> None:
        """Another client creates the Secret or replaces its data."""

    @abstractmethod
    def delete(self) -> None:
        """Another client deletes the Secret."""


class SecretStoreContract:
    """What every SecretStore does. A subclass has a fixture `site`."""

    async def test_an_absent_secret_is_not_found(self, site: Site) -> None:
        with pytest.raises(NotFound):
            await site.store.get()

    async def test_what_is_created_is_read(self, site: Site) -> None:
        """Every byte of it, at the version that `create` returned."""
        created = await site.store.create(DATA)
        read = await site.store.get()
        assert created.data == read.data == DATA
        assert created.version == read.version

    async def test_a_secret_that_exists_is_not_created(self, site: Site) -> None:
        """`Conflict`, and it stays as it is."""
        site.write(OTHER)
        with pytest.raises(Conflict):
            await site.store.create(DATA)
        assert (await site.store.get()).data == OTHER

    async def test_an_empty_secret_is_there(self, site: Site) -> None:
        """The chart creates it so."""
        site.write({})
        assert (await site.store.get()).data == {}

    async def test_an_update_replaces_all_data(self, site: Site) -> None:
        """A key that is not in the new data goes."""
        site.write(DATA)
        read = await site.store.get()
        updated = await site.store.update(read, OTHER)
        assert updated.data == OTHER
        assert updated.version != read.version
        again = await site.store.get()
        assert (again.data, again.version) == (OTHER, updated.version)

    async def test_what_an_update_returns_can_be_updated(self, site: Site) -> None:
        created = await site.store.create(DATA)
        updated = await site.store.update(created, OTHER)
        assert (await site.store.update(updated, DATA)).data == DATA

    async def test_an_update_of_what_was_written_since_is_a_conflict(self, site: Site) -> None:
        """It changes nothing."""
        site.write(DATA)
        read = await site.store.get()
        site.write(OTHER)
        with pytest.raises(Conflict):
            await site.store.update(read, {"text": b"third"})
        assert (await site.store.get()).data == OTHER

    async def test_an_update_of_a_deleted_secret_is_not_found(self, site: Site) -> None:
        """It does not come back."""
        site.write(DATA)
        read = await site.store.get()
        site.delete()
        with pytest.raises(NotFound):
            await site.store.update(read, OTHER)
        with pytest.raises(NotFound):
            await site.store.get()

    async def test_an_update_of_a_secret_that_was_made_anew_is_a_conflict(self, site: Site) -> None:
        site.write(DATA)
        read = await site.store.get()
        site.delete()
        site.write(OTHER)
        with pytest.raises(Conflict):
            await site.store.update(read, DATA)
        assert (await site.store.get()).data == OTHER

    async def test_a_secret_that_was_made_anew_has_another_uid(self, site: Site) -> None:
        """One that was changed keeps it."""
        created = await site.store.create(DATA)
        updated = await site.store.update(created, OTHER)
        site.delete()
        site.write(OTHER)
        assert updated.uid == created.uid != (await site.store.get()).uid

    async def test_of_two_who_create_at_once_one_succeeds(self, site: Site) -> None:
        results = await asyncio.gather(site.store.create(DATA), site.store.create(OTHER), return_exceptions=True)
        assert sorted(type(result).__name__ for result in results) == ["Conflict", "StoredSecret"]

    async def test_of_two_who_update_at_once_one_succeeds(self, site: Site) -> None:
        site.write({})
        read = await site.store.get()
        calls = (site.store.update(read, DATA), site.store.update(read, OTHER))
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert sorted(type(result).__name__ for result in results) == ["Conflict", "StoredSecret"]

    async def test_every_answer_tells_the_time(self, site: Site) -> None:
        """In whole seconds, aware and in UTC."""
        before = site.now().replace(microsecond=0)
        created = await site.store.create(DATA)
        for stored in (created, await site.store.get(), await site.store.update(created, OTHER)):
            assert stored.date is not None
            assert stored.date.utcoffset() == timedelta(0)
            assert before <= stored.date <= site.now()

    async def test_no_key_is_in_the_repr(self, site: Site) -> None:
        created = await site.store.create({"ca.key": b"a private key"})
        assert "private" not in repr(created)
        assert base64.b64encode(b"a private key").decode() not in repr(created)


class FakeSite(Site):
    """The world of the fakes."""

    def __init__(self) -> None:
        self.world = World()
        self.store = FakeSecrets(self.world)

    def now(self) -> datetime:
        return self.world.time

    def write(self, data: Mapping[str, bytes]) -> None:
        self.world.write_secret(data)

    def delete(self) -> None:
        self.world.write_secret(None)


class KubeSite(Site):
    """A namespace of a real cluster."""

    def __init__(self, cluster: Cluster, namespace: str, kube: Kube) -> None:
        self.api = cluster.api
        self.store = KubeSecret(kube, namespace, NAME)
        self.folder = f"/api/v1/namespaces/{namespace}/secrets"
        self.path = f"{self.folder}/{NAME}"

    def now(self) -> datetime:
        return datetime.now(UTC)

    def write(self, data: Mapping[str, bytes]) -> None:
        self.put(data)

    def put(self, data: Mapping[str, bytes], **fields: Any) -> None:
        """As `write`, with more fields of the object."""
        encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
        document = {"metadata": {"name": NAME}, "type": "Opaque", "data": encoded, **fields}
        if self.api.post(self.folder, document).expect(201, 409).status == 409:
            self.api.put(self.path, document).expect()

    def delete(self) -> None:
        self.api.delete(self.path).expect()


class TestFakeSecrets(SecretStoreContract):
    """The fake."""

    @pytest.fixture
    def site(self) -> FakeSite:
        return FakeSite()


class TestKubeSecret(SecretStoreContract):
    """What the product uses."""

    @pytest.fixture
    async def site(self, control_plane: Cluster, namespace: str) -> AsyncIterator[KubeSite]:
        async with Kube(control_plane.kubeconfig) as kube:
            yield KubeSite(control_plane, namespace, kube)

    async def test_an_update_leaves_the_rest_of_the_object_alone(self, site: KubeSite) -> None:
        """Labels, annotations and type are its owner's."""
        metadata = {"name": NAME, "labels": {"theirs": "kept"}, "annotations": {"theirs": "kept"}}
        site.put(DATA, metadata=metadata, type="example.org/other")
        await site.store.update(await site.store.get(), OTHER)
        document = site.api.get(site.path).expect().json
        assert {key: document["metadata"][key] for key in metadata} == metadata
        assert document["type"] == "example.org/other"

    async def test_an_immutable_secret_is_rejected(self, site: KubeSite) -> None:
        site.put(DATA, immutable=True)
        with pytest.raises(Rejected):
            await site.store.update(await site.store.get(), OTHER)

    async def test_a_user_without_the_right_is_forbidden(
        self, site: KubeSite, control_plane: Cluster, namespace: str
    ) -> None:
        site.write(DATA)
        read = await site.store.get()
        async with Kube(control_plane.kubeconfig_for_account(namespace, "default")) as kube:
            store = KubeSecret(kube, namespace, NAME)
            for call in (store.get(), store.create(DATA), store.update(read, OTHER)):
                with pytest.raises(Forbidden):
                    await call

    async def test_a_namespace_that_is_absent_is_not_found(self, control_plane: Cluster) -> None:
        async with Kube(control_plane.kubeconfig) as kube:
            with pytest.raises(NotFound):
                await KubeSecret(kube, "no-such-namespace", NAME).create(DATA)

    async def test_without_an_answer_it_is_unavailable(self, control_plane: Cluster, tmp_path: Path) -> None:
        """The address of nothing."""
        absent = tmp_path / "kubeconfig"
        text = control_plane.kubeconfig.read_text()
        absent.write_text(text.replace(control_plane.api.server, "https://127.0.0.1:1"))
        async with Kube(absent) as kube:
            store = KubeSecret(kube, "default", NAME)
            for call in (store.get(), store.create(DATA)):
                with pytest.raises(StoreUnavailable):
                    await call
