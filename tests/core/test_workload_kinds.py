"""The table of the kinds of objects that have pods."""

import pytest

from webhook.core.workload_kinds import WORKLOAD_KINDS, workload_kind

TEMPLATE = ("spec", "template")


@pytest.mark.parametrize(
    ("group", "name", "steps"),
    [
        ("", "Pod", ()),
        ("", "ReplicationController", TEMPLATE),
        ("", "PodTemplate", ("template",)),
        ("apps", "Deployment", TEMPLATE),
        ("apps", "ReplicaSet", TEMPLATE),
        ("apps", "DaemonSet", TEMPLATE),
        ("apps", "StatefulSet", TEMPLATE),
        ("extensions", "Deployment", TEMPLATE),
        ("extensions", "ReplicaSet", TEMPLATE),
        ("extensions", "DaemonSet", TEMPLATE),
        ("batch", "Job", TEMPLATE),
        ("batch", "CronJob", ("spec", "jobTemplate", "spec", "template")),
    ],
)
def test_each_kind_has_its_pod_template_where_kubernetes_has_it(group: str, name: str, steps: tuple[str, ...]) -> None:
    """Written out: the API decides, not the table."""
    kind = workload_kind(group, name)
    assert kind is not None
    assert kind.steps == steps


@pytest.mark.parametrize(
    ("group", "name"), [("apps", "Pod"), ("", "Deployment"), ("extensions", "StatefulSet"), ("", "")]
)
def test_another_group_is_another_kind(group: str, name: str) -> None:
    """A Deployment of somebody else's API may keep anything anywhere."""
    assert workload_kind(group, name) is None


def test_the_path_is_that_of_the_current_group() -> None:
    """The core group has a path of its own."""
    paths = {kind.name: kind.path("shop", "x") for kind in WORKLOAD_KINDS}
    assert paths["Deployment"] == "/apis/apps/v1/namespaces/shop/deployments/x"
    assert paths["CronJob"] == "/apis/batch/v1/namespaces/shop/cronjobs/x"
    assert paths["Pod"] == "/api/v1/namespaces/shop/pods/x"


def test_names_are_unique() -> None:
    """`check KIND/NAME` finds a kind by any of them."""
    names = [name for kind in WORKLOAD_KINDS for name in (kind.name.lower(), kind.plural, *kind.short)]
    assert len(set(names)) == len(names)
