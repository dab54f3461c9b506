"""`TrustStore`: the fake of `tests.certs.fakes`, and `KubeConfiguration` with a real kube-apiserver."""

from __future__ import annotations

import asyncio
import base64
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from certs.errors import Conflict, Forbidden, NotFound
from certs.managed.ca_bundle import TrustStore, WebhookEntry
from testbed.cluster.cluster import Cluster
from testbed.cluster.registration import CONFIGURATIONS
from tests.certs.fakes import FakeTrust, World
from webhook.cluster.certificate_objects import KubeConfiguration
from webhook.cluster.kube import Kube

OURS = WebhookEntry(name="ours.example.org", bundle=b"", service="m365/webhook")
BY_URL = WebhookEntry(name="url.example.org", bundle=b"# by URL\n")
OTHER = WebhookEntry(name="other.example.org", bundle=b"# other\n", service="other/webhook")
ENTRIES = (OURS, BY_URL, OTHER)
BUNDLES = {OURS.name: b"# new\n\xff", BY_URL.name: b"# new too\n"}


class Site(ABC):
    """A store, and the rest of the world around its configuration. It begins with `ENTRIES`."""

    store: TrustStore

    @abstractmethod
    def now(self) -> datetime:
        """The API server's time."""

    @abstractmethod
    def write(self, *entries: WebhookEntry) -> None:
        """Another client creates the configuration or replaces its webhooks."""

    @abstractmethod
    def delete(self) -> None:
        """Another client deletes the configuration."""


class TrustStoreContract:
    """What every TrustStore does. A subclass has a fixture `site`."""

    async def test_an_absent_configuration_is_not_found(self, site: Site) -> None:
        read = await site.store.get()
        site.delete()
        with pytest.raises(NotFound):
            await site.store.get()
        with pytest.raises(NotFound):
            await site.store.patch(BUNDLES, version=read.version)

    async def test_every_webhook_is_read(self, site: Site) -> None:
        """In its order: name, caBundle, and the Service or none."""
        assert (await site.store.get()).entries == ENTRIES

    async def test_a_configuration_may_have_no_webhook(self, site: Site) -> None:
        site.write()
        assert (await site.store.get()).entries == ()

    async def test_a_patch_sets_what_it_names(self, site: Site) -> None:
        """Nothing else changes, and every byte arrives."""
        read = await site.store.get()
        patched = await site.store.patch(BUNDLES, version=read.version)
        wanted = [(entry.name, BUNDLES.get(entry.name, entry.bundle), entry.service) for entry in ENTRIES]
        again = await site.store.get()
        for configuration in (patched, again):
            assert [(entry.name, entry.bundle, entry.service) for entry in configuration.entries] == wanted
        assert patched.version == again.version != read.version

    async def test_a_patch_of_what_was_written_since_is_a_conflict(self, site: Site) -> None:
        """A webhook that was removed meanwhile does not come back."""
        read = await site.store.get()
        site.write(OTHER)
        with pytest.raises(Conflict):
            await site.store.patch(BUNDLES, version=read.version)
        assert (await site.store.get()).entries == (OTHER,)

    async def test_a_configuration_that_was_made_anew_has_another_uid(self, site: Site) -> None:
        """One that was changed keeps it."""
        read = await site.store.get()
        patched = await site.store.patch(BUNDLES, version=read.version)
        site.delete()
        site.write(*ENTRIES)
        assert patched.uid == read.uid != (await site.store.get()).uid

    async def test_of_two_who_patch_at_once_one_succeeds(self, site: Site) -> None:
        version = (await site.store.get()).version
        calls = (site.store.patch({name: b}, version=version) for name, b in BUNDLES.items())
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert sorted(type(result).__name__ for result in results) == ["Conflict", "WebhookConfiguration"]

    async def test_every_answer_tells_the_time(self, site: Site) -> None:
        """In whole seconds, aware and in UTC."""
        before = site.now().replace(microsecond=0)
        read = await site.store.get()
        for configuration in (read, await site.store.patch(BUNDLES, version=read.version)):
            assert configuration.date is not None
            assert configuration.date.utcoffset() == timedelta(0)
            assert before <= configuration.date <= site.now()


class FakeSite(Site):
    """The world of the fakes."""

    def __init__(self) -> None:
        self.world = World()
        self.world.write_entries(*ENTRIES)
        self.store = FakeTrust(self.world)

    def now(self) -> datetime:
        return self.world.time

    def write(self, *entries: WebhookEntry) -> None:
        self.world.write_entries(*entries)

    def delete(self) -> None:
        self.world.configuration = None


class KubeSite(Site):
    """A configuration of a real cluster that is called for no object."""

    def __init__(self, cluster: Cluster, name: str, kube: Kube) -> None:
        self.api, self.name = cluster.api, name
        self.path = f"{CONFIGURATIONS}/{name}"
        self.store = KubeConfiguration(kube, name)
        self.write(*ENTRIES)

    def now(self) -> datetime:
        return datetime.now(UTC)

    def write(self, *entries: WebhookEntry) -> None:
        document: dict[str, Any] = {"metadata": {"name": self.name}, "webhooks": [webhook(entry) for entry in entries]}
        answer = self.api.get(self.path).expect(200, 404)
        if answer.status == 404:
            self.api.post(CONFIGURATIONS, document).expect()
        else:
            document["metadata"]["resourceVersion"] = answer.json["metadata"]["resourceVersion"]
            self.api.put(self.path, document).expect()

    def delete(self) -> None:
        self.api.delete(self.path).expect(200, 404)


def webhook(entry: WebhookEntry) -> dict[str, Any]:
    """`entry` as the API server takes it, without rules, so that it is never called."""
    client: dict[str, Any] = {"url": "https://127.0.0.1:1/"}
    if entry.service:
        namespace, name = entry.service.split("/")
        client = {"service": {"namespace": namespace, "name": name}}
    if entry.bundle:
        client["caBundle"] = base64.b64encode(entry.bundle).decode()
    return {
        "name": entry.name,
        "clientConfig": client,
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Ignore",
    }


class TestFakeTrust(TrustStoreContract):
    """The fake."""

    @pytest.fixture
    def site(self) -> FakeSite:
        return FakeSite()


class TestKubeConfiguration(TrustStoreContract):
    """What the product uses."""

    @pytest.fixture
    async def site(self, control_plane: Cluster, namespace: str) -> AsyncIterator[KubeSite]:
        async with Kube(control_plane.kubeconfig) as kube:
            site = KubeSite(control_plane, f"contract-{namespace}", kube)
            yield site
            site.delete()

    async def test_a_patch_leaves_the_rest_of_the_object_alone(self, site: KubeSite) -> None:
        """Labels, and every other field of each webhook."""
        site.api.patch(site.path, {"metadata": {"labels": {"theirs": "kept"}}}).expect()
        before = site.api.get(site.path).expect().json
        await site.store.patch(BUNDLES, version=before["metadata"]["resourceVersion"])
        after = site.api.get(site.path).expect().json
        assert after["metadata"]["labels"] == {"theirs": "kept"}
        for document in (before, after):
            for each in document["webhooks"]:
                each["clientConfig"].pop("caBundle", None)
        assert after["webhooks"] == before["webhooks"]

    async def test_a_user_without_the_right_is_forbidden(
        self, site: KubeSite, control_plane: Cluster, namespace: str
    ) -> None:
        async with Kube(control_plane.kubeconfig_for_account(namespace, "default")) as kube:
            store = KubeConfiguration(kube, site.name)
            for call in (store.get(), store.patch(BUNDLES, version="1")):
                with pytest.raises(Forbidden):
                    await call
