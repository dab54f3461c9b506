"""`AccountSource`: the fake of `tests.core.support`, files and a real kube-apiserver, each also behind the cache."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from testbed.cluster.cluster import Cluster
from testbed.cluster.kubeconfig import Access, render
from testbed.cluster.pki import Authority
from tests.core.cases import USUAL_ANNOTATIONS
from tests.core.support import Accounts
from webhook.accounts.cache import CachedAccounts
from webhook.accounts.cluster import ClusterAccounts
from webhook.accounts.files import FileAccounts
from webhook.accounts.source import AccountSource, LookupFailed, account_from
from webhook.cluster.kube import Kube
from webhook.core.identity import Account

NAME = "terraform"
FOREIGN = {"example.com/owner": "team"}
WAIT = 10.0  # seconds, far more than an answer takes


class Site(ABC):
    """A place with ServiceAccounts in one namespace. It begins without any but, in a cluster, `default`."""

    namespace: str = "shop"

    @abstractmethod
    def write(self, name: str, annotations: Mapping[str, str] | None) -> None:
        """Somebody creates a ServiceAccount. Before the first look-up: files are read once."""

    @abstractmethod
    def source(self) -> AccountSource:
        """The source of the ServiceAccounts that are there."""

    async def get(self, name: str = NAME, namespace: str | None = None) -> Account | None:
        """One look-up."""
        return await self.source().get(namespace or self.namespace, name, seconds=WAIT)


class AccountSourceContract:
    """What every AccountSource does. A subclass has a fixture `site`."""

    async def test_an_account_is_found_by_namespace_and_name(self, site: Site) -> None:
        site.write(NAME, USUAL_ANNOTATIONS)
        assert await site.get() == Account(site.namespace, NAME, USUAL_ANNOTATIONS)

    async def test_an_account_of_another_name_is_absent(self, site: Site) -> None:
        site.write(NAME, USUAL_ANNOTATIONS)
        assert await site.get("other") is None

    async def test_an_account_of_another_namespace_is_absent(self, site: Site) -> None:
        site.write(NAME, USUAL_ANNOTATIONS)
        assert await site.get(namespace="no-such-namespace") is None

    async def test_only_our_annotations_are_kept(self, site: Site) -> None:
        """The others may be large, and no decision reads them."""
        site.write(NAME, {**USUAL_ANNOTATIONS, **FOREIGN})
        found = await site.get()
        assert found is not None
        assert found.annotations == USUAL_ANNOTATIONS

    async def test_an_account_without_annotations_is_found(self, site: Site) -> None:
        """It exists: a pod that uses it is told something else than for an absent one."""
        site.write(NAME, None)
        assert await site.get() == Account(site.namespace, NAME, {})

    async def test_accounts_are_told_apart(self, site: Site) -> None:
        site.write("one", USUAL_ANNOTATIONS)
        site.write("two", None)
        first, second = await asyncio.gather(site.get("one"), site.get("two"))
        assert (first, second) == (
            Account(site.namespace, "one", USUAL_ANNOTATIONS),
            Account(site.namespace, "two", {}),
        )

    async def test_callers_at_once_get_the_same(self, site: Site) -> None:
        site.write(NAME, USUAL_ANNOTATIONS)
        source = site.source()
        found = await asyncio.gather(*(source.get(site.namespace, NAME, seconds=WAIT) for _ in range(20)))
        assert found == [Account(site.namespace, NAME, USUAL_ANNOTATIONS)] * 20

    @pytest.mark.parametrize("name", ["..", "../secrets/x", "Upper", "a b", ""])
    async def test_a_name_that_kubernetes_does_not_allow_is_absent(self, site: Site, name: str) -> None:
        """It leads nowhere else."""
        site.write(NAME, USUAL_ANNOTATIONS)
        assert await site.source().get(site.namespace, name, seconds=WAIT) is None
        assert await site.source().get(name, NAME, seconds=WAIT) is None


class FakeSite(Site):
    """The fake of the tests of the core."""

    def __init__(self) -> None:
        self.accounts: list[Account] = []

    def write(self, name: str, annotations: Mapping[str, str] | None) -> None:
        self.accounts.append(account_from(document(self.namespace, name, annotations)))

    def source(self) -> AccountSource:
        return Accounts(*self.accounts)


class FileSite(Site):
    """A folder with a file for each ServiceAccount."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, annotations: Mapping[str, str] | None) -> None:
        (self.folder / f"{name}.json").write_text(json.dumps(document(self.namespace, name, annotations)))

    def source(self) -> AccountSource:
        return FileAccounts.read(self.folder)


class ClusterSite(Site):
    """A namespace of a real cluster."""

    def __init__(self, cluster: Cluster, namespace: str, kube: Kube) -> None:
        self.api, self.namespace, self.kube = cluster.api, namespace, kube

    def write(self, name: str, annotations: Mapping[str, str] | None) -> None:
        path = f"/api/v1/namespaces/{self.namespace}/serviceaccounts"
        self.api.post(path, document(self.namespace, name, annotations)).expect()

    def source(self) -> AccountSource:
        return ClusterAccounts(self.kube)


class CachedSite(Site):
    """Another site, behind one cache."""

    def __init__(self, behind: Site) -> None:
        self.behind, self.namespace = behind, behind.namespace
        self.cache: CachedAccounts | None = None

    def write(self, name: str, annotations: Mapping[str, str] | None) -> None:
        self.behind.write(name, annotations)

    def source(self) -> AccountSource:
        self.cache = self.cache or CachedAccounts(self.behind.source())
        return self.cache


def document(namespace: str, name: str, annotations: Mapping[str, str] | None) -> dict[str, Any]:
    """A ServiceAccount as JSON."""
    metadata: dict[str, Any] = {"namespace": namespace, "name": name}
    if annotations is not None:
        metadata["annotations"] = {**annotations}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


@pytest.fixture
async def cluster_site(control_plane: Cluster, namespace: str) -> AsyncIterator[ClusterSite]:
    """A fresh namespace of the cluster."""
    async with Kube(control_plane.kubeconfig) as kube:
        yield ClusterSite(control_plane, namespace, kube)


class TestFake(AccountSourceContract):
    """The fake."""

    @pytest.fixture
    def site(self) -> Site:
        return FakeSite()


class TestFiles(AccountSourceContract):
    """`serve --accounts`."""

    @pytest.fixture
    def site(self, tmp_path: Path) -> Site:
        return FileSite(tmp_path)


class TestCluster(AccountSourceContract):
    """What a pod uses."""

    @pytest.fixture
    def site(self, cluster_site: ClusterSite) -> Site:
        return cluster_site

    async def test_a_user_without_the_right_is_told_so(self, control_plane: Cluster, namespace: str) -> None:
        """With the right to give."""
        async with Kube(control_plane.kubeconfig_for_account(namespace, "default")) as kube:
            with pytest.raises(LookupFailed) as caught:
                await ClusterAccounts(kube).get(namespace, NAME, seconds=WAIT)
        assert str(caught.value).startswith(f"ServiceAccount {namespace}/{NAME}: HTTP 403: ")
        assert "`get` on serviceaccounts" in str(caught.value)


class TestCachedFake(AccountSourceContract):
    """The cache in front of the fake."""

    @pytest.fixture
    def site(self) -> Site:
        return CachedSite(FakeSite())


class TestCachedFiles(AccountSourceContract):
    """The cache in front of files."""

    @pytest.fixture
    def site(self, tmp_path: Path) -> Site:
        return CachedSite(FileSite(tmp_path))


class TestCachedCluster(AccountSourceContract):
    """The cache in front of the API server: what a replica uses."""

    @pytest.fixture
    def site(self, cluster_site: ClusterSite) -> Site:
        return CachedSite(cluster_site)


class Silent:
    """A source that never answers."""

    async def get(self, namespace: str, name: str, *, seconds: float) -> Account | None:
        await asyncio.Event().wait()
        return None


def fail() -> None:
    """What the fake does first if it is to fail."""
    raise LookupFailed("away")


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port on which connections are accepted, and nothing is ever sent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def kubeconfig(folder: Path, port: int) -> Path:
    """The kubeconfig of an API server at a port of this machine."""
    path = folder / "kubeconfig"
    path.write_text(render(Access(f"https://127.0.0.1:{port}", Authority().certificate, token="a")))
    return path


class TestFailures:
    """A source that cannot answer raises LookupFailed, with one line, within its time."""

    @pytest.mark.parametrize("cached", [False, True], ids=["alone", "cached"])
    @pytest.mark.parametrize("server", ["silent", "absent"])
    async def test_an_api_server_that_does_not_answer_fails_the_look_up(
        self, tmp_path: Path, silent_port: int, server: str, cached: bool
    ) -> None:
        async with Kube(kubeconfig(tmp_path, silent_port if server == "silent" else 1)) as kube:
            await self.fails(self.wrapped(ClusterAccounts(kube), cached))

    @pytest.mark.parametrize("cached", [False, True], ids=["alone", "cached"])
    async def test_the_fake_fails_as_a_source_does(self, cached: bool) -> None:
        await self.fails(self.wrapped(Accounts(before=fail), cached))

    async def test_the_cache_gives_up_a_source_that_never_answers(self) -> None:
        """The cache keeps the promise that its source breaks."""
        await self.fails(CachedAccounts(Silent()))

    async def test_a_closed_connection_fails_the_look_up(self, tmp_path: Path) -> None:
        """Before it is opened, and after."""
        kube = Kube(kubeconfig(tmp_path, 1))
        await self.fails(ClusterAccounts(kube))

    def wrapped(self, source: AccountSource, cached: bool) -> AccountSource:
        """The source, behind a cache if `cached`."""
        return CachedAccounts(source) if cached else source

    async def fails(self, source: AccountSource) -> None:
        """Asserts that a look-up fails in time, twice: no failure is kept."""
        for _ in range(2):
            start = time.monotonic()
            with pytest.raises(LookupFailed) as caught:
                await source.get("shop", NAME, seconds=0.2)
            assert time.monotonic() - start < 5  # the machine may be busy
            assert str(caught.value)
            assert str(caught.value).splitlines() == [str(caught.value)]
