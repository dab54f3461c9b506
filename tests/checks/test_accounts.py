"""A ServiceAccount by itself: each mistake has a command with the key, and with the value if that is known."""

from collections.abc import Mapping

import pytest

from tests.checks.support import CLIENT
from webhook.checks import accounts
from webhook.core.policy import Policy
from webhook.findings import Finding, Status

AZURE, M365 = "azure.workload.identity/", "m365.workload.identity/"
ZEROS = "00000000-0000-0000-0000-000000000000"
COMMAND = "kubectl annotate serviceaccount a -n shop "
OVERWRITE = "kubectl annotate --overwrite serviceaccount a -n shop "


def findings(
    annotations: Mapping[str, str], labels: Mapping[str, str] | None = None, tenant: str | None = "contoso.com"
) -> list[Finding]:
    """What is found about ServiceAccount shop/a, but for what is well."""
    metadata = {"name": "a", "namespace": "shop", "annotations": annotations, "labels": labels or {}}
    found = accounts.findings({"metadata": metadata}, Policy(), tenant=tenant)
    return [each for each in found if each.status is not Status.OK]


@pytest.mark.parametrize(
    ("own", "settings", "where"),
    [
        ("contoso.com", None, "in tenant contoso.com"),
        ("", "fabrikam.com", "in tenant fabrikam.com"),
        ("", "", "without a tenant id"),
        ("", None, "in the tenant of the webhook's settings, if they have one"),
    ],
)
def test_the_application_and_the_tenant_of_its_pods_are_told(own: str, settings: str | None, where: str) -> None:
    """Application and tenant, from wherever the tenant comes."""
    metadata = {"name": "a", "namespace": "shop", "annotations": {f"{M365}client-id": CLIENT, f"{M365}tenant-id": own}}
    *_, found = accounts.findings({"metadata": metadata}, Policy(), tenant=settings)
    assert found.status is Status.OK
    assert found.detail.startswith(f"Pods of ServiceAccount shop/a ask to sign in as application {CLIENT} {where}; ")


def test_a_placeholder_is_warned_about() -> None:
    """What was copied from a guide as it stands."""
    (found,) = findings({f"{M365}client-id": ZEROS})
    assert found.status is Status.WARN
    assert "is a placeholder" in found.detail
    assert found.fix.endswith(f"{OVERWRITE}{M365}client-id=GUID")


@pytest.mark.parametrize(
    ("annotations", "command"),
    [
        ({f"{AZURE}client_id": "x y"}, f"{COMMAND}{AZURE}client-id='x y' {AZURE}client_id-"),
        ({f"{AZURE}client-id": CLIENT, f"{AZURE}client_id": CLIENT}, f"{COMMAND}{AZURE}client_id-"),
        ({f"{AZURE}client-id": CLIENT, f"{AZURE}skip-containers": "app"}, f"{COMMAND}{AZURE}skip-containers-"),
        ({f"{AZURE}client-id": CLIENT, f"{AZURE}use": "true"}, f"{COMMAND}{AZURE}use-"),
        ({f"{AZURE}client-id": CLIENT, f"{M365}cloud": "gcc"}, f"{OVERWRITE}{M365}cloud=public"),
        ({f"{AZURE}client-id": "contoso-app"}, f"{OVERWRITE}{AZURE}client-id=GUID"),
        ({f"{AZURE}service-account-token-expiration": "5"}, f"{AZURE}service-account-token-expiration=3600"),
        ({f"{AZURE}client-id": CLIENT, f"{AZURE}tenant-id": ZEROS}, f"tsv; {OVERWRITE}{AZURE}tenant-id=TENANT"),
        ({f"{M365}cloud": "GCC-High"}, f"{OVERWRITE}{M365}cloud=gcchigh"),
        ({f"{M365}cloud": "moon"}, f"{COMMAND}{M365}cloud- (then the default holds)"),
        ({f"{M365}env": "m365, Azure,moon"}, f"{OVERWRITE}{M365}env=m365,azure"),
        ({f"{M365}audience": "a b"}, f"{COMMAND}{M365}audience- (then the default holds)"),
    ],
    ids=[
        *("misspelled", "misspelled as well", "of a pod", "a label", "gcc", "not a GUID", "too short", "a placeholder"),
        *("like another", "like none", "one of three", "with a space"),
    ],
)
def test_an_annotation_has_the_command_that_corrects_it(annotations: Mapping[str, str], command: str) -> None:
    """A key that is right already is not set a second time: kubectl would refuse that."""
    found = next(each for each in findings(annotations) if each.message.place.annotation in annotations)
    assert found.fix.endswith(command)


@pytest.mark.parametrize(("tenant", "reported"), [("", True), ("contoso.com", False)])
def test_a_missing_tenant_is_reported_unless_the_webhook_has_one(tenant: str, reported: bool) -> None:
    """The pod of the dry run shows it."""
    found = findings({f"{AZURE}client-id": CLIENT}, tenant=tenant)
    assert [each.message.code for each in found] == (["WI102"] if reported else [])
    assert all("--tenant-id" in each.fix for each in found)


def test_without_a_pod_of_the_dry_run_the_tenant_of_the_webhook_is_not_known() -> None:
    """It may well have been installed with one, so nothing is said to be missing."""
    (found,) = findings({f"{AZURE}client-id": CLIENT}, tenant=None)
    assert found.status is Status.SKIP
    assert "--tenant-id) is not known" in found.detail


def test_a_missing_client_id_is_one_error() -> None:
    """Although the webhook itself only warns about it."""
    (found,) = findings({})
    assert found.status is Status.FAIL
    listed = 'az ad app list --query "[].[displayName,appId]" --output tsv'
    assert found.fix == f"{listed}; {COMMAND}{AZURE}client-id=GUID"


def test_a_client_id_under_a_misspelled_key_is_in_the_command() -> None:
    """The user does not have to look the value up again."""
    (found,) = (each for each in findings({f"{AZURE}clientid": CLIENT}) if each.status is Status.FAIL)
    assert found.fix == f"{COMMAND}{AZURE}client-id={CLIENT} {AZURE}clientid-"


def test_a_label_that_is_an_annotation_is_moved_with_its_value() -> None:
    """The command can be pasted."""
    (found,) = findings({f"{AZURE}client-id": CLIENT}, {f"{AZURE}tenant-id": "contoso.com", "app": "web"})
    assert found.fix == (
        f"kubectl label serviceaccount a -n shop {AZURE}tenant-id-; {COMMAND}{AZURE}tenant-id=contoso.com"
    )
