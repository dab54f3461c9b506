"""The clients that people use, unchanged, against the emulator: by its own address, and by Microsoft's names."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import msal  # type: ignore[import-untyped]
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientAssertionCredential, DefaultAzureCredential, WorkloadIdentityCredential
from azure.identity.aio import WorkloadIdentityCredential as AsyncWorkloadIdentityCredential
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from msgraph.graph_request_adapter import GraphRequestAdapter
from msgraph.graph_service_client import GraphServiceClient
from msgraph_core import GraphClientFactory  # type: ignore[import-untyped]

from testbed.entra import TENANT_ID, Application, Entra
from testbed.entra.client import SUBJECT, Client
from testbed.entra.proxy import Proxy, proxying

pytestmark = pytest.mark.slow

SCOPE = "https://graph.microsoft.com/.default"
PUBLIC = f"https://login.microsoftonline.com/{TENANT_ID}"


@pytest.fixture
def pod(entra: Entra, app: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The environment of an injected pod; gives the token file."""
    token_file = tmp_path / "token"
    token_file.write_text(entra.issuer.token(subject=SUBJECT))
    for name, value in entra.environment(app, token_file=token_file).items():
        monkeypatch.setenv(name, value)
    for name in ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    return token_file


@pytest.fixture
def proxy(entra: Entra, pod: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The way to Microsoft's names leads to the emulator."""
    with proxying(routes=entra.routes) as running:
        monkeypatch.setenv("HTTPS_PROXY", running.url)
        monkeypatch.delenv("AZURE_AUTHORITY_HOST")
        yield running


@pytest.mark.usefixtures("pod")
def test_workload_identity_credential_gets_a_token(entra: Entra, client: Client) -> None:
    """azure-identity's own, by AZURE_AUTHORITY_HOST; its token opens Graph, and is cached."""
    with WorkloadIdentityCredential() as credential:
        token = credential.get_token(SCOPE)
        assert credential.get_token(SCOPE).token == token.token
    assert client.graph("/v1.0/organization", token.token).ok
    assert 3500 < token.expires_on - entra.clock() <= 3599
    assert len(entra.exchanges) == 1


@pytest.mark.usefixtures("pod")
def test_default_azure_credential_gets_a_token(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The chain finds the workload identity."""
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "WorkloadIdentityCredential")
    with DefaultAzureCredential() as credential:
        assert client.graph("/v1.0/organization", credential.get_token(SCOPE).token).ok


@pytest.mark.usefixtures("pod")
def test_client_assertion_credential_gets_a_token(entra: Entra, client: Client, app: Application) -> None:
    """The one that our library stands on, with CAE asked for."""

    def assertion() -> str:
        return entra.issuer.token(subject=SUBJECT)

    with ClientAssertionCredential(TENANT_ID, app.client_id, assertion, authority=entra.login) as credential:
        assert client.graph("/v1.0/organization", credential.get_token(SCOPE, enable_cae=True).token).ok
    assert entra.exchanges[-1].is_cae


@pytest.mark.usefixtures("pod")
def test_azure_identity_raises_a_refusal_at_once(entra: Entra, app: Application) -> None:
    """The exception has status and sentence; 401 is not tried again."""
    app.unfederate()
    with WorkloadIdentityCredential() as credential, pytest.raises(ClientAuthenticationError) as raised:
        credential.get_token(SCOPE)
    assert raised.value.status_code == 401
    assert "AADSTS70025" in str(raised.value)
    assert len(entra.exchanges) == 1


@pytest.mark.usefixtures("pod")
def test_azure_identity_waits_when_throttled(entra: Entra) -> None:
    """429 with Retry-After is tried again by azure-core."""
    entra.next("login", status=429, retry_after=0)
    with WorkloadIdentityCredential() as credential:
        assert credential.get_token(SCOPE).token
    assert [asked.status for asked in entra.exchanges] == [429, 200]


@pytest.mark.usefixtures("pod")
async def test_the_async_credential_gets_a_token(entra: Entra, client: Client) -> None:
    """Over aiohttp, which made its TLS context when it was imported and is told of the authority."""
    async with AsyncWorkloadIdentityCredential(connection_verify=str(entra.ca_file)) as credential:
        token = await credential.get_token(SCOPE)
    answer = await asyncio.to_thread(client.graph, "/v1.0/organization", token.token)
    assert answer.ok


def confidential(entra: Entra, application: Application, authority: str, **options: bool) -> dict[str, object]:
    """What MSAL says when it is asked for a token."""
    client = msal.ConfidentialClientApplication(
        application.client_id,
        authority=authority,
        client_credential={"client_assertion": lambda: entra.issuer.token(subject=SUBJECT)},
        **options,
    )
    answer: dict[str, object] = client.acquire_token_for_client([SCOPE])
    return answer


@pytest.mark.usefixtures("pod")
def test_msal_gets_a_token_at_the_emulators_address(entra: Entra, app: Application) -> None:
    """With instance discovery off, as for any host that MSAL does not know."""
    answer = confidential(entra, app, f"{entra.login}{TENANT_ID}", instance_discovery=False)
    assert answer["token_source"] == "identity_provider"
    assert answer["expires_in"] == 3599


@pytest.mark.usefixtures("pod")
def test_msal_reads_the_refusal(entra: Entra, app: Application) -> None:
    """As a dict with the code."""
    app.unfederate()
    answer = confidential(entra, app, f"{entra.login}{TENANT_ID}", instance_discovery=False)
    assert (answer["error"], answer["error_codes"]) == ("invalid_client", [70025])


@pytest.mark.usefixtures("pod")
def test_msal_finds_out_that_a_tenant_is_unknown(entra: Entra, app: Application) -> None:
    """MSAL finds out when it reads the discovery document."""
    with pytest.raises(ValueError) as raised:
        confidential(entra, app, f"{entra.login}{TENANT_ID[:-1]}0", instance_discovery=False)
    assert "Unable to get authority configuration" in str(raised.value)


def test_msal_by_the_real_name(entra: Entra, app: Application, proxy: Proxy) -> None:
    """login.microsoftonline.com through the proxy."""
    assert confidential(entra, app, PUBLIC)["token_source"] == "identity_provider"
    assert {tunnel.host for tunnel in proxy.tunnels} == {"login.microsoftonline.com"}


def test_msal_asks_whether_an_unknown_host_is_one_of_microsofts(entra: Entra, app: Application, proxy: Proxy) -> None:
    """Instance discovery at login.microsoftonline.com refuses the emulator's own name."""
    with pytest.raises(ValueError) as raised:
        confidential(entra, app, f"{entra.login}{TENANT_ID}")
    assert "invalid_instance" in str(raised.value)
    assert entra.requests[-1].path == "/common/discovery/instance"


def graph_client() -> httpx.AsyncClient:
    """The SDK's HTTP client, with no connection left over: nothing in the SDK would close it."""
    plain = httpx.AsyncClient(
        base_url="https://graph.microsoft.com/v1.0", limits=httpx.Limits(max_keepalive_connections=0)
    )
    client: httpx.AsyncClient = GraphClientFactory.create_with_default_middleware(client=plain)
    return client


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the SDK warns of itself when it is imported
async def test_msgraph_by_the_real_names(entra: Entra, proxy: Proxy) -> None:
    """A GraphServiceClient, nothing mocked: both hosts through the proxy, httpx trusting SSL_CERT_FILE."""
    async with AsyncWorkloadIdentityCredential(connection_verify=str(entra.ca_file)) as credential:
        adapter = GraphRequestAdapter(AzureIdentityAuthenticationProvider(credential, scopes=[SCOPE]), graph_client())
        organization = await GraphServiceClient(request_adapter=adapter).organization.get()
    assert organization is not None
    assert organization.value is not None
    assert organization.value[0].display_name == "Contoso"
    assert {tunnel.host for tunnel in proxy.tunnels} == {"login.microsoftonline.com", "graph.microsoft.com"}
    assert entra.calls[-1].status == 200
