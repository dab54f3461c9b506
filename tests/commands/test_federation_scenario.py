"""Sixty ServiceAccounts, three applications, two real clusters, and everything that can be wrong with credentials.

    per cluster and application     what is in Entra at the start
    right                           its credential
    missing                         nothing
    rebuilt                         marked for this cluster, of the issuer that it had before
    audience                        another cloud's audience
    letters, slash                  the subject with a capital letter, the issuer with a slash at its end
    twice                           its credential, and a duplicate with other letters
    shared                          nothing; the other cluster has one of the same subject
    plain                           its credential, made by hand
    (gone)                          marked, and its ServiceAccount was deleted

Three more ServiceAccounts of each cluster have no annotation. So each application wants 18 of the 20 that Entra takes.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from testbed.chart.helm import NAMESPACE
from testbed.cluster import kubeconfig
from testbed.cluster.control_plane import ControlPlane
from testbed.cluster.pods import make_account
from testbed.cluster.processes import wait_until
from testbed.entra.directory import TENANT_ID, Application
from testbed.entra.emulator import Entra, running
from testbed.entra.proxy import proxying
from tests.chart.objects import installed, one
from tests.commands.federation import AUDIENCE, put, subject
from tests.commands.live import Ran, run

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.xdist_group("federation"), pytest.mark.timeout(300)]

STATES: Final = {
    "right": ["ok"],
    "missing": ["missing"],
    "rebuilt": ["other issuer"],
    "audience": ["audience"],
    "letters": ["letters"],
    "slash": ["letters"],
    "twice": ["duplicate", "ok"],
    "shared": ["missing"],
    "plain": ["ok"],
    "gone": ["left over"],
}
APPLICATIONS: Final = ("alpha", "beta", "gamma")


@dataclass
class Side:
    """One cluster: its name in marks, and its issuer."""

    name: str
    issuer: str
    plane: ControlPlane

    @property
    def before(self) -> str:
        """The issuer that it had."""
        return f"{self.issuer}-before"

    def accounts(self, application: str) -> list[str]:
        """namespace/name of each that names the application. `shared` exists in both clusters."""
        return [f"{application}/{each if each == 'shared' else f'{each}-{self.name}'}" for each in STATES]


@dataclass
class Scene:
    """Two clusters, Entra, and the caller."""

    sides: tuple[Side, Side]
    entra: Entra
    applications: Mapping[str, Application]
    environ: Mapping[str, str]

    def command(self, side: Side, action: str, *arguments: str) -> tuple[list[str], dict[str, str]]:
        """The arguments and the environment of a command for one cluster."""
        where = {"KUBECONFIG": str(side.plane.kubeconfig), **self.environ}
        return ["fic", action, "-A", "--cluster-name", side.name, *arguments], where

    def fic(self, side: Side, action: str, *arguments: str) -> Ran:
        """The command, in this process."""
        words, environ = self.command(side, action, *arguments)
        return run(*words, environ=environ)

    def start(self, side: Side, action: str, *arguments: str) -> subprocess.Popen[str]:
        """The command, as a process."""
        words, environ = self.command(side, action, *arguments)
        return subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "webhook", *words],
            env={"PATH": os.defpath, **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def states(self, side: Side) -> dict[str, list[str]]:
        """What the plan says of each ServiceAccount, in small letters."""
        found: dict[str, list[str]] = {}
        for each in self.fic(side, "plan", "-o", "json").json["credentials"]:
            found.setdefault(each["serviceAccount"].lower(), []).append(each["state"])
        return {name: sorted(states) for name, states in found.items()}

    def keys(self, application: str) -> set[tuple[str, str]]:
        """Issuer and subject of each credential."""
        return {(each.issuer, each.subject) for each in self.applications[application].credentials}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("scene")
    with ExitStack() as stack:
        entra = stack.enter_context(running())
        proxy = stack.enter_context(proxying(routes=entra.routes))
        sides = []
        for name in ("prod", "stage"):
            issuer = f"https://oidc.example.com/{name}"
            plane = stack.enter_context(ControlPlane(issuer=issuer))
            sides.append(Side(name, issuer, plane))
            trust(entra, sides[-1], folder)
        caller = entra.application(name="federation", roles=["Application.ReadWrite.OwnedBy"])
        environ = {
            "HTTPS_PROXY": proxy.url,
            "NO_PROXY": "127.0.0.1",
            "SSL_CERT_FILE": str(entra.ca_file),
            "AZURE_CLIENT_ID": caller.client_id,
            "AZURE_TENANT_ID": caller.tenant_id,
            "AZURE_CLIENT_SECRET": caller.add_secret(),
            "HOME": str(folder),
            "TMPDIR": str(folder),
        }
        applications = {name: entra.application(name=name) for name in APPLICATIONS}
        for application in applications.values():
            application.owners.append(caller.object_id)
        for side in sides:
            fill(side, applications)
        yield Scene((sides[0], sides[1]), entra, applications, environ)


def trust(entra: Entra, side: Side, folder: Path) -> None:
    """Entra reads the documents of the cluster at its kube-apiserver."""
    access = kubeconfig.read(side.plane.kubeconfig)
    authority = folder / f"{side.name}.pem"
    authority.write_bytes(access.authority or b"")
    entra.fetch_from(side.issuer, access.server, authority, token=side.plane.token("default", "default"))


def fill(side: Side, applications: Mapping[str, Application]) -> None:
    """ServiceAccounts in the cluster, and what Entra has of them."""
    for name, application in applications.items():
        side.plane.create_namespace(name)
        make_account(side.plane, name, "unannotated", annotations={})
        for account in side.accounts(name):
            state = account.partition("/")[2].partition("-")[0]
            if state != "gone":
                client = {"azure.workload.identity/client-id": application.client_id}
                make_account(side.plane, name, account.partition("/")[2], annotations=client)
            credential(side, application, account, state)


def credential(side: Side, application: Application, account: str, state: str) -> None:
    """What is in Entra of one ServiceAccount."""
    capital = account.title()
    options: dict[str, Any] = {"issuer": side.issuer, "marked": side.name}
    if state in ("right", "twice", "gone"):
        put(application, account, **options)
    elif state == "rebuilt":
        put(application, account, **{**options, "issuer": side.before})
    elif state == "audience":
        put(application, account, **options, audience="api://AzureADTokenExchangeChina")
    elif state == "letters":
        put(application, account, **options, whose=subject(capital))
    elif state == "slash":
        put(application, account, issuer=f"{side.issuer}/")
    elif state == "plain":
        put(application, account, issuer=side.issuer)
    if state == "twice":
        put(application, account, **options, whose=subject(capital))


def busy(entra: Entra) -> None:
    """429 and 503 in between, of everything that is asked."""
    for number in range(8):
        entra.next("graph", at="federatedIdentityCredentials", status=429 if number % 2 else 503, retry_after=1)
        entra.next("graph", at="(name=", status=503 if number % 2 else 429, retry_after=1)


def test_everything_that_drifted_is_named_fixed_and_pruned(scene: Scene, tmp_path: Path) -> None:
    """Plan names each, apply fixes each, a second plan is empty, and prune removes exactly what is left over.

    Then the chart's CronJob keeps it so.
    """
    expected = {
        account: STATES[account.partition("/")[2].partition("-")[0]]
        for side in scene.sides
        for application in APPLICATIONS
        for account in side.accounts(application)
    }
    for side in scene.sides:
        own = {account for application in APPLICATIONS for account in side.accounts(application)}
        assert scene.states(side) == {account: expected[account] for account in own}
    assert scene.fic(scene.sides[0], "plan").code == 1
    apply_twice_at_once(scene)
    for side in scene.sides:
        done = scene.fic(side, "plan")
        assert (done.code, done.err) == (0, "")
        assert done.out.splitlines()[-1].startswith("Nothing is to do. 3 left over: m365wi fic prune")
    for name in APPLICATIONS:
        kept = {(s.issuer, subject(each)) for s in scene.sides for each in s.accounts(name)}
        assert scene.keys(name) == kept
        assert {each.audience for each in scene.applications[name].credentials} == {AUDIENCE}
    for side in scene.sides:
        assert scene.fic(side, "prune", "--yes").code == 0
        assert scene.fic(side, "plan").out.splitlines()[-1] == "Nothing is to do."
    for name in APPLICATIONS:
        kept = {(s.issuer, subject(each)) for s in scene.sides for each in s.accounts(name) if "/gone-" not in each}
        assert scene.keys(name) == kept
    let_the_charts_cronjob_do_it(scene, tmp_path)


def apply_twice_at_once(scene: Scene) -> None:
    """Each cluster twice, all four at the same time, until each ServiceAccount can sign in; and no secret is seen."""
    busy(scene.entra)
    scene.entra.settings.propagation = 2.0
    processes = [scene.start(side, "apply", "--wait", "--debug") for side in scene.sides for _ in range(2)]
    arguments = [Path(f"/proc/{each.pid}/cmdline").read_text() for each in processes]
    ends = [(*process.communicate(timeout=200), process.returncode) for process in processes]
    assert [code for _, _, code in ends] == [0, 0, 0, 0], ends
    signed_in = {asked.claims["sub"] for asked in scene.entra.exchanges if asked.code is None and "sub" in asked.claims}
    wanted = {subject(each) for s in scene.sides for name in APPLICATIONS for each in s.accounts(name)}
    assert signed_in == {each for each in wanted if ":gone-" not in each}
    text = "".join((*arguments, *(each for out, err, _ in ends for each in (out, err))))
    files = [path.read_text(errors="replace") for path in Path(scene.environ["HOME"]).rglob("*") if path.is_file()]
    for secret in (scene.environ["AZURE_CLIENT_SECRET"], "eyJ", "Bearer "):
        assert secret not in text
        assert [each for each in files if secret in each] == []


def let_the_charts_cronjob_do_it(scene: Scene, tmp_path: Path) -> None:
    """Its rights in the cluster are enough, and its token and variables sign it in, as its pod would have them."""
    side, client = scene.sides[0], "5a5a5a5a-0000-4000-8000-000000000001"
    values = {"enabled": True, "clientId": client, "tenantId": TENANT_ID, "clusterName": side.name}
    objects = installed({"federation": values})
    kinds = {"ServiceAccount", "ClusterRole", "ClusterRoleBinding"}
    own = [each for each in objects if each["kind"] in kinds and each["metadata"]["name"].endswith("-federation")]
    side.plane.create_namespace(NAMESPACE)
    side.plane.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(own))
    pod = one(objects, "CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    account, (container,) = pod["serviceAccountName"], pod["containers"]
    audience = pod["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"]["audience"]
    token = tmp_path / "token"
    token.write_text(side.plane.token(NAMESPACE, account, audiences=[audience]))
    caller = scene.entra.application(client_id=client, roles=["Application.ReadWrite.OwnedBy"])
    caller.federate(issuer=side.issuer, subject=subject(f"{NAMESPACE}/{account}"))
    for application in (*scene.applications.values(), caller):
        application.owners.append(caller.object_id)
    make_account(side.plane, "alpha", "new", {"azure.workload.identity/client-id": client})
    environ = {name: value for name, value in scene.environ.items() if not name.startswith("AZURE_")}
    environ |= {each["name"]: each["value"] for each in container["env"]}
    environ |= {"AZURE_FEDERATED_TOKEN_FILE": str(token)}
    environ["KUBECONFIG"] = str(side.plane.kubeconfig_for_account(NAMESPACE, account))
    user = f"system:serviceaccount:{NAMESPACE}:{account}"
    wait_until(lambda: side.plane.allows(user, "list", "serviceaccounts"), "its rights in force")
    done = run(*container["args"], environ=environ)
    assert (done.code, done.err) == (0, "")
    assert (side.issuer, subject("alpha/new")) in {(each.issuer, each.subject) for each in caller.credentials}
