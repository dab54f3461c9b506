"""Those who take the credential: Azure SDK pipelines and msgraph-sdk, whole, against the emulator's Graph."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.core import AsyncPipelineClient, PipelineClient
from azure.core.pipeline.policies import AsyncBearerTokenCredentialPolicy, BearerTokenCredentialPolicy
from azure.core.rest import HttpRequest
from azure.identity import get_bearer_token_provider
from msgraph.graph_service_client import GraphServiceClient

from m365_identity import WorkloadIdentityCredential, aio, graph_root, graph_scope
from testbed.entra import Entra, running
from testbed.entra.proxy import Proxy, proxying
from tests.helper.support import SCOPE, Pod, run


@pytest.fixture
def proxy(pod: Pod, entra: Entra, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The process's environment is the pod's, and Microsoft's own names lead to the emulator."""
    with proxying(routes=entra.routes) as proxy:
        pod.environ.pop("AZURE_AUTHORITY_HOST")
        pod.environ.pop("M365_GRAPH_HOST")
        for name, value in (pod.environ | {"HTTPS_PROXY": proxy.url}).items():
            monkeypatch.setenv(name, value)
        yield proxy


def names(proxy: Proxy) -> set[str]:
    """Where was connected to."""
    return {tunnel.host for tunnel in proxy.tunnels}


async def close(client: GraphServiceClient) -> None:
    """Ends its connections: msgraph-core's transport does not close those that it wraps, proxies among them."""
    http: Any = client.request_adapter._http_client  # type: ignore[attr-defined]
    for transport in (http._transport, *http._mounts.values()):
        if transport is not None:
            await transport.transport.aclose()


def test_the_pipeline_of_an_azure_sdk_client_signs_in(pod: Pod, proxy: Proxy) -> None:
    """With no argument: everything comes from the environment that the webhook has made."""
    pod.federate()
    credential = WorkloadIdentityCredential()
    policies = [BearerTokenCredentialPolicy(credential, graph_scope())]
    request = HttpRequest("GET", "https://graph.microsoft.com/v1.0/organization")
    ca = pod.environ["REQUESTS_CA_BUNDLE"]
    with credential, PipelineClient[Any, Any]("https://graph.microsoft.com", policies=policies) as client:
        for _ in range(3):
            answer = client.send_request(request, connection_verify=ca)
            assert answer.status_code == 200
    assert answer.json()["value"][0]["displayName"] == "Contoso"
    assert len(pod.entra.exchanges) == 1
    assert names(proxy) == {"login.microsoftonline.com", "graph.microsoft.com"}


def test_the_asynchronous_pipeline_signs_in(pod: Pod, proxy: Proxy) -> None:
    """The same with asyncio."""
    pod.federate()
    request = HttpRequest("GET", "https://graph.microsoft.com/v1.0/organization")

    async def call() -> int:
        async with aio.WorkloadIdentityCredential() as credential:
            policies = [AsyncBearerTokenCredentialPolicy(credential, graph_scope())]
            async with AsyncPipelineClient[Any, Any]("https://graph.microsoft.com", policies=policies) as client:
                answer = await client.send_request(request, connection_verify=pod.environ["SSL_CERT_FILE"])
                status: int = answer.status_code
                return status

    assert run(call()) == 200
    assert len(pod.entra.exchanges) == 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:(msgraph|kiota_abstractions)")  # it warns of itself
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_msgraph_sdk_reads_the_organization(pod: Pod, proxy: Proxy, kind: str) -> None:
    """A GraphServiceClient as its documentation makes one; it takes either credential, and asks for CAE."""
    pod.federate()

    async def call() -> list[str | None]:
        credential: Any = aio.WorkloadIdentityCredential() if kind == "async" else WorkloadIdentityCredential()
        client = GraphServiceClient(credentials=credential, scopes=[graph_scope()])
        try:
            found = [await client.organization.get() for _ in range(2)]
        finally:
            await close(client)
            await asyncio.ensure_future(credential.close()) if kind == "async" else credential.close()
        return [each.value[0].display_name for each in found if each and each.value]

    assert run(call()) == ["Contoso", "Contoso"]
    assert [asked.is_cae for asked in pod.entra.exchanges] == [True]
    assert [asked.status for asked in pod.entra.calls] == [200, 200]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:(msgraph|kiota_abstractions)")
def test_msgraph_sdk_works_in_another_cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As docs/helper.md has it: with the scope and the address of that cloud, which it does not know by itself."""
    with running(cloud="gcchigh") as entra, proxying(routes=entra.routes) as proxy:
        pod = Pod(entra, tmp_path)
        pod.federate()
        for name in ("AZURE_AUTHORITY_HOST", "M365_GRAPH_HOST"):
            pod.environ.pop(name)
        for name, value in (pod.environ | {"HTTPS_PROXY": proxy.url}).items():
            monkeypatch.setenv(name, value)

        async def call() -> str | None:
            async with aio.WorkloadIdentityCredential() as credential:
                client = GraphServiceClient(credentials=credential, scopes=[graph_scope()])
                client.request_adapter.base_url = f"{graph_root()}/v1.0"
                found = await client.organization.get()
                await close(client)
                return found.value[0].display_name if found and found.value else None

        assert run(call()) == "Contoso"
    assert names(proxy) == {"login.microsoftonline.us", "graph.microsoft.us"}


def test_a_token_provider_works_for_other_libraries(pod: Pod) -> None:
    """azure-identity's helper for those who want a function that gives a string."""
    pod.federate()
    with WorkloadIdentityCredential(environ=pod.environ) as credential:
        assert get_bearer_token_provider(credential, SCOPE)() == credential.get_token(SCOPE).token
