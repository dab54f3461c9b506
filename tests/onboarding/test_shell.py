"""Requests as commands: a shell reads what was meant."""

import json
import shlex
import subprocess

import pytest

from tests.onboarding.support import CLIENT, SUBJECT, desired, nothing_asked
from webhook.onboarding import application, credential
from webhook.onboarding.application import APP_ID
from webhook.onboarding.shell import commands, quoted
from webhook.onboarding.verdicts import Call, Service

pytestmark = pytest.mark.slow

ROOTS = {Service.GRAPH: "https://graph.example.com/v1.0", Service.RESOURCE_MANAGER: "https://arm.example.com"}


def test_a_variable_is_replaced_and_nothing_else() -> None:
    """Neither quotes nor what looks like a command."""
    text = """it's "$APP_ID" `id` $(id) \\ $home $PRINCIPAL_ID"""
    script = f"APP_ID=one PRINCIPAL_ID=two; printf %s {quoted(text)}"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == """it's "one" `id` $(id) \\ $home two"""


def test_an_answer_is_kept_in_a_variable() -> None:
    (call,) = application.application(desired(), []).calls
    text = commands(call, ROOTS)
    assert text.startswith("APP_ID=$(az rest --method POST ")
    words = shlex.split(text.removeprefix("APP_ID=$(").removesuffix(")\n"))
    assert words[words.index("--url") + 1] == "https://graph.example.com/v1.0/applications"
    assert json.loads(words[words.index("--body") + 1]) == call.body
    assert words[-4:] == ["--query", "appId", "-o", "tsv"]


def test_the_credential_is_made_by_its_own_command() -> None:
    """For an application that an earlier command makes, and for one that is there."""
    for client, word in ((APP_ID, '--id "$APP_ID" '), (CLIENT, f"--id {CLIENT} ")):
        holder = credential.holder(client, None)
        (deed,) = credential.credential(desired(), holder, [], nothing_asked()).deeds
        text = commands(deed, ROOTS)
        assert text.startswith(f"az ad app federated-credential create {word}--parameters ")
        assert json.loads(shlex.split(text)[-1])["subject"] == SUBJECT


def test_azure_is_told_for_which_service_the_token_is() -> None:
    text = commands(Call(Service.RESOURCE_MANAGER, "DELETE", "/x?api-version=1"), ROOTS)
    assert text == (
        'az rest --method DELETE --url "https://arm.example.com/x?api-version=1" --resource https://arm.example.com/\n'
    )
