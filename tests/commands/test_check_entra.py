"""`m365wi check --entra`: a real API server, and the emulator of Entra and Graph."""

from collections.abc import Iterator

import pytest

from testbed.cluster.cluster import Cluster
from testbed.cluster.control_plane import ISSUER
from testbed.cluster.pods import make_account
from testbed.entra.directory import TENANT_ID, Application
from tests.commands.entra_tenant import Tenant, tenant
from tests.commands.live import Ran
from webhook.core.names import AZURE_CLIENT_ID, AZURE_TENANT_ID, CLIENT_ID
from webhook.entra.mark import mark

pytestmark = pytest.mark.cluster
READER = ("Application.Read.All",)


@pytest.fixture(scope="module")
def entra(control_plane: Cluster) -> Iterator[Tenant]:
    with tenant(control_plane) as found:
        yield found


@pytest.fixture
def application(entra: Tenant, namespace: str) -> Application:
    """One that the ServiceAccount names, and that lets it in."""
    made = entra.entra.application(name="erp", roles=["Group.Read.All"])
    made.federate(issuer=ISSUER, subject=f"system:serviceaccount:{namespace}:terraform")
    make_account(
        entra.cluster, namespace, "terraform", {AZURE_CLIENT_ID: made.client_id, AZURE_TENANT_ID: made.tenant_id}
    )
    return made


def check(entra: Tenant, namespace: str, *roles: str) -> Ran:
    account = ("-n", namespace, "--service-account", "terraform")
    return entra.run("check", *account, "--entra", caller=entra.caller(*roles))


def test_it_says_what_is_there(entra: Tenant, namespace: str, application: Application) -> None:
    """With the right to read applications and no other. Nothing is changed."""
    entra.entra.forget_requests()
    done = check(entra, namespace, *READER)
    assert TENANT_ID in done.finding("tenant", "ok")
    assert '"erp"' in done.finding("application", "ok")
    assert "federated identity credential" in done.finding("credential", "ok")
    assert "Group.Read.All" in done.finding("consent", "ok")
    assert {asked.method for asked in entra.entra.calls} == {"GET"}
    assert entra.entra.exchanges[-1].client_id != application.client_id, "somebody signed in as the application"


def test_it_says_what_is_wrong(entra: Tenant, namespace: str, application: Application) -> None:
    """In the doctor's words: a credential of another cluster, and no service principal; then no application."""
    application.unfederate()
    application.federate(issuer="https://before.example.com", subject=f"system:serviceaccount:{namespace}:terraform")
    application.has_service_principal = False
    done = check(entra, namespace, *READER)
    assert done.code == 1
    assert "[WIH337]" in done.finding("application")
    credential = done.finding("credential")
    assert "[WIH302]" in credential
    assert f'"issuer": "{ISSUER}"' in credential
    other = "11111111-1111-4111-8111-111111111111"
    resource = "serviceaccount/terraform"
    entra.cluster.kubectl("annotate", "--overwrite", "-n", namespace, resource, f"{AZURE_CLIENT_ID}={other}")
    assert "[WIH308]" in check(entra, namespace, *READER).finding("application")


def test_a_wrong_client_id_is_told_once(entra: Tenant, namespace: str) -> None:
    """By the cluster's side, with the command that mends it. Entra is not looked at then, and that is said."""
    make_account(
        entra.cluster, namespace, "terraform", {AZURE_CLIENT_ID: "contoso-app", AZURE_TENANT_ID: "contoso.com"}
    )
    done = check(entra, namespace, *READER)
    assert done.out.count("[WI120]") == 1
    assert "kubectl annotate --overwrite" in done.finding("account")
    assert "[WI767]" in done.finding("application", "skip")


def test_what_may_not_be_read_is_a_finding(entra: Tenant, namespace: str, application: Application) -> None:
    """And another tenant is one; without a sign-in, the usage is wrong."""
    assert "[WI875]" in check(entra, namespace).finding("application")
    entra.cluster.kubectl(
        "annotate", "--overwrite", "-n", namespace, "serviceaccount/terraform", f"{AZURE_TENANT_ID}=fabrikam.com"
    )
    assert "[WI903]" in check(entra, namespace, "Organization.Read.All").finding("tenant")
    none = entra.run("check", "-n", namespace, "--service-account", "terraform", "--entra", caller={"PATH": ""})
    assert (none.code, none.out) == (2, "")
    assert "[WI871]" in none.err
    alone = entra.run("check", "--entra", caller={})
    assert (alone.code, "--service-account is missing" in alone.err) == (2, True)


def test_both_applications_of_an_account_are_looked_at(entra: Tenant, namespace: str, application: Application) -> None:
    """One for Microsoft 365, another for Azure: here only the first lets the ServiceAccount in."""
    azure = entra.entra.application(name="for-azure", roles=["User.Read.All"])
    resource = "serviceaccount/terraform"
    both = (f"{CLIENT_ID}={application.client_id}", f"{AZURE_CLIENT_ID}={azure.client_id}")
    entra.cluster.kubectl("annotate", "--overwrite", "-n", namespace, resource, *both)
    lines = [line for line in check(entra, namespace, *READER).out.splitlines() if line.split()[1:2] == ["credential"]]
    assert [line.split()[0] for line in lines] == ["ok", "FAIL"]
    assert azure.client_id in lines[1]


def test_a_credential_of_a_former_issuer_counts_if_the_flags_name_it(
    entra: Tenant, namespace: str, application: Application
) -> None:
    """A credential of the former issuer is the ServiceAccount's, once the flags say so, by address or by name."""
    before, subject = "https://before.example.com", f"system:serviceaccount:{namespace}:terraform"
    application.unfederate()
    application.federate(issuer=before, subject=subject, description=mark(before, subject, "prod-eu"))

    def report(*flags: str) -> tuple[str, dict[str, str]]:
        done = entra.run(*where, *flags, caller=entra.caller(*READER))
        (row,) = (each for each in done.json["serviceAccounts"] if each["namespace"] == namespace)
        (problem,) = (each for each in done.json["findings"] if each.get("namespace") == namespace)
        return row["credential"], problem

    where = ("check", "-A", "-n", namespace, "--entra", "-o", "json")
    state, problem = report()
    assert (state, problem["code"]) == ("missing", "WI766")
    for flags in (("--former-issuer", before), ("--cluster-name", "prod-eu")):
        state, problem = report(*flags)
        assert (state, problem["code"]) == ("other issuer", "WI766")
        command = f"fic plan -n {namespace} --service-account terraform {' '.join(flags)}; then the same with apply"
        assert command in problem["fix"]
    alone = entra.run("check", "--former-issuer", "x", "--cluster-name", "A b", caller={})
    assert (alone.code, alone.err.count("[WI517]"), alone.err.count("[WI501]")) == (2, 2, 2), alone.err


def test_each_service_account_of_the_cluster_has_its_credentials_state(
    entra: Tenant, namespace: str, application: Application
) -> None:
    """One ServiceAccount has its credential, one lacks it, and one names an application that we do not have."""
    for name, client in (("without", application.client_id), ("strange", TENANT_ID)):
        annotations = {AZURE_CLIENT_ID: client, AZURE_TENANT_ID: application.tenant_id}
        make_account(entra.cluster, namespace, name, annotations)
    done = entra.run("check", "-A", "-n", namespace, "--entra", "-o", "json", caller=entra.caller(*READER))
    rows = {row["name"]: row["credential"] for row in done.json["serviceAccounts"] if row["namespace"] == namespace}
    assert rows == {"terraform": "ok", "without": "missing", "strange": "no application"}
    here = [each for each in done.json["findings"] if each.get("namespace") == namespace]
    wrong = sorted(each["serviceAccount"] for each in here if each["code"] == "WI766")
    assert wrong == ["strange", "without"]
