"""`m365wi check` with a kubeconfig that somebody has broken, at a real API server.

Nothing of it is about the webhook, and nothing may be said about it; no request is one of system:anonymous.
"""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from demo.server import Running
from testbed.cluster.cluster import Cluster
from testbed.cluster.kubeconfig import read, render
from testbed.cluster.processes import free_ports
from tests.commands.live import Ran, authority, ours, run

Broken = Callable[[dict[str, Any], dict[str, Any]], None]
"""Breaks a cluster and a user of a kubeconfig."""


def asked(
    cluster: Cluster, folder: Path, broken: Broken, *arguments: str, environ: dict[str, str] | None = None
) -> Ran:
    """`check` with a kubeconfig that is broken so."""
    document = json.loads(render(read(cluster.kubeconfig)))
    (of_cluster,), (of_user,) = document["clusters"], document["users"]
    broken(of_cluster["cluster"], of_user["user"])
    (folder / "config").write_text(json.dumps(document))
    return run("check", *arguments, environ={"KUBECONFIG": str(folder / "config"), **(environ or {})})


def only_token(user: dict[str, Any], token: str) -> None:
    """A user with this token and nothing else."""
    user.clear()
    user["token"] = token


def expired_token() -> str:
    """A token of an unknown issuer. It ended a minute ago."""
    claims = {"exp": (datetime.now(UTC) - timedelta(minutes=1)).timestamp()}
    return f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.x"


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (lambda _, user: only_token(user, "of-another-cluster"), 'credential of user "test" (HTTP 401) (sign in'),
        (lambda _, user: only_token(user, expired_token()), "(HTTP 401): its token ended on 20"),
        (lambda _, user: user.clear(), 'user "test" has nothing to sign in with'),
        (lambda _, user: user.pop("client-key-data"), "has client-certificate and no client-key"),
    ],
    ids=["another's token", "expired token", "none", "half"],
)
def test_who_is_not_signed_in_is_told_so(control_plane: Cluster, tmp_path: Path, broken: Broken, said: str) -> None:
    """It stops, as after a credential plugin that failed. It does not advise to grant rights or to look at quotas."""
    done = asked(control_plane, tmp_path, broken)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert "anonymous" not in done.err
    assert "rolebinding" not in done.err


def other_authority(cluster: dict[str, Any], _: dict[str, Any]) -> None:
    """That of another cluster."""
    cluster["certificate-authority-data"] = base64.b64encode(authority().pem.encode()).decode()


def plain(cluster: dict[str, Any], _: dict[str, Any]) -> None:
    """http at the port of https."""
    cluster["server"] = cluster["server"].replace("https:", "http:")


@pytest.mark.parametrize(
    ("broken", "code", "said"),
    [
        (other_authority, "WI604", "unable to get local issuer certificate"),
        (lambda cluster, _: cluster.update({"tls-server-name": "a.example"}), "WI605", "not valid for 'a.example'"),
        (lambda cluster, _: cluster.update({"proxy-url": "http://127.0.0.1:1"}), "WI607", "http://127.0.0.1:1 for"),
        (plain, "WI608", "http://127.0.0.1:"),
        (
            lambda cluster, _: cluster.update(server=f"https://127.0.0.1:{free_ports(1)[0]}"),
            "WI601",
            "Connect call failed",
        ),
    ],
    ids=["authority", "name", "proxy", "http", "port"],
)
def test_what_is_in_the_way_is_named(
    control_plane: Cluster, tmp_path: Path, broken: Broken, code: str, said: str
) -> None:
    """One finding, each with its own fix, from `check` and from the report alike."""
    for arguments in ((), ("-A",), ("--pre",)):
        done = asked(control_plane, tmp_path, broken, *arguments)
        assert done.code == 1
        found = done.finding("cluster")
        assert f"[{code}]" in found
        assert said in found


@pytest.mark.parametrize(
    "broken",
    [
        lambda cluster, _: cluster.update({"tls-server-name": "kubernetes.default.svc"}),
        lambda cluster, _: cluster.update(server=cluster["server"].removeprefix("https://")),
        lambda _, user: user.update({"as": "jane", "as-groups": ["other", "system:masters"]}),
    ],
    ids=["tls-server-name", "no scheme", "another user"],
)
def test_what_kubectl_accepts_is_accepted(
    control_plane: Cluster, live_webhook: Running, tmp_path: Path, broken: Broken
) -> None:
    """Also on a machine whose proxy is for other addresses than loopback."""
    with ours(control_plane, live_webhook) as name:
        done = asked(control_plane, tmp_path, broken, environ={"HTTPS_PROXY": "http://127.0.0.1:1"})
    assert name in done.out
    assert done.out.endswith("All is well.\n"), done.out + done.err


def test_another_user_has_his_own_rights(control_plane: Cluster, tmp_path: Path) -> None:
    """`as` of the kubeconfig, with a group that may do nothing."""
    done = asked(control_plane, tmp_path, lambda _, user: user.update({"as": "jane", "as-groups": ["x"]}))
    assert 'User "jane" cannot create resource "pods"' in done.finding("call")
