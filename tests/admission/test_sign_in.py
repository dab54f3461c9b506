"""A pod as a real kube-apiserver stored it, a token that it signed, and every client that people use in such a pod.

The pod's own variables are this process's, the token is of the audience and lifetime that the pod's volume asks for,
and the emulator verifies it with keys from the API server's JWKS. Microsoft's names lead to the emulator by a proxy.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msal  # type: ignore[import-untyped]
import pytest
from azure.identity import DefaultAzureCredential, ManagedIdentityCredential, WorkloadIdentityCredential
from msgraph.graph_service_client import GraphServiceClient

import m365_identity
from demo.server import Running
from m365_identity import aio
from testbed.cluster import kubeconfig
from testbed.cluster.cluster import Cluster
from testbed.cluster.pods import CLIENT_ID, a_pod, annotated, create, environment, make_account
from testbed.entra import TENANT_ID, Entra, running
from testbed.entra.client import Client
from testbed.entra.proxy import proxying
from tests.helper.test_clients import close
from tests.helper_commands.processes import COMMAND, Process

SCOPE = "https://graph.microsoft.com/.default"
HEADER = "0a1b2c3d-4e5f-4a6b-8c7d-8e9f0a1b2c3d"
ANY = "http://127.0.0.1:0/msi/token"
PLACE = "/var/run/secrets/azure/tokens"


@pytest.fixture
def entra(control_plane: Cluster, namespace: str, tmp_path: Path) -> Iterator[Entra]:
    """One that trusts the ServiceAccount `terraform`, and reads the issuer's documents from the API server."""
    access = kubeconfig.read(control_plane.kubeconfig)
    authority = tmp_path / "cluster.pem"
    authority.write_bytes(access.authority or b"")
    issuer = control_plane.api.get("/.well-known/openid-configuration").expect().json["issuer"]
    with running() as emulator:
        emulator.fetch_from(issuer, access.server, authority, token=control_plane.token(namespace, "default"))
        application = emulator.application(client_id=CLIENT_ID, tenant_id=TENANT_ID, roles=["Organization.Read.All"])
        application.federate(issuer=issuer, subject=f"system:serviceaccount:{namespace}:terraform")
        yield emulator


@pytest.fixture
def token_file(
    control_plane: Cluster,
    namespace: str,
    webhook: Running,
    entra: Entra,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Path]:
    """An injected pod's variables are those of this process, and its token is in this file."""
    make_account(control_plane, namespace, annotations=annotated() | {"azure.workload.identity/tenant-id": TENANT_ID})
    pod = create(control_plane, namespace, a_pod())
    (container,) = pod["spec"]["containers"]
    (mount,) = (each for each in container["volumeMounts"] if each["mountPath"] == PLACE)
    (volume,) = (each for each in pod["spec"]["volumes"] if each["name"] == mount["name"])
    wanted = volume["projected"]["sources"][0]["serviceAccountToken"]
    token = control_plane.token(
        namespace, "terraform", audiences=[wanted["audience"]], seconds=wanted["expirationSeconds"]
    )
    path = tmp_path / wanted["path"]
    path.write_text(token)
    for name in os.environ:
        if name.startswith(("AZURE_", "M365_", "MSI_", "IDENTITY_")):
            monkeypatch.delenv(name)
    for name, value in environment(container).items():
        assert value is not None
        monkeypatch.setenv(name, value.replace(PLACE, str(tmp_path)))
    assert os.environ["AZURE_FEDERATED_TOKEN_FILE"] == str(path)
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, str(entra.ca_file))
    with proxying(routes=entra.routes) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        yield path


def by_the_library(_: Path) -> str:
    """The helper's credential, with no argument."""
    with m365_identity.WorkloadIdentityCredential() as credential:
        return credential.get_token(SCOPE).token


def by_its_twin(_: Path) -> str:
    """The same with asyncio."""

    async def call() -> str:
        async with aio.WorkloadIdentityCredential() as credential:
            return (await credential.get_token(SCOPE)).token

    return asyncio.run(call())


def by_azure_identity(_: Path) -> str:
    """azure-identity's own."""
    with WorkloadIdentityCredential() as credential:
        return credential.get_token(SCOPE).token


def by_default(_: Path) -> str:
    """azure-identity's chain, of which nothing but the workload identity can succeed."""
    with DefaultAzureCredential(exclude_managed_identity_credential=True) as credential:
        return credential.get_token(SCOPE).token


def by_managed_identity(_: Path) -> str:
    """azure-identity's client of App Service, and `m365-identity serve` beside it."""
    process = Process([*COMMAND, "serve", "--endpoint", ANY], os.environ | {"IDENTITY_HEADER": HEADER})
    try:
        url = process.line_with("tokens of application").rpartition(" at ")[2]
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("IDENTITY_ENDPOINT", url)
            patch.setenv("IDENTITY_HEADER", HEADER)
            with ManagedIdentityCredential() as credential:
                return str(credential.get_token(SCOPE).token)
    finally:
        process.close()


def by_msal(token_file: Path) -> str:
    """MSAL's confidential client with the file's content as its assertion."""
    application = msal.ConfidentialClientApplication(
        os.environ["AZURE_CLIENT_ID"],
        authority=os.environ["AZURE_AUTHORITY_HOST"] + os.environ["AZURE_TENANT_ID"],
        client_credential={"client_assertion": token_file.read_text},
    )
    answer = application.acquire_token_for_client([SCOPE])
    assert "access_token" in answer, answer
    return str(answer["access_token"])


@pytest.mark.parametrize(
    "sign_in", [by_the_library, by_its_twin, by_azure_identity, by_default, by_managed_identity, by_msal]
)
def test_every_client_signs_in(entra: Entra, token_file: Path, sign_in: Callable[[Path], str]) -> None:
    """Entra takes the API server's token from each of them, and Graph what it gives for it."""
    token = sign_in(token_file)
    with Client(entra) as client:
        assert client.graph("/v1.0/organization", token).ok
    assert [(asked.status, asked.code) for asked in entra.exchanges] == [(200, None)]


@pytest.mark.filterwarnings("ignore::DeprecationWarning:(msgraph|kiota_abstractions)")  # it warns of itself
@pytest.mark.usefixtures("token_file")
def test_msgraph_sdk_reads_the_organization(entra: Entra) -> None:
    """A GraphServiceClient with the helper's credential, nothing mocked."""

    async def call() -> str | None:
        async with aio.WorkloadIdentityCredential() as credential:
            client: Any = GraphServiceClient(credentials=credential, scopes=[SCOPE])
            try:
                found = await client.organization.get()
            finally:
                await close(client)
            return str(found.value[0].display_name)

    assert asyncio.run(call()) == "Contoso"
    assert [asked.status for asked in entra.calls] == [200]
