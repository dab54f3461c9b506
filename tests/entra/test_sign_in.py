"""Signing in as the caller: which way, what is missing, and what is never shown or stored."""

import asyncio
import json
import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from testbed.entra.client import SUBJECT, Client
from testbed.entra.directory import TENANT_ID, Application
from testbed.entra.emulator import Entra, running
from testbed.entra.proxy import proxying
from tests.commands.live import endpoint
from webhook.core.clouds import CLOUDS
from webhook.entra.failures import NotSignedIn
from webhook.entra.sign_in import AUTO, METHODS, Credential, credential

PUBLIC = CLOUDS["public"]
CLIENT = {"AZURE_CLIENT_ID": "3c0ffee0-0000-4000-8000-000000000001", "AZURE_TENANT_ID": "contoso.onmicrosoft.com"}
SECRET = {**CLIENT, "AZURE_CLIENT_SECRET": "s3cret"}
FEDERATED = {**CLIENT, "AZURE_FEDERATED_TOKEN_FILE": "/token"}


def chosen(auth: str, environ: Mapping[str, str]) -> Credential:
    return credential(auth, PUBLIC, environ=environ, tell=lambda _: None)


@pytest.fixture
def az(tmp_path: Path) -> str:
    """A folder for PATH with a program `az` that is signed in."""
    program = tmp_path / "bin" / "az"
    program.parent.mkdir()
    program.write_text(
        '#!/bin/sh\necho "$@" >> "$0.called"\n'
        """echo '{"accessToken": "token-of-az", "expires_on": 4102444800, "tokenType": "Bearer"}'\n"""
    )
    program.chmod(0o755)
    return str(program.parent)


@pytest.mark.parametrize(
    ("environ", "method"),
    [
        (SECRET, "environment"),
        ({**CLIENT, "AZURE_CLIENT_CERTIFICATE_PATH": "/pair.pem"}, "environment"),
        ({**SECRET, **FEDERATED}, "environment"),
        (FEDERATED, "workload-identity"),
        ({"IDENTITY_ENDPOINT": "http://localhost/msi"}, "managed-identity"),
    ],
)
def test_auto_takes_the_first_way_that_has_what_it_needs(environ: Mapping[str, str], method: str, az: str) -> None:
    """A person's `az` comes after what a pipeline has set, and before a managed identity."""
    assert chosen(AUTO, environ).method == method
    behind = method if method != "managed-identity" else "azure-cli"
    assert chosen(AUTO, {**environ, "PATH": az}).method == behind


def test_what_is_missing_is_named() -> None:
    """All of it."""
    with pytest.raises(NotSignedIn, match=r"az is not installed.*\(az login; or --auth device-code") as caught:
        chosen(AUTO, {"PATH": "/nonexistent"})
    assert caught.value.problem.code == "WI871"
    with pytest.raises(NotSignedIn, match="needs AZURE_TENANT_ID, AZURE_CLIENT_SECRET or AZURE_CLIENT_CERTIFICATE_PA"):
        chosen("environment", {"AZURE_CLIENT_ID": "x"})
    with pytest.raises(NotSignedIn, match="needs AZURE_CLIENT_ID, AZURE_TENANT_ID, AZURE_FEDERATED_TOKEN_FILE"):
        chosen("workload-identity", {})
    assert [chosen(method, {**SECRET, **FEDERATED}).method for method in METHODS[1:]] == [*METHODS[1:]]


def test_az_is_asked_once_for_each_service(az: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Azure CLI takes a second each time, and keeps its own tokens."""
    monkeypatch.setenv("PATH", az, prepend=":")
    asyncio.run(ask_az())
    called = Path(az, "az.called").read_text().splitlines()
    assert len(called) == 3
    assert "--resource https://graph.microsoft.com --tenant contoso.com" in called[0]


async def ask_az() -> None:
    """Graph five times, Azure Resource Manager once, then Graph again with a new token."""
    async with credential("azure-cli", PUBLIC, tenant="contoso.com", environ={}, tell=lambda _: None) as signed_in:
        tokens = await asyncio.gather(*(signed_in.token(PUBLIC.graph) for _ in range(5)))
        assert set(tokens) == {"token-of-az"}
        await signed_in.token(PUBLIC.resource_manager)
        signed_in.forget(PUBLIC.graph)
        await signed_in.token(PUBLIC.graph)


@pytest.fixture(scope="module")
def entra() -> Iterator[Entra]:
    with running() as found:
        yield found


@pytest.fixture
def application(entra: Entra) -> Application:
    with Client(entra) as client:
        return client.application()


@pytest.mark.slow
async def test_a_workload_identity_signs_in_through_the_proxy_of_the_environment(
    entra: Entra, application: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the cloud's own login host, with the authorities of SSL_CERT_FILE."""
    file = tmp_path / "token"
    file.write_text(entra.issuer.token(subject=SUBJECT))
    environ = {
        "AZURE_CLIENT_ID": application.client_id,
        "AZURE_TENANT_ID": application.tenant_id,
        "AZURE_FEDERATED_TOKEN_FILE": str(file),
    }
    with proxying(routes=entra.routes) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("SSL_CERT_FILE", str(entra.ca_file))
        async with chosen(AUTO, environ) as signed_in:
            assert (await signed_in.token(PUBLIC.graph)).count(".") == 2
        assert [tunnel.host for tunnel in proxy.tunnels] == ["login.microsoftonline.com"]


@pytest.mark.slow
async def test_a_refusal_is_one_line_without_the_assertion(
    entra: Entra,
    application: Application,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Entra's reason and the way, in a message; nothing in the log, and no cause that has the request."""
    assertion = entra.issuer.token(subject="system:serviceaccount:shop:other")
    (tmp_path / "token").write_text(assertion)
    monkeypatch.setenv("SSL_CERT_FILE", str(entra.ca_file))
    environ = {
        "AZURE_CLIENT_ID": application.client_id,
        "AZURE_TENANT_ID": application.tenant_id,
        "AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "token"),
        "AZURE_AUTHORITY_HOST": entra.login,
    }
    with caplog.at_level(logging.DEBUG):
        async with chosen("workload-identity", environ) as signed_in:
            with pytest.raises(NotSignedIn, match=r"by workload-identity failed: .*AADSTS700213: ") as caught:
                await signed_in.token(PUBLIC.graph)
    shown = f"{caught.value!r} {caught.value} {caplog.text}"
    assert assertion not in shown
    assert "\n" not in str(caught.value)
    assert (caught.value.__cause__, caught.value.__suppress_context__) == (None, True)


@pytest.mark.slow
async def test_a_person_signs_in_by_a_code(
    entra: Entra, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The line says where and with which code; nothing is printed besides, and nothing is kept in the home folder."""
    entra.users.signed_in = entra.user()
    entra.users.interval = 0
    monkeypatch.setenv("HOME", str(tmp_path))
    told: list[str] = []
    with proxying(routes=entra.routes) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        environ = {"SSL_CERT_FILE": str(entra.ca_file)}
        async with credential("device-code", PUBLIC, tenant=TENANT_ID, environ=environ, tell=told.append) as signed_in:
            assert (await signed_in.token(PUBLIC.graph)).count(".") == 2
            assert await signed_in.tenant(PUBLIC.graph) == TENANT_ID
    (line,) = told
    assert re.fullmatch(r"open https://microsoft.com/devicelogin in a browser and enter [A-Z0-9]{9}", line)
    assert capfd.readouterr() == ("", "")
    assert [*tmp_path.rglob("*")] == []  # noqa: ASYNC240 - a folder of this test


@pytest.mark.slow
async def test_a_managed_identity_signs_in_by_the_endpoint_of_its_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """AZURE_CLIENT_ID chooses one of several; the token need not be readable."""
    asked: list[str] = []

    def answer(path: str) -> tuple[int, bytes, Mapping[str, str]]:
        asked.append(path)
        body = {"access_token": "opaque", "expires_on": "4102444800", "resource": "x", "token_type": "Bearer"}
        return 200, json.dumps(body).encode(), {"Content-Type": "application/json"}

    with endpoint(None, answer) as port:
        environ = {"IDENTITY_ENDPOINT": f"http://127.0.0.1:{port}/token", "IDENTITY_HEADER": "x", "PATH": ""}
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        async with chosen(AUTO, {**environ, "AZURE_CLIENT_ID": CLIENT["AZURE_CLIENT_ID"]}) as signed_in:
            assert await signed_in.token(PUBLIC.resource_manager) == "opaque"
            assert await signed_in.tenant(PUBLIC.resource_manager) == ""
    (path,) = asked
    assert f"client_id={CLIENT['AZURE_CLIENT_ID']}" in path
    assert "resource=https://management.azure.com&" in path


@pytest.mark.usefixtures("no_pauses")
async def test_an_authority_that_is_not_trusted_is_not_the_callers_mistake(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The fix names the variables of the network; that of a file that is missing names the variables of the caller."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    absent = {**CLIENT, "AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "absent")}
    with running() as entra, proxying(routes=entra.routes) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        for auth, environ, code in (("environment", SECRET, "WI877"), ("workload-identity", absent, "WI872")):
            async with chosen(auth, environ) as caller:
                with pytest.raises(NotSignedIn) as caught:
                    await caller.token(PUBLIC.graph)
            assert caught.value.problem.code == code
        for proxy.refuse_with in (None, 403):
            said = r"login\.microsoftonline\.com cannot be reached: .*SSL_CERT_FILE count"
            with pytest.raises(NotSignedIn, match=said):
                await chosen("device-code", {}).token(PUBLIC.graph)
