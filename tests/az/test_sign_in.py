"""How az signs in to a cloud that is the emulator."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.entra import Entra
from testbed.entra.client import SUBJECT
from testbed.third_party.az import Az, azure_cli
from testbed.third_party.build import build

pytestmark = [pytest.mark.tools, pytest.mark.timeout(300)]


@pytest.fixture
def stranger(entra: Entra, tmp_path: Path) -> Az:
    """az before a sign-in, which reaches the emulator by its own addresses."""
    build("az")
    az = Az(entra, tmp_path, "")
    az.environment |= {"AZURE_CORE_INSTANCE_DISCOVERY": "false"}
    az.register(entra.arm_url)
    return az


def test_az_registers_a_cloud_of_the_emulators_addresses(entra: Entra, stranger: Az) -> None:
    """`az cloud register` learns the others from Azure Resource Manager's."""
    application = entra.application(name="reader", roles=["Application.Read.All"])
    stranger.sign_in(application)
    shown = stranger.run("ad", "app", "show", "--id", application.client_id)
    assert shown["displayName"] == "reader"
    assert entra.calls[-1].client_id == application.client_id


def test_az_signs_in_with_a_pods_token(entra: Entra, tmp_path: Path) -> None:
    """`--federated-token` gives what the credential lets in, with a role in Azure."""
    application = entra.application(name="pod")
    application.federate(issuer=entra.issuer.url, subject=SUBJECT)
    entra.arm.access.grant(application, "Reader")
    with azure_cli(entra, tmp_path) as az:
        who = ("--username", application.client_id, "--tenant", application.tenant_id)
        token = entra.issuer.token(subject=SUBJECT)
        (account,) = az.run("login", "--service-principal", *who, "--federated-token", token)
        assert account["cloudName"] == "emulator"
        assert az.run("account", "show")["user"] == {"name": application.client_id, "type": "servicePrincipal"}


def test_az_signs_a_user_in_by_device_code(entra: Entra, tmp_path: Path) -> None:
    """Who is signed in at once."""
    user = entra.users.signed_in = entra.user("ann@contoso.onmicrosoft.com")
    entra.arm.access.grant(user, "Reader")
    with azure_cli(entra, tmp_path) as az:
        (account,) = az.run("login", "--use-device-code")
        assert account["user"] == {"name": user.name, "type": "user"}
        assert az.run("ad", "signed-in-user", "show")["id"] == user.id
