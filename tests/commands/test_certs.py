"""`python -m webhook certs`, on a real cluster whose webhook keeps its own certificates."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from certs.authority import make_leaf
from certs.managed.ca_bundle import PublishedBundle
from certs.managed.secret import AuthorityRecord, SecretState
from certs.messages import Problem
from certs.pem import Bundle, fingerprint
from demo.server import Running, running
from testbed.cluster.cluster import Cluster
from testbed.cluster.processes import wait_until
from testbed.cluster.registration import CONFIGURATIONS, configuration
from testbed.cluster.relay import Cut, relay
from tests.authorities import make_authority
from webhook.commands.certs import _bundles, _renewal_of_leaf
from webhook.settings import Rotation

NAMESPACE = "certs-command"
CONFIGURATION = "certs-command"
SECRET = f"/api/v1/namespaces/{NAMESPACE}/secrets/m365-workload-identity-ca"
FLAGS = ("--own-namespace", NAMESPACE, "--configuration", CONFIGURATION)


@pytest.fixture(scope="module")
def webhook(control_plane: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A webhook with certificates of its own, trusted by a configuration that sends it nothing of other tests."""
    control_plane.create_namespace(NAMESPACE)
    wanted = configuration("https://127.0.0.1:1/mutate", b"", name=CONFIGURATION)
    for webhook in wanted["webhooks"]:
        del webhook["clientConfig"]["caBundle"]
        webhook["objectSelector"] = {"matchLabels": {"only": CONFIGURATION}}
    control_plane.api.post(CONFIGURATIONS, wanted).expect()
    folder = tmp_path_factory.mktemp("webhook")
    settings = ["--kubeconfig", str(control_plane.kubeconfig), *FLAGS, "--interval", "1s", "--settle", "2s"]
    with running(folder, settings, certificates="self-managed") as process:
        yield process
    control_plane.api.delete(f"{CONFIGURATIONS}/{CONFIGURATION}").expect()
    control_plane.delete_namespace(NAMESPACE)


def certs(cluster: Cluster, *arguments: str, kubeconfig: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """The command, against `cluster`."""
    command = [sys.executable, "-m", "webhook", "certs", *arguments, *FLAGS]
    command += ["--kubeconfig", str(kubeconfig or cluster.kubeconfig)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def authorities(cluster: Cluster) -> list[str]:
    """What the Secret's certificates are there for."""
    report = json.loads(certs(cluster, "-o", "json").stdout)
    return [row["state"] for row in report["rows"] if row["place"] == "Secret"]


def test_it_shows_the_ca_what_the_cluster_trusts_and_what_is_served(control_plane: Cluster, webhook: Running) -> None:
    """A row for each certificate, with its end and what it is there for; exit code 0."""
    done = certs(control_plane, "--connect", f"127.0.0.1:{webhook.port}")
    assert done.returncode == 0, done.stdout
    assert "signs" in done.stdout
    assert "caBundle of labelled.m365.workload.identity" in done.stdout
    assert "trusted by every caBundle" in done.stdout
    assert "PRIVATE KEY" not in done.stdout + done.stderr


def test_it_shows_when_each_is_renewed(control_plane: Cluster, webhook: Running) -> None:
    """At two thirds of a life that began when it was signed, which is not its NotBefore."""
    done = certs(control_plane, "-o", "json", "--connect", f"127.0.0.1:{webhook.port}")
    rows = json.loads(done.stdout)["rows"]
    for place, days in (("Secret", 730), ("127.0.0.1", 14)):
        (row,) = (row for row in rows if row["place"].startswith(place) and row["renewed"])
        renewed, expires = (datetime.fromisoformat(row[each]) for each in ("renewed", "expires"))
        assert abs(expires - renewed - timedelta(days=days) / 3) < timedelta(seconds=2)
        assert abs(expires - datetime.now(UTC) - timedelta(days=days)) < timedelta(hours=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("age", "renewed"),
    [
        (timedelta(days=300), "2030-01-10T08:00:00Z"),
        (timedelta(days=717), ""),  # it ends with its authority, so it is not known when it was signed
    ],
)
def test_a_fresh_leaf_of_an_old_ca_is_renewed_late(age: timedelta, renewed: str) -> None:
    """It begins when its CA does, and that says nothing."""
    now = datetime(2030, 1, 1, tzinfo=UTC)
    authority = make_authority(now=now - age, lifetime=timedelta(days=730))
    leaf = make_leaf(authority, names=["a"], now=now, lifetime=timedelta(days=14)).certificate
    state = SecretState(current=authority.certificate)
    assert _renewal_of_leaf(leaf, state, Rotation().certs("m365")) == renewed
    assert _renewal_of_leaf(leaf, SecretState(), Rotation().certs("m365")) == ""


@pytest.mark.slow
def test_a_stranger_in_a_ca_bundle_is_shown_with_its_end() -> None:
    """As soon as a replica has recorded when it is taken out."""
    now = datetime(2030, 1, 1, tzinfo=UTC)
    ours, theirs = (make_authority(now=now, lifetime=timedelta(days=730)).certificate for _ in range(2))
    bundle = PublishedBundle(name="pods", bundle=Bundle(certificates=(ours, theirs)))
    end = AuthorityRecord(expires=now + timedelta(days=730), leaves_end=now + timedelta(days=14, hours=3))
    recorded = SecretState(current=ours, records={fingerprint(theirs): end})
    shown = {}
    for what, state in (("recorded", recorded), ("not yet", SecretState(current=ours)), ("no Secret", None)):
        problems: list[Problem] = []
        shown[what] = [row.state for row in _bundles((bundle,), state, problems)][-1]
        assert problems == []
    assert shown == {
        "recorded": "somebody else's, or of a CA that is gone, taken out after 2030-01-15T03:00:00Z",
        "not yet": "somebody else's, or of a CA that is gone",
        "no Secret": "somebody else's, or of a CA that is gone",
    }


def test_the_cluster_is_found_as_kubectl_finds_it(control_plane: Cluster, webhook: Running) -> None:
    """By $KUBECONFIG, without a flag; and without one, that is reported."""
    command = [sys.executable, "-m", "webhook", "certs", *FLAGS]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("KUBE", "M365WI"))}
    for extra, code in (({"KUBECONFIG": str(control_plane.kubeconfig)}, 0), ({"HOME": "/nowhere"}, 2)):
        done = subprocess.run(
            command, env={**environment, **extra}, capture_output=True, text=True, timeout=100, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
    assert "set KUBECONFIG" in done.stderr


def test_a_rotation_without_answer_is_not_denied(control_plane: Cluster, webhook: Running, tmp_path: Path) -> None:
    """It may have happened: the Secret says so, and it has."""
    before = control_plane.api.get(SECRET).expect().json["metadata"]["resourceVersion"]

    def swallowed(method: str, _path: str, _body: bytes) -> Cut | None:
        return (lambda moment, _status: moment == "after") if method == "PUT" else None

    with relay(control_plane.kubeconfig, tmp_path, swallowed) as kubeconfig:
        done = certs(control_plane, "rotate", kubeconfig=kubeconfig)
    assert done.returncode == 1
    assert "Whether it was rotated is not known" in done.stderr
    assert control_plane.api.get(SECRET).expect().json["metadata"]["resourceVersion"] != before


def test_the_ca_can_be_rotated(control_plane: Cluster, webhook: Running) -> None:
    """`rotate --ca` stages the next one, once; the replicas take it from there."""
    before = json.loads(certs(control_plane, "-o", "json").stdout)["rows"][0]["fingerprint"]
    done = certs(control_plane, "rotate", "--ca")
    assert done.returncode == 0, done.stderr

    def promoted() -> bool:
        rows = json.loads(certs(control_plane, "-o", "json").stdout)["rows"]
        return any(row["state"] == "signs" and row["fingerprint"] != before for row in rows)

    wait_until(promoted, "the next CA in use")
    assert any(state.startswith("trusted") for state in authorities(control_plane))


def test_the_replicas_certificate_can_be_replaced(control_plane: Cluster, webhook: Running) -> None:
    """`rotate` alone keeps the CA and gives every replica a new leaf."""

    def served() -> str:
        report = json.loads(certs(control_plane, "-o", "json", "--connect", f"127.0.0.1:{webhook.port}").stdout)
        found = [str(row["fingerprint"]) for row in report["rows"] if row["place"].startswith("127.0.0.1")]
        return found[0] if found else ""

    before = served()
    assert certs(control_plane, "rotate").returncode == 0
    wait_until(lambda: served() not in ("", before), "another leaf")


def test_what_a_person_must_fix_is_one_line_with_its_fix(control_plane: Cluster, webhook: Running) -> None:
    """A person who may not read them is told which rights they are missing, and the commands can be run as they are."""
    control_plane.api.post(
        f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts",
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "no-rights"}},
    ).expect(201, 409)
    kubeconfig = control_plane.kubeconfig_for_account(NAMESPACE, "no-rights")
    done = certs(control_plane, kubeconfig=kubeconfig)
    assert done.returncode == 1
    assert "The state of the CA is not known." in done.stdout
    lines = [line for line in done.stdout.splitlines() if line.startswith("! ")]
    assert len(lines) == 2
    for line in lines:
        assert f"RBAC forbids you, system:serviceaccount:{NAMESPACE}:no-rights, to `get` it" in line
        for command in line.partition("(kubectl ")[2].rpartition(")")[0].split("; kubectl "):
            control_plane.kubectl(*shlex.split(command))
    try:
        wait_until(lambda: certs(control_plane, kubeconfig=kubeconfig).returncode == 0, "the rights")
    finally:
        for kind in ("clusterrole", "clusterrolebinding"):
            control_plane.kubectl("delete", kind, "m365-certs")


def test_wrong_usage_is_reported_all_at_once(control_plane: Cluster) -> None:
    """Exit code 2, a line for each mistake."""
    done = certs(control_plane, "--ca", "--connect", "somewhere")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 2
