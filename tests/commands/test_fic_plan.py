"""`fic plan`, `fic apply` and `fic prune` against an API server's answers and the emulator of Entra."""

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.entra.directory import Application
from tests.commands.federation import AUDIENCE, BEFORE, ISSUER, STAGE, World, put, subject, world
from webhook.entra.mark import mark

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def the_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("world")) as found:
        yield found


@pytest.fixture
def here(the_world: World) -> World:
    """The world without ServiceAccounts, faults and requests; each test has applications of its own."""
    the_world.reset()
    return the_world


def credentials(application: Application) -> list[tuple[str, str, str]]:
    """Issuer, subject and audience of each credential."""
    return sorted((each.issuer, each.subject, each.audience) for each in application.credentials)


def right(*accounts: str) -> list[tuple[str, str, str]]:
    return sorted((ISSUER, subject(account), AUDIENCE) for account in accounts)


def test_all_wrong_usage_is_reported_at_once(here: World) -> None:
    """Flags of another action among it."""
    done = here.fic(
        *("plan", "-A", "-n", "Shop", "-o", "yaml", "--auth", "magic", "--tenant", "x y", "--yes", "--dry-run"),
        *("--cluster-name", "A b", "--former-issuer", "http://x", "--application", "x", "--timeout", "soon"),
    )
    assert (done.code, len(done.err.splitlines())) == (2, 11)
    assert "-A and -n exclude each other" in done.err
    assert "--yes goes with `fic prune`" in done.err
    assert here.fic("print", "-n", "shop", "--service-account", "a", "--wait").code == 2
    assert here.fic("plan", environ={"AZURE_CLIENT_SECRET": "", "PATH": "/nonexistent"}).code == 2


def test_a_cluster_in_which_nothing_is_annotated(here: World) -> None:
    """Nothing to do, and Entra is not asked about any application."""
    here.accounts["shop/default"] = {}
    done = here.fic("plan")
    said = "Nothing to do: with {}, no ServiceAccount names an application of this tenant and cloud.\n"
    assert (done.code, done.out, done.err) == (0, said.format("-A"), "")
    assert here.fic("plan", "-n", "misspelt").out == said.format("-n misspelt")
    assert here.entra.calls == []


def test_a_plan_names_what_is_missing_and_apply_creates_it(here: World) -> None:
    """The table, the exit codes, the mark; and a second plan is empty."""
    app = here.application("terraform")
    for name in ("shop/a", "shop/b", "stock/c", "stock/d"):  # more than a page
        here.account(name, app)
    put(app, "shop/a")
    done = here.fic("plan")
    assert (done.code, done.err) == (1, "")
    lines = [line.split() for line in done.out.splitlines()]
    assert lines[0] == ["STATE", "SERVICEACCOUNT", "APPLICATION", "WHAT"]
    assert lines[1][:3] == ["ok", "shop/a", "terraform"]
    assert lines[2][:3] == ["missing", "shop/b", "terraform"]
    assert lines[-3] == ["terraform", app.client_id, "application", "1", "of", "20"]
    assert done.out.splitlines()[-1] == "3 to do: m365wi fic apply -A."
    done = here.fic("apply")
    assert (done.code, done.err) == (0, "")
    assert [line.split()[0] for line in done.out.splitlines()[:4]] == ["RESULT", "created", "created", "created"]
    assert done.out.splitlines()[-3].split()[-3:] == ["4", "of", "20"]
    assert credentials(app) == right("shop/a", "shop/b", "stock/c", "stock/d")
    assert {each.description for each in app.credentials} >= {mark(ISSUER, subject("shop/b"))}
    assert here.fic("plan").code == 0
    done = here.fic("apply")
    assert (done.code, done.out.splitlines()[-1]) == (0, "Nothing was to do.")


def test_a_plan_can_be_for_one_namespace_or_one_service_account(here: World) -> None:
    """The namespace of the context without -n; what is not selected is neither created nor left over."""
    app = here.application("terraform")
    for name in ("shop/a", "shop/b", "stock/c"):
        here.account(name, app)
    put(app, "stock/gone", marked="")
    assert set(here.states("--service-account", "a")) == {"shop/a"}
    assert set(here.states("-n", "shop")) == {"shop/a", "shop/b"}
    assert set(here.states("-n", "stock")) == {"stock/c", "stock/gone"}
    assert here.fic("prune", "-n", "shop").code == 0
    done = here.fic("plan", "--service-account", "b")
    assert done.out.splitlines()[-1] == "1 to do: m365wi fic apply -n shop --service-account b."


def test_a_service_account_that_does_not_exist_is_told(here: World) -> None:
    """It may be misspelt; only for prune it may be gone."""
    app = here.application("terraform")
    put(app, "shop/gone", marked="")
    for action in ("plan", "apply"):
        done = here.fic(action, "--service-account", "gone")
        assert (done.code, done.out) == (1, "")
        assert "kubectl create serviceaccount gone -n shop" in done.err
    assert here.fic("prune", "--service-account", "gone", "--application", app.client_id, "--yes").code == 0
    assert len(app.credentials) == 0


def test_each_drift_is_named_and_fixed(here: World) -> None:
    """Issuer, audience, letters, duplicates; with the codes of docs/messages.md."""
    app = here.application("terraform")
    for name in ("shop/issuer", "shop/unknown", "shop/audience", "shop/letters", "shop/slash", "shop/twice"):
        here.account(name, app)
    put(app, "shop/issuer", issuer=BEFORE, marked="prod")
    put(app, "shop/unknown", issuer=STAGE)
    put(app, "shop/audience", audience="api://AzureADTokenExchangeChina")
    put(app, "shop/letters", whose=subject("shop/Letters"))
    put(app, "shop/slash", issuer=ISSUER.removesuffix("/"))
    put(app, "shop/twice")
    put(app, "shop/twice", whose=subject("shop/TWICE"), marked="")
    found = here.fic("plan", "--cluster-name", "prod", "-o", "json")
    assert found.code == 1
    codes = {(each["serviceAccount"], each["code"]) for each in found.json["credentials"]}
    assert codes == {
        ("shop/issuer", "WI882"),
        ("shop/unknown", "WI883"),
        ("shop/audience", "WI884"),
        ("shop/letters", "WI885"),
        ("shop/slash", "WI885"),
        ("shop/twice", ""),
        ("shop/TWICE", "WI886"),
    }
    assert (found.json["toDo"], found.json["leftOver"]) == (6, 0)
    done = here.fic("apply", "--cluster-name", "prod")
    assert (done.code, done.err) == (0, "")
    accounts = ("shop/issuer", "shop/unknown", "shop/audience", "shop/letters", "shop/slash", "shop/twice")
    assert credentials(app) == sorted([*right(*accounts), (STAGE, subject("shop/unknown"), AUDIENCE)])
    assert here.fic("plan", "--cluster-name", "prod").code == 0


def test_two_clusters_share_an_application(here: World) -> None:
    """The other's is counted, never touched; a cluster that is gone is named by the user."""
    app = here.application("terraform")
    here.account("shop/a", app)
    put(app, "shop/a", marked="prod")
    put(app, "shop/a", issuer=STAGE, marked="stage")
    put(app, "shop/gone", issuer=STAGE, marked="stage")
    put(app, "shop/gone", marked="prod")
    done = here.fic("plan", "--cluster-name", "prod")
    assert done.code == 0
    assert "4 of 20, 2 of another cluster or by hand" in done.out
    assert done.out.splitlines()[-1] == "Nothing is to do. 1 left over: m365wi fic prune -A --cluster-name prod."
    assert here.fic("prune", "--yes", "--cluster-name", "prod").code == 0
    assert len(app.credentials) == 3
    assert here.fic("prune", "--yes", "--former-issuer", STAGE).code == 0
    assert credentials(app) == right("shop/a")


def test_prune_removes_only_what_it_made_and_only_with_yes(here: World) -> None:
    """What a person made or changed stays."""
    app = here.application("terraform")
    here.account("shop/a", app)
    put(app, "shop/a", marked="")
    put(app, "shop/gone", marked="")
    put(app, "shop/by-hand")
    put(app, "shop/changed", whose="repo:contoso/shop:ref:refs/heads/main", marked="")
    before = credentials(app)
    done = here.fic("prune")
    assert done.code == 1
    assert [line.split()[:2] for line in done.out.splitlines()[1:2]] == [["left", "over"]]
    assert done.out.splitlines()[-1] == "1 left over; nothing was removed: add --yes."
    assert credentials(app) == before
    done = here.fic("prune", "--yes")
    assert (done.code, done.err) == (0, "")
    assert "3 of 20" in done.out
    assert credentials(app) == sorted(set(before) - {*right("shop/gone")})
    assert here.fic("prune").code == 0


def test_an_application_that_no_service_account_names_is_named_by_the_user(here: World) -> None:
    """After the last one is gone."""
    app = here.application("terraform")
    put(app, "shop/gone", marked="")
    assert here.fic("prune", "--yes").code == 0
    assert len(app.credentials) == 1
    assert here.fic("prune", "--yes", "--application", app.client_id.upper()).code == 0
    assert len(app.credentials) == 0


def test_a_service_account_with_wrong_annotations_keeps_its_credential(here: World) -> None:
    """It is there; the warning says what is wrong."""
    app = here.application("terraform")
    here.account("shop/a", app)
    here.account("shop/b", "not-a-guid")
    put(app, "shop/a", marked="")
    put(app, "shop/b", marked="")
    done = here.fic("prune", "--yes")
    assert done.code == 0
    assert "warning: ServiceAccount shop/b" in done.err
    assert len(app.credentials) == 2


def test_what_is_elsewhere_is_left_out_with_a_line(here: World) -> None:
    """Another cloud and another tenant; their credentials are not left over."""
    app = here.application("terraform")
    here.account("shop/a", app)
    here.account("shop/us", app, cloud="gcchigh")
    here.account("shop/other", app, **{"tenant-id": "99999999-2222-4333-8444-555555555555"})
    put(app, "shop/us", marked="")
    done = here.fic("plan")
    assert (done.code, done.out.count("\nleft over")) == (1, 0)
    assert "its cloud is gcchigh, and you are signed in to public" in done.err
    assert "its tenant is 99999999-" in done.err
    assert [line.split()[1] for line in done.out.splitlines()[1:2]] == ["shop/a"]


def test_one_failure_does_not_stop_the_others(here: World) -> None:
    """Unknown, deleted, full, and not owned; all are told, and the rest is done."""
    good, full, foreign = here.application("good"), here.application("full"), here.application("foreign", owned=False)
    unknown, gone = "99999999-0000-4000-8000-000000000001", here.application("gone")
    here.entra.directory.remove_application(gone)
    for name, app in (("shop/a", good), ("shop/b", full), ("shop/c", foreign), ("shop/d", unknown), ("shop/e", gone)):
        here.account(name, app)
    for number in range(20):
        put(full, f"other/{number}", issuer=STAGE)
    states = here.states()
    assert states["shop/b"] == ["no room"]
    done = here.fic("apply")
    assert done.code == 1
    assert credentials(good) == right("shop/a")
    assert f"client id {unknown} is neither an application nor a managed identity" in done.err
    assert f'application "gone" ({gone.client_id}) was deleted, and can be restored' in done.err
    assert f"/directory/deletedItems/{gone.registration_id}/restore" in done.err
    assert "fic: ServiceAccount shop/b: there is not a credential, and the application has 20 of the 20" in done.err
    assert "Authorization_RequestDenied" in done.err
    assert "Application.ReadWrite.OwnedBy" in done.err
    assert len(done.err.splitlines()) == 4
    assert done.out.splitlines()[-1] == "1 done, 4 failed."
    assert here.fic("prune").out.splitlines()[-1] == "Nothing is left over, as far as could be seen."
    here.accounts.pop("shop/c")
    assert here.fic("plan").out.splitlines()[-1] == "Nothing else is to do, but something failed."


def test_dry_run_prints_the_commands_and_changes_nothing(here: World) -> None:
    """They are for a POSIX shell, one a line."""
    app = here.application("terraform")
    here.account("shop/a", app)
    here.account("shop/b", app)
    put(app, "shop/b", audience="api://other")
    put(app, "shop/gone", marked="")
    before = credentials(app)
    done = here.fic("apply", "--dry-run")
    assert done.code == 0
    create, update = sorted(done.out.splitlines())
    assert create.startswith(f"az ad app federated-credential create --id {app.client_id} --parameters '{{")
    body = json.loads(create.partition("--parameters ")[2].strip("'"))
    assert (body["issuer"], body["subject"], body["description"]) == (
        ISSUER,
        subject("shop/a"),
        mark(ISSUER, subject("shop/a")),
    )
    assert update.startswith(f"az ad app federated-credential update --id {app.client_id} --federated-credential-id ")
    gone = next(each.id for each in app.credentials if each.subject == subject("shop/gone"))
    expected = f"az ad app federated-credential delete --id {app.client_id} --federated-credential-id {gone}\n"
    assert here.fic("prune", "--dry-run").out == expected
    assert credentials(app) == before


def test_a_busy_graph_is_waited_for(here: World) -> None:
    """429 and 503 in the middle, and an upsert that this Graph does not have."""
    app = here.application("terraform")
    for number in range(5):
        here.account(f"shop/a{number}", app)
    for fault in ({"status": 429, "retry_after": 0}, {"status": 503, "retry_after": 0}, {"cut": "reset"}):
        here.entra.next("graph", at="federatedIdentityCredentials", **fault)
        here.entra.next("graph", at="(name=", **fault)
    here.entra.next("graph", at="(name=", status=405)
    done = here.fic("apply")
    assert (done.code, done.err) == (0, "")
    assert credentials(app) == right(*here.accounts)
    assert [call for call in here.entra.calls if call.method == "POST"]


def test_two_runs_at_once_end_alike(here: World) -> None:
    """Whoever is second finds it done, or does it again."""
    app = here.application("terraform")
    for number in range(6):
        here.account(f"shop/a{number}", app)
    put(app, "shop/a1", audience="api://other")
    put(app, "shop/a2", whose=subject("shop/A2"))
    put(app, "shop/a3")
    put(app, "shop/a3", whose=subject("shop/A3"), marked="")
    command = [sys.executable, "-m", "webhook", "fic", "apply", "-A"]
    processes = [
        subprocess.Popen(
            command,
            env={**here.environ(), "PATH": "/nonexistent"},
            text=True,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for _ in range(2)
    ]
    ends = [(*process.communicate(timeout=200), process.returncode) for process in processes]
    assert [(err, code) for _, err, code in ends] == [("", 0), ("", 0)], ends
    assert credentials(app) == right(*here.accounts)
    assert here.fic("plan").code == 0


def test_what_cannot_be_read_ends_it(here: World) -> None:
    """Without all ServiceAccounts nothing can be left over."""
    here.refused["/api/v1/serviceaccounts"] = 403
    done = here.fic("prune", "--yes")
    assert (done.code, done.out) == (1, "")
    assert "kubectl create clusterrolebinding m365-view --clusterrole=view --user=me" in done.err
    here.refused = {"/.well-known/openid-configuration": 403}
    done = here.fic("plan")
    assert (done.code, done.out) == (1, "")
    assert "m365-issuer-discovery" in done.err


def test_an_issuer_that_entra_cannot_reach_creates_nothing(here: World) -> None:
    """The plan is shown all the same."""
    app = here.application("terraform")
    here.account("shop/a", app)
    here.issuer = "https://kubernetes.default.svc.cluster.local"
    done = here.fic("plan")
    assert (done.code, done.out.splitlines()[-1]) == (
        1,
        "Entra cannot use the issuer: correct that first, then `fic apply` goes on.",
    )
    assert here.fic("apply", "--dry-run").code == 1
    done = here.fic("apply")
    assert (done.code, len(app.credentials)) == (1, 0)
    assert "which Entra can never reach" in done.err


def test_a_sign_in_that_fails_is_one_line(here: World) -> None:
    """With Entra's reason."""
    done = here.fic("plan", environ={"AZURE_CLIENT_SECRET": "wrong-secret"})
    assert (done.code, len(done.err.splitlines())) == (1, 1)
    assert "signing in by environment failed" in done.err
    assert "AADSTS7000215" in done.err
    assert "wrong-secret" not in done.err


def test_passwords_of_netrc_are_not_for_microsoft(here: World, tmp_path: Path) -> None:
    """An entry `default` would be sent to every host, in place of the token."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password mine\n")
    netrc.chmod(0o600)
    here.account("shop/a", here.application("terraform"))
    done = here.fic("apply", environ={"NETRC": str(netrc)})
    assert (done.code, done.err) == (0, "")
    assert {asked.is_bearer for asked in here.entra.calls} == {True}
    assert {asked.is_basic for asked in here.entra.exchanges} == {False}


def test_debug_shows_requests_and_no_secret(here: World) -> None:
    """Neither in the output nor on standard error, whatever happens."""
    app = here.application("terraform")
    here.account("shop/a", app)
    here.entra.next("graph", status=401)
    here.entra.next("graph", at="(name=", status=400)
    done = here.fic("apply", "--debug")
    text = done.out + done.err
    assert f"GET /applications(appId='{app.client_id}') 401 " in text
    assert here.secret not in text
    assert "eyJ" not in text
    assert "Bearer" not in text


def test_the_next_command_repeats_what_decides_what_it_does(here: World) -> None:
    """The marks' name above all: without it, apply would find nothing to do. It can be pasted into a shell."""
    app = here.application("terraform")
    here.account("shop/a", app)
    put(app, "shop/a", marked="")
    kubeconfig = here.folder / "another kubeconfig"
    kubeconfig.write_text((here.folder / "kubeconfig").read_text())
    flags = [
        *("--cluster-name", "prod-eu", "--former-issuer", BEFORE, "--former-issuer", STAGE),
        *("--kubeconfig", str(kubeconfig), "--context", "c", "--tenant", here.caller.tenant_id),
    ]
    said = here.fic("plan", *flags).out.splitlines()[-1]
    words = shlex.split(said.removeprefix("1 to do: ").removesuffix("."))
    assert words == ["m365wi", "fic", "apply", "-A", *flags]
    assert here.fic(*words[2:]).out.splitlines()[-1] == "1 done, 0 failed."
    assert here.fic("plan", *flags).code == 0
