"""The namespace, and the ServiceAccount with its annotations."""

import json

import yaml

from tests.onboarding.support import CLIENT, OTHER, TENANT, annotated, desired
from webhook.core import names
from webhook.core.clouds import CLOUDS
from webhook.core.messages import onboarding as kinds
from webhook.onboarding import account as step
from webhook.onboarding.verdicts import Outcome

BOTH = {names.AZURE_CLIENT_ID: CLIENT, names.AZURE_TENANT_ID: TENANT}
PLAIN = {"metadata": {"name": "terraform"}}


def test_what_is_missing_is_made() -> None:
    """By server-side apply, which takes no field from somebody else."""
    verdict = step.account(desired(), CLIENT, None, namespace=False)
    assert (verdict.message.kind, verdict.outcome) == (kinds.NAMESPACE_CREATED, Outcome.DONE)
    namespace, account = verdict.calls
    assert namespace.body["metadata"] == {"name": "shop"}
    assert account.path == "/api/v1/namespaces/shop/serviceaccounts/terraform?fieldManager=m365wi-onboard&force=false"
    assert account.kind == "apply-patch+yaml"
    assert account.body["metadata"]["annotations"] == BOTH
    assert account.body["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "m365wi"}
    (only,) = step.account(desired(), CLIENT, None, namespace=True).calls
    assert only == account


def test_an_account_that_is_there_gets_the_annotations_alone() -> None:
    verdict = step.account(desired(annotated()), CLIENT, PLAIN, namespace=True)
    assert verdict.message.values["annotations"] == names.AZURE_TENANT_ID
    (call,) = verdict.calls
    assert call.body["metadata"] == {"name": "terraform", "namespace": "shop", "annotations": BOTH}


def test_an_account_that_says_the_same_is_left_alone() -> None:
    """In capitals, in our own annotation, with the tenant as a domain."""
    for found in (
        BOTH,
        {**BOTH, names.AZURE_CLIENT_ID: CLIENT.upper()},
        {names.CLIENT_ID: CLIENT, names.TENANT_ID: "contoso.com"},
    ):
        assert step.account(desired(found), CLIENT, PLAIN, namespace=True).outcome is Outcome.FOUND


def test_a_value_of_somebody_else_is_never_changed() -> None:
    """The message has both values, and the command for who knows better."""
    verdict = step.account(desired({**BOTH, names.AZURE_CLIENT_ID: OTHER}), CLIENT, PLAIN, namespace=True)
    assert (verdict.message.kind, verdict.outcome, verdict.calls) == (kinds.ANNOTATION_FOREIGN, Outcome.FAILED, ())
    assert OTHER in verdict.message.text
    assert f"{names.AZURE_CLIENT_ID}={CLIENT}" in verdict.message.fix


def test_another_cloud_is_annotated_too() -> None:
    asked = desired(cloud=CLOUDS["gcchigh"])
    assert step.annotations(asked, CLIENT) == {**BOTH, names.CLOUD: "gcchigh"}


def test_what_is_printed_is_what_would_be_applied() -> None:
    asked = desired()
    wanted = step.annotations(asked, CLIENT)
    assert yaml.safe_load(step.yaml(asked.account, wanted)) == step.manifest(asked.account, wanted, made=False)
    assert yaml.safe_load(step.yaml(asked.account, {})) == step.manifest(asked.account, {}, made=False)


def test_the_command_applies_the_same() -> None:
    command = step.applied(desired().account, BOTH, made=False).command
    document = json.loads(command.partition("<<END\n")[2].removesuffix("\nEND"))
    assert document == step.manifest(desired().account, BOTH, made=False)
