"""What `m365wi fic` prints, run by az: then a pod signs in."""

from __future__ import annotations

import re

import pytest

from testbed.entra import Application, Entra
from testbed.entra.client import Client
from testbed.third_party.az import Az
from webhook.core.identity import Account
from webhook.core.policy import Policy
from webhook.entra.federated_credential import FORMATS, FederatedCredential, federated_credential

pytestmark = [pytest.mark.tools, pytest.mark.timeout(300)]


def wanted(entra: Entra, application: Application, name: str = "terraform") -> FederatedCredential:
    """The credential of the ServiceAccount shop/NAME."""
    account = Account("shop", name, {"azure.workload.identity/client-id": application.client_id})
    return federated_credential(account, issuer=entra.issuer.url, policy=Policy())


def signs_in(entra: Entra, application: Application, name: str = "terraform") -> bool:
    """Whether a pod of the ServiceAccount shop/NAME signs in."""
    with Client(entra) as client:
        return client.exchange(application, entra.issuer.token(subject=f"system:serviceaccount:shop:{name}")).ok


def test_the_printed_command_gives_an_application_its_credential(entra: Entra, az: Az) -> None:
    """Once; a second time Entra says that it is there."""
    application = entra.application(name="terraform")
    script = FORMATS["az"](wanted(entra, application))
    assert not signs_in(entra, application)
    assert az.shell(script).returncode == 0
    assert signs_in(entra, application)
    again = az.shell(script)
    assert again.returncode == 1
    assert "already exists" in again.stderr


def test_the_printed_command_gives_a_managed_identity_its_credential(entra: Entra, az: Az) -> None:
    """With the names that the command in the comment prints. A second time changes nothing."""
    identity = entra.managed_identity("terraform-identity", group="rg-terraform")
    script = FORMATS["identity"](wanted(entra, identity))
    (query,) = re.findall(r"^# (az identity list .*) names both:$", script, re.MULTILINE)
    name, group = az.shell(f"{query} -o tsv").stdout.split()
    script = script.replace("IDENTITY", name).replace("GROUP", group)
    for _ in range(2):
        done = az.shell(script)
        assert done.returncode == 0, done.stderr
        assert signs_in(entra, identity)
        assert len(identity.credentials) == 1


def test_az_rest_takes_the_printed_body(entra: Entra, az: Az) -> None:
    """`-o json`, with az rest."""
    application = entra.application(name="terraform")
    body = FORMATS["json"](wanted(entra, application))
    where = (
        f"https://graph.microsoft.com/v1.0/applications(appId='{application.client_id}')/federatedIdentityCredentials"
    )
    az.run("rest", "--method", "POST", "--url", where, "--body", body)
    assert signs_in(entra, application)


def test_who_may_not_is_told(entra: Entra, az: Az) -> None:
    """Graph's refusal and ARM's reach the user as az shows them, and az fails."""
    entra.next("graph", method="POST", status=403)
    done = az.shell(FORMATS["az"](wanted(entra, entra.application())))
    assert (done.returncode, "Insufficient privileges" in done.stderr) == (1, True)
    entra.managed_identity("locked", group="rg")
    entra.next("arm", method="PUT", status=403, code="AuthorizationFailed")
    script = FORMATS["identity"](wanted(entra, entra.managed_identity("locked", group="rg")))
    done = az.shell(script.replace("IDENTITY", "locked").replace("GROUP", "rg"))
    assert (done.returncode, "AuthorizationFailed" in done.stderr) == (1, True)
