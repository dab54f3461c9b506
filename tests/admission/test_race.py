"""A ServiceAccount and its pod, created at the same moment."""

from concurrent.futures import ThreadPoolExecutor

from demo.server import Running
from testbed.cluster.cluster import Cluster
from testbed.cluster.pods import a_pod, annotated, create, environment, is_injected, make_account

TIMES = 200


def test_a_pod_right_behind_its_account_is_never_missed(
    control_plane: Cluster, webhook: Running, namespace: str
) -> None:
    """Two hundred times a new ServiceAccount and, without a pause, its pod: every one is injected."""

    def both(number: int) -> bool:
        make_account(control_plane, namespace, f"account-{number}")
        return is_injected(create(control_plane, namespace, a_pod(f"pod-{number}", account=f"account-{number}")))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(both, range(TIMES)))


def test_an_annotation_that_comes_after_a_first_pod_is_seen_by_the_next(
    control_plane: Cluster, webhook: Running, namespace: str
) -> None:
    """The webhook does not remember that a ServiceAccount had no client id."""
    make_account(control_plane, namespace, annotations={})
    before = create(control_plane, namespace, a_pod("before"))
    assert "M365_CLIENT_ID" not in environment(before["spec"]["containers"][0])
    assert environment(before["spec"]["containers"][0])["M365_CLOUD"] == "public", (
        "it is labelled, so the rest is there"
    )
    control_plane.api.patch(
        f"/api/v1/namespaces/{namespace}/serviceaccounts/terraform", {"metadata": {"annotations": annotated()}}
    ).expect()
    assert is_injected(create(control_plane, namespace, a_pod("after")))
