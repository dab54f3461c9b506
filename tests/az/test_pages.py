"""The az commands on our pages, in the order in which a reader runs them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.entra import TENANT_ID, Entra
from testbed.third_party.az import Az, azure_cli
from testbed.third_party.build import build

pytestmark = [pytest.mark.tools, pytest.mark.timeout(300)]

DOCS = Path(__file__).parents[2] / "docs"


def commands(page: str, after: str) -> str:
    """The lines of the shell blocks behind a heading or a sentence of the page that have to do with az."""
    text = (DOCS / page).read_text(encoding="utf-8").partition(after)[2]
    blocks = re.findall(r"^( *)```bash\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    lines = [line.strip() for _, block in blocks for line in block.splitlines()]
    return "\n".join(line for line in lines if re.match(r"az |GRAPH=|[A-Z_]+=\$\(az ", line))


@pytest.fixture
def az(entra: Entra, tmp_path: Path) -> Iterator[Az]:
    """az in the public cloud, where an administrator has signed in."""
    build("az")
    with azure_cli(entra, tmp_path) as program:
        program.use_public_cloud()
        program.sign_in_as(entra.user())
        yield program


def test_the_guides_commands_by_hand_make_an_application(entra: Entra, az: Az) -> None:
    """An application with a service principal and consent."""
    script = commands("guide.md", "## By hand")
    assert script.count("\naz ") + script.count("$(az ") >= 5
    done = az.shell(script)
    assert done.returncode == 0, done.stderr
    (made,) = [each for each in entra.directory.applications(TENANT_ID) if each.name == "terraform-m365-provider"]
    assert made.has_service_principal
    assert made.roles == ("Group.Read.All",)


def test_the_documented_commands_make_an_identity_for_the_cron_job(entra: Entra, az: Az) -> None:
    """It may write what it owns, and owns the application of the ServiceAccounts."""
    application = entra.application(name="terraform")
    script = commands("federation.md", "## As a CronJob of the chart")
    done = az.shell(f"APP_ID={application.client_id}\n{script}")
    assert done.returncode == 0, done.stderr
    (made,) = [each for each in entra.directory.applications(TENANT_ID) if each.name == "m365wi-federation"]
    assert made.roles == ("Application.ReadWrite.OwnedBy",)
    assert application.owners == [made.object_id]


def test_the_documented_commands_make_an_application_for_the_canary(entra: Entra, az: Az) -> None:
    """It has a service principal, without which Entra gives it no token, and nothing that it may do."""
    done = az.shell(commands("canary.md", "## Installing it"))
    assert done.returncode == 0, done.stderr
    (made,) = [each for each in entra.directory.applications(TENANT_ID) if each.name == "m365wi-canary"]
    assert made.has_service_principal
    assert made.roles == ()


def test_an_application_cannot_consent_so(entra: Entra, az: Az) -> None:
    """`admin-consent` is for a person, in the public cloud."""
    application = entra.application(name="wanting")
    consent = ("ad", "app", "permission", "admin-consent", "--id", application.client_id)
    az.sign_in(entra.application(roles=["Application.ReadWrite.All", "AppRoleAssignment.ReadWrite.All"]))
    assert az.shell(f"az {' '.join(consent)}").returncode == 1
    az.run("cloud", "set", "--name", "emulator")
    assert "not yet supported on sovereign clouds" in az.shell(f"az {' '.join(consent)}").stderr
