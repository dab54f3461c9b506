"""`token` and `whoami`."""

import json
import re
import time
from typing import Any

import pytest

from m365_identity._tokens import access_token
from tests.helper_commands.processes import Commands

pytestmark = pytest.mark.slow


def test_a_token_is_printed_in_each_form(commands: Commands) -> None:
    """Alone by default, as a header, and as JSON with its end; nothing on standard error."""
    commands.pod.federate()
    raw = commands.run("token")
    assert (raw.code, raw.err) == (0, "")
    claims = access_token.decode(raw.out.removesuffix("\n"))
    assert claims.client_id == commands.pod.application.client_id
    assert claims.roles == ("Organization.Read.All",)

    header = commands.run("token", "-o", "header", "--scope", "https://graph.microsoft.com/.default")
    name, scheme, token = header.out.rstrip("\n").split(" ")
    assert (name, scheme, access_token.decode(token).audience) == ("Authorization:", "Bearer", claims.audience)

    document = json.loads(commands.run("token", "-o", "json").out)
    assert set(document) == {"access_token", "token_type", "scope", "expires_on", "expires"}
    assert (document["token_type"], document["scope"]) == ("Bearer", "https://graph.microsoft.com/.default")
    assert time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(document["expires_on"])) == document["expires"]
    assert access_token.decode(document["access_token"]).expires == pytest.approx(document["expires_on"], abs=60)


def test_a_token_for_another_resource_is_asked_for_by_scope(commands: Commands) -> None:
    """--scope is what Entra is asked for."""
    commands.pod.federate()
    done = commands.run("token", "--scope", "https://management.azure.com/.default")
    assert done.code == 0, done.err
    assert access_token.decode(done.out.strip()).audience.rstrip("/") == "https://management.azure.com"


@pytest.mark.parametrize("command", ["token", "whoami", "preflight", "exec"])
def test_a_refusal_is_reported_with_meaning_and_fix(commands: Commands, command: str) -> None:
    """Exit code 1; the code, the fix with the values of this token, and no part of the token; nothing on stdout."""
    commands.pod.application.federate(issuer=commands.pod.entra.issuer.url, subject="system:serviceaccount:shop:other")
    program = ("--", "echo", "ran") if command == "exec" else ()
    done = commands.run(command, "--patience", "0", *program)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"m365-identity {command}: AADSTS700213 ")
    assert "no federated identity credential of application" in done.err
    assert f"az ad app federated-credential create --id {commands.pod.application.client_id}" in done.err
    assert '"subject": "system:serviceaccount:shop:terraform"' in done.err
    assert len(commands.pod.entra.exchanges) == 1


@pytest.mark.parametrize("command", ["token", "whoami", "preflight", "exec"])
def test_a_missing_token_file_fails_at_once(commands: Commands, command: str) -> None:
    """Nothing that waiting would fix."""
    commands.pod.token_file.unlink()
    done = commands.run(command, *(("--", "true") if command == "exec" else ()))
    assert (done.code, done.out) == (1, "")
    assert "does not exist" in done.err
    assert "Fix: " in done.err
    assert not commands.pod.entra.requests


def test_whoami_tells_what_the_token_says(commands: Commands) -> None:
    """As text and as JSON, and never the token."""
    commands.pod.federate()
    commands.pod.application.roles = ("Organization.Read.All", "User.Read.All")
    text = commands.run("whoami")
    assert (text.code, text.err) == (0, "")
    lines = dict(line.split("  ", 1) for line in text.out.splitlines())
    lines = {name.strip(): value.strip() for name, value in lines.items()}
    application = commands.pod.application
    assert lines["tenant"] == application.tenant_id
    assert lines["application"] == f"{application.client_id} (terraform)"
    assert lines["roles"] == "Organization.Read.All, User.Read.All"

    done = commands.run("whoami", "-o", "json")
    document = json.loads(done.out)
    assert "eyJ" not in done.out
    assert document["tenant_id"] == application.tenant_id
    assert document["application"] == "terraform"
    assert document["object_id"] == application.object_id
    assert document["roles"] == ["Organization.Read.All", "User.Read.All"]
    assert lines["expires"][:13] == document["expires"][:13]
    assert set(document) == {
        *("tenant_id", "client_id", "application", "object_id", "roles"),
        *("audience", "issuer", "expires_on", "expires"),
    }


def test_whoami_writes_nothing_but_its_lines(commands: Commands) -> None:
    """Names and roles are what somebody in the tenant has called them: no escape sequence, no line of their own."""
    commands.pod.federate()
    commands.pod.application.name = "shop\x1b[2J\nroles        Everything"
    commands.pod.application.roles = ("Read\x1b]0;x\x07", "User.Read.All")
    text = commands.run("whoami")
    assert (text.code, len(text.out.splitlines())) == (0, 6)
    assert re.search(r"[\x00-\x09\x0b-\x1f]", text.out) is None
    assert json.loads(commands.run("whoami", "-o", "json").out)["application"] == commands.pod.application.name


def test_whoami_if_the_encoding_does_not_have_a_letter(commands: Commands) -> None:
    """A container without a locale, or with PYTHONIOENCODING: the letter is written as an escape."""
    commands.pod.federate()
    commands.pod.application.name = "Möbel"
    commands.environ["PYTHONIOENCODING"] = "ascii"
    text = commands.run("whoami")
    assert (text.code, text.err) == (0, "")
    assert "(M\\xf6bel)" in text.out


@pytest.mark.parametrize("command", ["token", "preflight"])
def test_a_refusal_cannot_write_to_the_terminal(commands: Commands, command: str) -> None:
    """Standard error has what the token says and the failure."""
    claims: dict[str, Any] = {
        "iss": "https://issuer.example/\x1b[2J\nFAIL x",
        "subject": "system:serviceaccount:shop:\x07",
    }
    commands.pod.token_file.write_text(commands.pod.entra.issuer.token(**claims))
    commands.environ["AZURE_FEDERATED_TOKEN_FILE"] = str(commands.pod.token_file)
    commands.pod.federate()
    done = commands.run(command, "--patience", "0")
    assert done.code == 1
    assert "AADSTS700211" in done.err
    assert re.search(r"[\x00-\x09\x0b-\x1f]", done.err) is None
    assert "\nFAIL x" not in done.err


def test_whoami_prints_an_empty_list_of_roles(commands: Commands) -> None:
    """An application without any consent signs in all the same: the roles are an empty list."""
    commands.pod.federate()
    commands.pod.application.roles = ()
    assert "none: Microsoft Graph will refuse" in commands.run("whoami").out
    assert json.loads(commands.run("whoami", "-o", "json").out)["roles"] == []


def test_whoami_with_a_token_that_cannot_be_read(commands: Commands) -> None:
    """Microsoft may change what tokens look like: then the settings say who, null stands for the rest, and exit 0."""
    commands.pod.federate()
    answer = {"token_type": "Bearer", "expires_in": 3599, "access_token": "opaque"}
    for _ in range(2):
        commands.pod.entra.next(
            "login", status=200, body=json.dumps(answer).encode(), content_type="application/json; charset=utf-8"
        )
    done = commands.run("whoami", "-o", "json")
    assert done.code == 0
    assert "cannot be read" in done.err
    document = json.loads(done.out)
    assert document["client_id"] == commands.pod.application.client_id
    assert document["roles"] is None
    assert document["expires_on"] > time.time()
    text = commands.run("whoami")
    assert "roles        (the token does not say)" in text.out.splitlines()
    assert "opaque" not in text.out + text.err + done.out + done.err
