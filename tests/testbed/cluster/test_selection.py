"""Which cluster is chosen, from the environment alone; no cluster is needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.cluster.selection import Selection, SelectionError, select


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    """A directory like envtest's."""
    for tool in ("etcd", "kube-apiserver", "kubectl"):
        (tmp_path / tool).touch()
    return tmp_path


def test_every_minor_is_built_when_nothing_is_said() -> None:
    """The default is a control plane of each minor asked for, newest first."""
    assert select({}) == [Selection("built", "1.37"), Selection("built", "1.34")]
    assert select({}, minors=["1.34"]) == [Selection("built", "1.34")]


def test_a_user_s_kubeconfig_alone_changes_nothing(tmp_path: Path) -> None:
    """KUBECONFIG is in many a shell: without the explicit word the tests stay away from that cluster."""
    assert [one.kind for one in select({"KUBECONFIG": str(tmp_path / "config")})] == ["built", "built"]


def test_an_existing_cluster_is_used_when_asked_for(tmp_path: Path) -> None:
    """M365WI_TEST_CLUSTER=existing takes KUBECONFIG's cluster, once, whatever the minors."""
    kubeconfig = tmp_path / "config"
    kubeconfig.touch()
    environment = {"M365WI_TEST_CLUSTER": "existing", "KUBECONFIG": str(kubeconfig)}
    assert select(environment, minors=["1.37", "1.34"]) == [Selection("existing", "existing", kubeconfig)]


def test_envtest_s_directory_is_used_when_it_is_named(assets: Path) -> None:
    """KUBEBUILDER_ASSETS suffices, as it does for controller-runtime."""
    assert select({"KUBEBUILDER_ASSETS": str(assets)}) == [Selection("envtest", "envtest", assets)]


def test_the_explicit_word_wins_over_envtest_s_directory(assets: Path) -> None:
    """M365WI_TEST_CLUSTER=built ignores KUBEBUILDER_ASSETS."""
    environment = {"KUBEBUILDER_ASSETS": str(assets), "M365WI_TEST_CLUSTER": "built"}
    assert [one.kind for one in select(environment)] == ["built", "built"]


def test_kind_is_used_only_when_asked_for() -> None:
    """An installed Docker is not used by itself."""
    assert select({"M365WI_TEST_CLUSTER": "kind"}) == [Selection("kind", "kind")]


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        (
            {"M365WI_TEST_CLUSTER": "minikube"},
            "M365WI_TEST_CLUSTER=minikube: expected built, envtest, existing or kind",
        ),
        ({"M365WI_TEST_CLUSTER": "existing"}, "needs KUBECONFIG to name one file, not ''"),
        ({"M365WI_TEST_CLUSTER": "existing", "KUBECONFIG": "/a:/b"}, "not '/a:/b'"),
        ({"M365WI_TEST_CLUSTER": "envtest"}, "KUBEBUILDER_ASSETS is not set"),
        ({"KUBEBUILDER_ASSETS": "/nowhere"}, "does not have etcd, kube-apiserver, kubectl"),
    ],
    ids=["unknown", "existing without KUBECONFIG", "two files", "envtest without directory", "empty directory"],
)
def test_a_choice_that_cannot_be_had_is_explained(environment: dict[str, str], said: str) -> None:
    """Each wrong environment is one sentence with what was expected."""
    with pytest.raises(SelectionError) as error:
        select(environment)
    assert said in str(error.value)


def test_a_minor_that_is_not_built_is_refused() -> None:
    """--kubernetes 1.12 names the minors there are."""
    with pytest.raises(SelectionError) as error:
        select({}, minors=["1.37", "1.12"])
    assert str(error.value) == "Kubernetes 1.12: expected some of 1.37, 1.34"
