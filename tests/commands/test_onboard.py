"""`m365wi onboard` and `offboard`: a real API server, and the emulator of Entra and Graph."""

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from testbed.cluster.cluster import Cluster
from testbed.cluster.control_plane import ISSUER
from testbed.cluster.pods import make_account
from testbed.cluster.processes import wait_until
from testbed.entra.directory import TENANT_ID, Application
from tests.commands.entra_tenant import ADMINISTRATOR, DEVELOPER, Tenant, tenant
from tests.commands.live import Ran
from tests.onboarding.kills import Killed, Kills
from webhook.core.clouds import CLOUDS
from webhook.core.identity import Account
from webhook.core.names import AZURE_CLIENT_ID, AZURE_TENANT_ID, CLOUD
from webhook.core.policy import Policy
from webhook.entra.federated_credential import federated_credential
from webhook.entra.mark import mark
from webhook.onboarding.marks import TOOL
from webhook.onboarding.marks import made as made_tag

pytestmark = pytest.mark.cluster
NAME = "terraform"
WANTED = ("--permission", "Group.Read.All", "User.Read.All")
STEPS = ["tenant", "application", "permissions", "principal", "consent", "account", "credential", "sign-in"]


@pytest.fixture(scope="module")
def entra(control_plane: Cluster) -> Iterator[Tenant]:
    with tenant(control_plane) as found:
        yield found


@pytest.fixture
def administrator(entra: Tenant) -> dict[str, str]:
    """Who may do everything."""
    return entra.caller(*ADMINISTRATOR)


def onboard(entra: Tenant, namespace: str, *arguments: str, caller: Mapping[str, str]) -> Ran:
    usual = ("-n", namespace, "--service-account", NAME, "--no-lookup", *WANTED)
    return entra.run("onboard", *usual, *arguments, caller=caller)


def offboard(entra: Tenant, namespace: str, *arguments: str, caller: Mapping[str, str]) -> Ran:
    return entra.run("offboard", "-n", namespace, "--service-account", NAME, *arguments, caller=caller)


def outcomes(ran: Ran) -> list[tuple[str, str]]:
    """Outcome and step of each line."""
    return [(outcome, step) for outcome, step in re.findall(r"^(\w+) +([\w-]+)  ", ran.out, re.MULTILINE)]


def account(cluster: Cluster, namespace: str) -> Any:
    reply = cluster.api.get(f"/api/v1/namespaces/{namespace}/serviceaccounts/{NAME}")
    return reply.json if reply.status == 200 else None


def annotations(cluster: Cluster, namespace: str) -> dict[str, str]:
    found: dict[str, str] = account(cluster, namespace)["metadata"].get("annotations") or {}
    return found


def is_whole(entra: Tenant, namespace: str) -> Application:
    """There is one of everything, and it fits together. Returns the application."""
    (made,) = entra.named(f"{namespace}-{NAME}-")
    assert made.has_service_principal
    assert made.roles == ("Group.Read.All", "User.Read.All")
    (trusted,) = made.credentials
    assert (trusted.issuer, trusted.subject) == (ISSUER, f"system:serviceaccount:{namespace}:{NAME}")
    found = annotations(entra.cluster, namespace)
    assert found == {AZURE_CLIENT_ID: made.client_id, AZURE_TENANT_ID: TENANT_ID}
    return made


def test_from_nothing_to_a_sign_in_and_back(entra: Tenant, namespace: str, administrator: dict[str, str]) -> None:
    """Then there is nothing to do. `offboard` names what it would remove, removes it, and has nothing to do then."""
    done = onboard(entra, namespace, caller=administrator)
    assert (done.code, done.err) == (0, ""), done.out
    assert outcomes(done) == [("ok", "tenant"), *(("done", step) for step in STEPS[1:-1]), ("ok", "sign-in")]
    made = is_whole(entra, namespace)
    again = onboard(entra, namespace, caller=administrator)
    assert (again.code, outcomes(again)) == (0, [("ok", step) for step in STEPS]), again.out
    assert "Nothing to do." in again.out
    asked = offboard(entra, namespace, caller=administrator)
    assert (asked.code, outcomes(asked)) == (1, [("ok", "tenant"), ("todo", "application"), ("todo", "account")])
    assert is_whole(entra, namespace) is made
    gone = offboard(entra, namespace, "--yes", caller=administrator)
    assert (gone.code, outcomes(gone)) == (0, [("ok", "tenant"), ("done", "application"), ("done", "account")])
    assert entra.named(f"{namespace}-{NAME}-") == []
    assert account(entra.cluster, namespace) is None
    nothing = offboard(entra, namespace, "--yes", caller=administrator)
    assert (nothing.code, {outcome for outcome, _ in outcomes(nothing)}) == (0, {"ok"})


def test_a_namespace_that_is_missing_is_made(entra: Tenant, namespace: str, administrator: dict[str, str]) -> None:
    """And stays, since others may put something into it."""
    other = f"{namespace}-new"
    done = onboard(entra, other, "-o", "json", caller=administrator)
    assert (done.code, done.json["complete"]) == (0, True), done.out
    assert [step["code"] for step in done.json["steps"]][5] == "WI953"
    assert offboard(entra, other, "--yes", caller=administrator).code == 0
    entra.cluster.api.delete(f"/api/v1/namespaces/{other}").expect()


def test_a_namespace_that_is_not_there_is_told(entra: Tenant, namespace: str, administrator: dict[str, str]) -> None:
    """With the one that was meant, with and without --yes. So is a ServiceAccount; there is nothing to do about it."""
    for more in ((), ("--yes",)):
        done = offboard(entra, f"{namespace}x", *more, caller=administrator)
        assert (done.code, outcomes(done)[-1]) == (1, ("FAIL", "account")), done.out
        assert f"namespace {namespace}x does not exist" in done.out
        assert f"; did you mean {namespace}? [WI985]" in done.out
    make_account(entra.cluster, namespace, f"{NAME}2", {})
    done = offboard(entra, namespace, "--yes", caller=administrator)
    assert done.code == 0
    assert f"ServiceAccount {namespace}/{NAME} does not exist; did you mean {NAME}2? [WI986]" in done.out


def test_what_is_left_of_a_deleted_namespace_is_removed(
    entra: Tenant, namespace: str, administrator: dict[str, str]
) -> None:
    """In Entra; then nothing tells the namespace from a misspelt one."""
    other = f"{namespace}-gone"
    assert onboard(entra, other, caller=administrator).code == 0
    entra.cluster.delete_namespace(other)
    path = f"/api/v1/namespaces/{other}"
    wait_until(lambda: entra.cluster.api.get(path).status == 404, "the end of the namespace")
    gone = offboard(entra, other, "--yes", caller=administrator)
    assert (gone.code, outcomes(gone)[1:]) == (0, [("done", "application"), ("ok", "account")]), gone.out
    assert entra.named(f"{other}-{NAME}-") == []
    assert offboard(entra, other, "--yes", caller=administrator).code == 1


def test_a_cluster_that_was_rebuilt(entra: Tenant, namespace: str, administrator: dict[str, str]) -> None:
    """--issuer names the issuer of then. The ServiceAccount of now stays, and so does what it has in Entra."""
    before = "https://before.example.com"
    assert onboard(entra, namespace, caller=administrator).code == 0
    old = entra.entra.application(name=application_name(namespace, before), roles=["Group.Read.All"])
    subject = f"system:serviceaccount:{namespace}:{NAME}"
    old.federate(issuer=before, subject=subject, description=mark(before, subject, ""))
    old.properties["tags"] = [TOOL, made_tag(old.name[-8:])]
    wrong = offboard(entra, namespace, "--issuer", "before", caller=administrator)
    assert (wrong.code, "--issuer is " in wrong.err) == (2, True)
    done = offboard(entra, namespace, "--issuer", before, "--yes", caller=administrator)
    assert (done.code, outcomes(done)) == (0, [("ok", "tenant"), ("done", "application"), ("ok", "account")]), done.out
    assert (
        f"ServiceAccount {namespace}/{NAME} stays: it belongs to the cluster as it is now, whose issuer is {ISSUER}"
        in done.out
    )
    assert entra.named(old.name) == []
    is_whole(entra, namespace)


def application_name(namespace: str, issuer: str) -> str:
    """What `onboard` calls the application for a cluster with this issuer."""
    account = Account(namespace, NAME, {})
    found = federated_credential(account, issuer=issuer, policy=Policy(), client_id=TENANT_ID)
    return found.name


def test_names_that_are_wrong_are_wrong_usage(entra: Tenant, namespace: str, administrator: dict[str, str]) -> None:
    """All at once, with the nearest ones. Nothing is made."""
    done = onboard(entra, namespace, "--permission", "Group.Reed.All", "user.read.all", caller=administrator)
    assert done.code == 2
    assert [line.partition("did you mean ")[2][:13] for line in done.err.splitlines()] == [
        "Group.Read.Al",
        "User.Read.All",
    ]
    assert entra.named(namespace) == []
    assert account(entra.cluster, namespace) is None
    done = entra.run("onboard", "-n", "Shop", "--wait", "soon", "--managed-identity", "x", caller=administrator)
    assert (done.code, len(done.err.splitlines())) == (2, 4)


def test_a_link_lets_somebody_else_consent(entra: Tenant, namespace: str, administrator: dict[str, str]) -> None:
    """A developer does what he may, and gets the link. An administrator's run of the same command does the rest."""
    developer = entra.caller(*DEVELOPER)
    first = onboard(entra, namespace, caller=developer)
    assert first.code == 1
    assert ("todo", "consent") in outcomes(first)
    assert outcomes(first)[-1] == ("ok", "sign-in"), first.out
    (made,) = entra.named(f"{namespace}-{NAME}-")
    assert f"https://login.microsoftonline.com/{TENANT_ID}/adminconsent?client_id={made.client_id}" in first.out
    assert f"; or: az ad app permission admin-consent --id {made.client_id}; then" in first.out
    assert "Not complete. The same command goes on from here." in first.out
    assert ("todo", "consent") in outcomes(onboard(entra, namespace, caller=developer))
    second = onboard(entra, namespace, caller=administrator)
    assert second.code == 0
    assert [step for outcome, step in outcomes(second) if outcome == "done"] == ["consent"]
    is_whole(entra, namespace)
    assert onboard(entra, namespace, caller=developer).code == 0


def test_the_account_is_printed_for_git(entra: Tenant, namespace: str, administrator: dict[str, str]) -> None:
    """The cluster is left as it is. Once it is applied, the same command tries to sign in."""
    done = onboard(entra, namespace, "--print", caller=administrator)
    assert done.code == 0, done.err
    assert account(entra.cluster, namespace) is None
    document = yaml.safe_load(done.out)
    assert document["metadata"]["annotations"][AZURE_TENANT_ID] == TENANT_ID
    assert "does not exist yet" in done.err
    entra.cluster.kubectl("apply", "-f", "-", input=done.out)
    again = onboard(entra, namespace, "--print", caller=administrator)
    assert (again.code, again.out) == (0, "")
    assert "signs in" in again.err
    kept = offboard(entra, namespace, "--yes", caller=administrator)
    assert kept.code == 0
    assert account(entra.cluster, namespace), "kubectl made it"


def test_a_dry_run_prints_what_it_would_do(entra: Tenant, namespace: str, administrator: dict[str, str]) -> None:
    """Neither Graph nor the cluster is asked to change anything; sentences are comments."""
    entra.entra.forget_requests()
    done = onboard(entra, namespace, "--dry-run", caller=administrator)
    assert done.code == 0, done.out
    assert {asked.method for asked in entra.entra.calls} == {"GET"}
    assert account(entra.cluster, namespace) is None
    code = [line for line in done.out.splitlines() if line and not line.startswith("#")]
    starts = [line for line in code if line.startswith(("APP_ID=", "PRINCIPAL_ID=", "az ", "kubectl "))]
    assert [line.split("(")[0] for line in starts[:1]] == ["APP_ID=$"]
    assert sum("appRoleAssignments" in line for line in starts) == 2
    assert starts[-2].startswith("kubectl apply --server-side --field-manager=m365wi-onboard -f - <<END")
    assert starts[-1].startswith('az ad app federated-credential create --id "$APP_ID" --parameters ')
    whole = onboard(entra, namespace, caller=administrator)
    assert whole.code == 0
    nothing = onboard(entra, namespace, "--dry-run", caller=administrator)
    assert all(line.startswith("#") or not line for line in nothing.out.splitlines()), nothing.out
    away = offboard(entra, namespace, "--dry-run", caller=administrator)
    assert "az rest --method DELETE" in away.out
    is_whole(entra, namespace)


def test_what_somebody_else_has_set_stays(entra: Tenant, namespace: str, administrator: dict[str, str]) -> None:
    """Another tenant, another application: it stops, and says so."""
    other = entra.entra.application(name="erp")
    make_account(entra.cluster, namespace, NAME, {AZURE_CLIENT_ID: other.client_id, AZURE_TENANT_ID: other.client_id})
    done = onboard(entra, namespace, caller=administrator)
    assert (done.code, outcomes(done)) == (1, [("FAIL", "tenant")])
    assert other.client_id in done.out
    entra.cluster.kubectl("annotate", "-n", namespace, f"serviceaccount/{NAME}", f"{AZURE_TENANT_ID}-")
    done = onboard(entra, namespace, "--application", "11111111-1111-4111-8111-111111111111", caller=administrator)
    assert (done.code, outcomes(done)[-1]) == (1, ("FAIL", "application"))
    assert annotations(entra.cluster, namespace) == {AZURE_CLIENT_ID: other.client_id}


def test_annotations_that_are_wrong_are_all_named(entra: Tenant, namespace: str, administrator: dict[str, str]) -> None:
    """Before anything is made."""
    make_account(entra.cluster, namespace, NAME, {AZURE_CLIENT_ID: "contoso", AZURE_TENANT_ID: "common"})
    done = onboard(entra, namespace, caller=administrator)
    assert (done.code, outcomes(done)) == (1, [("FAIL", "cluster"), ("FAIL", "cluster")])
    assert entra.named(namespace) == []


def test_an_application_that_was_there_keeps_what_it_had(
    entra: Tenant, namespace: str, administrator: dict[str, str]
) -> None:
    """Its name, its credential for another cluster, its own consent. What was added for the ServiceAccount, goes."""
    erp = entra.entra.application(name="erp", roles=["User.Read.All"])
    erp.federate(issuer="https://other.example.com", subject="system:serviceaccount:erp:web")
    done = onboard(entra, namespace, "--application", erp.client_id, caller=administrator)
    assert done.code == 0, done.out
    assert erp.roles == ("User.Read.All", "Group.Read.All")
    assert len(erp.credentials) == 2
    gone = offboard(entra, namespace, "--yes", caller=administrator)
    assert (gone.code, gone.err) == (0, ""), gone.out
    assert [trusted.subject for trusted in erp.credentials] == ["system:serviceaccount:erp:web"]
    assert erp in entra.named("erp")
    assert not any("m365wi" in tag for tag in erp.properties["tags"])
    assert account(entra.cluster, namespace) is None


def test_an_application_of_a_stranger_gets_nothing(
    entra: Tenant, namespace: str, administrator: dict[str, str]
) -> None:
    """Somebody has registered one of the name that is going to be given, with the tag, and waits."""
    make_account(entra.cluster, namespace, NAME, {})
    planned = onboard(entra, namespace, "--dry-run", caller=administrator)
    (name,) = set(re.findall(rf"{namespace}-{NAME}-[0-9a-f]{{8}}", planned.out))
    trap = entra.entra.application(name=name)
    trap.properties["tags"] = ["m365wi", f"m365wi:{name[-8:]}"]
    trap.owners.append("a stranger's id")
    done = onboard(entra, namespace, caller=administrator)
    assert (done.code, outcomes(done)[-1]) == (1, ("FAIL", "application"))
    assert f"--application {trap.client_id}" in done.out
    assert trap.roles == ()
    assert annotations(entra.cluster, namespace) == {}


def test_a_run_that_is_killed_goes_on(
    entra: Tenant, namespace: str, administrator: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each request to Graph in turn, each time from nothing: the next run ends as one that was not killed."""
    kills = Kills(monkeypatch)
    for number in range(1, 100):
        kills.left = number
        try:
            onboard(entra, namespace, caller=administrator)
        except Killed:
            pass
        else:
            break
        done = onboard(entra, namespace, caller=administrator)
        assert done.code == 0, f"{number}: {done.out}"
        is_whole(entra, namespace)
        assert offboard(entra, namespace, "--yes", caller=administrator).code == 0
    assert number > 10


def test_no_token_and_no_secret_is_shown_or_written(
    entra: Tenant, namespace: str, administrator: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --debug, in success and in failure; and no file is left."""
    monkeypatch.chdir(tmp_path)
    home = {**administrator, "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    ran = [onboard(entra, namespace, "--debug", caller=home)]
    entra.entra.next("login", code=700213, times=None)
    ran.append(onboard(entra, namespace, "--debug", "--wait", "0", caller=home))
    entra.entra.clear()
    ran.append(offboard(entra, namespace, "--yes", "--debug", caller=home))
    assert [each.code for each in ran] == [0, 1, 0]
    text = "".join(each.out + each.err for each in ran)
    assert re.search(r"PATCH /applications\(uniqueName='\S+'\) 201 ", text)
    assert not re.search(r"ey[JK][A-Za-z0-9_-]{10}|Bearer ", text)
    assert administrator["AZURE_CLIENT_SECRET"] not in text
    assert [*tmp_path.rglob("*")] == []


def test_a_managed_identity_takes_the_place_of_an_application(
    entra: Tenant, namespace: str, administrator: dict[str, str]
) -> None:
    """Its credential is made in Azure, its app roles in the directory. The second run knows it by the annotation."""
    identity = entra.entra.managed_identity(f"id-{namespace}")
    done = onboard(entra, namespace, "--managed-identity", identity.arm_id, caller=administrator)
    assert (done.code, done.err) == (0, ""), done.out
    assert [step for outcome, step in outcomes(done) if outcome == "done"] == ["consent", "account", "credential"]
    assert identity.roles == ("Group.Read.All", "User.Read.All")
    (trusted,) = identity.credentials
    assert trusted.subject == f"system:serviceaccount:{namespace}:{NAME}"
    assert annotations(entra.cluster, namespace)[AZURE_CLIENT_ID] == identity.client_id
    again = onboard(entra, namespace, caller=administrator)
    assert (again.code, {outcome for outcome, _ in outcomes(again)}) == (0, {"ok"}), again.out
    gone = offboard(entra, namespace, "--yes", caller=administrator)
    assert gone.code == 0, gone.out
    assert list(identity.credentials) == []
    assert "stays: it was there before" in gone.out
    assert account(entra.cluster, namespace) is None


def test_an_identity_needs_an_administrator_who_runs_the_command(
    entra: Tenant, namespace: str, administrator: dict[str, str]
) -> None:
    """Without a list of permissions it does not have a link either. A dry run prints what would be done."""
    identity = entra.entra.managed_identity(f"id-{namespace}")
    chosen = ("--managed-identity", identity.arm_id)
    printed = onboard(entra, namespace, *chosen, "--dry-run", caller=administrator)
    assert f"az identity federated-credential create --name {namespace}-{NAME}-" in printed.out
    done = onboard(entra, namespace, *chosen, caller=entra.caller("Application.Read.All"))
    assert (done.code, ("todo", "consent") in outcomes(done), "adminconsent" in done.out) == (1, True, False), done.out
    assert outcomes(done)[-1] == ("ok", "sign-in")
    assert onboard(entra, namespace, caller=administrator).code == 0


def test_servers_that_learn_slowly_are_waited_for(entra: Tenant, namespace: str, administrator: dict[str, str]) -> None:
    """Graph does not know a new application everywhere at once, and the token endpoint not a new credential."""
    settings = entra.entra.settings
    settings.replication = settings.propagation = 1.0
    try:
        done = onboard(entra, namespace, caller=administrator)
    finally:
        settings.replication = settings.propagation = 0.0
    assert done.code == 0, done.out
    is_whole(entra, namespace)


def test_the_guide_shows_what_happens(entra: Tenant, administrator: dict[str, str]) -> None:
    """Its command, and the steps with their codes as they are shown there."""
    guide = (Path(__file__).parents[2] / "docs/guide.md").read_text()
    (line,) = re.findall(r"^m365wi (onboard .*)$", guide, re.MULTILINE)
    shown = re.findall(r"^(\w+) +([\w-]+) .*\[(WI\d+)\]$", guide, re.MULTILINE)
    done = entra.run(*line.split(), "--no-lookup", caller=administrator)
    entra.cluster.api.delete("/api/v1/namespaces/terraform-m365").expect(200, 404)
    assert done.code == 0, done.out
    assert re.findall(r"^(\w+) +([\w-]+) .*\[(WI\d+)\]$", done.out, re.MULTILINE) == shown
    assert done.out.splitlines()[-1] in guide


@pytest.mark.parametrize("cloud", [name for name in CLOUDS if name != "public"])
def test_each_cloud_has_its_own_hosts_and_audience(control_plane: Cluster, namespace: str, cloud: str) -> None:
    """The ServiceAccount says which cloud it is for, so that the second run needs no flag."""
    with tenant(control_plane, cloud=cloud) as found:
        administrator = found.caller(*ADMINISTRATOR)
        waits = onboard(found, namespace, "--cloud", cloud, caller=found.caller(*DEVELOPER)).out
        done = onboard(found, namespace, "--cloud", cloud, caller=administrator)
        assert done.code == 0, done.out
        assert annotations(control_plane, namespace)[CLOUD] == cloud
        (made,) = found.named(f"{namespace}-{NAME}-")
        assert made.credentials[0].audience == CLOUDS[cloud].audience
        assert f"open {CLOUDS[cloud].authority}{TENANT_ID}/adminconsent?client_id={made.client_id}" in waits
        assert ("az ad app permission admin-consent" in waits) == (cloud == "gcc"), "az refuses other clouds"
        again = onboard(found, namespace, caller=administrator)
        assert (again.code, {outcome for outcome, _ in outcomes(again)}) == (0, {"ok"}), again.out


def test_who_may_not_is_told_what_lets_him(entra: Tenant, namespace: str, administrator: dict[str, str]) -> None:
    """In the cluster: each fix is run as it is printed, and the next run comes further."""
    kubeconfig = entra.cluster.kubeconfig_for_account(namespace, "default")
    developer = {**administrator, "KUBECONFIG": str(kubeconfig)}
    fixes = []
    for _ in range(3):
        done = onboard(entra, namespace, caller=developer)
        if done.code == 0:
            break
        (fix,) = re.findall(r"fix: kubectl ([^;\n]*)", done.out)
        fixes.append(fix)
        entra.cluster.kubectl(*shlex.split(fix), check=False)
    assert done.code == 0, done.out
    assert "rolebinding m365wi-onboard --clusterrole=edit" in fixes[0]
    is_whole(entra, namespace)
    assert offboard(entra, namespace, "--yes", caller=developer).code == 0
