"""What a stolen key of our authority is worth to a real kube-apiserver: nothing but our own names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from certs.authority import make_authority, make_leaf
from certs.names import service_names
from testbed.cluster.cluster import Cluster
from testbed.cluster.pods import a_pod
from tests.commands.live import endpoint, registered

OURS = (*service_names("m365-workload-identity", "m365-workload-identity-system"), "localhost")


def test_kube_apiserver_accepts_only_the_names_that_the_authority_was_made_for(
    control_plane: Cluster, namespace: str
) -> None:
    """With a leaf certificate for another one of its names, too, it refuses our own name as well."""
    now, hour = datetime.now(UTC), timedelta(hours=1)
    authority = make_authority(now=now, lifetime=hour, names=OURS)
    permitted = make_leaf(authority, names=OURS, now=now, lifetime=hour)
    stolen = make_leaf(authority, names=["localhost", "127.0.0.1"], now=now, lifetime=hour)
    answers = {}
    for name, leaf in (("permitted", permitted), ("stolen", stolen)):
        with (
            endpoint(leaf, lambda _: (200, b"{}", {})) as port,
            registered(control_plane.api, f"https://localhost:{port}/", authority.pem.encode()),
        ):
            pods = f"/api/v1/namespaces/{namespace}/pods"
            pod = a_pod(account="default")
            answers[name] = control_plane.api.post(pods, pod, params={"dryRun": "All"}).message
    assert "x509" not in answers["permitted"], "the test shows nothing"
    assert "received invalid webhook response" in answers["permitted"]
    assert "not authorized to sign for this name" in answers["stolen"]
