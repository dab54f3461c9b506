"""Signs in with one class of a Python SDK and prints the token. Argument: the class, by its name in WAYS."""

import asyncio
import os
import sys
from pathlib import Path

import azure.identity
import azure.identity.aio
import msal  # type: ignore[import-untyped]
import requests
from msgraph.graph_service_client import GraphServiceClient

SCOPE = "https://graph.microsoft.com/.default"


def synchronous(name: str) -> str:
    """A credential of azure-identity, with no argument."""
    with getattr(azure.identity, name)() as credential:
        return str(credential.get_token(SCOPE).token)


async def asynchronous(name: str) -> str:
    """Its twin for asyncio."""
    async with getattr(azure.identity.aio, name)() as credential:
        return str((await credential.get_token(SCOPE)).token)


def confidential_client() -> str:
    """MSAL with the file's content as its assertion, which MSAL itself knows no variable for."""
    client = msal.ConfidentialClientApplication(
        os.environ["AZURE_CLIENT_ID"],
        authority=os.environ["AZURE_AUTHORITY_HOST"] + os.environ["AZURE_TENANT_ID"],
        client_credential={"client_assertion": Path(os.environ["AZURE_FEDERATED_TOKEN_FILE"]).read_text},
    )
    return token_of(client.acquire_token_for_client([SCOPE]))


def managed_identity_client() -> str:
    """MSAL's managed identity, the system-assigned one."""
    with requests.Session() as session:
        client = msal.ManagedIdentityClient(msal.SystemAssignedManagedIdentity(), http_client=session)
        return token_of(client.acquire_token_for_client(resource=SCOPE.removesuffix("/.default")))


def token_of(answer: dict[str, str]) -> str:
    """The token, or an end with the answer."""
    return answer["access_token"] if "access_token" in answer else sys.exit(str(answer))


async def graph() -> str:
    """msgraph-sdk reads the organization itself."""
    async with azure.identity.aio.DefaultAzureCredential() as credential:
        found = await GraphServiceClient(credentials=credential, scopes=[SCOPE]).organization.get()
        return str(found and found.value and found.value[0].display_name)


def main(way: str) -> str:
    """What is printed."""
    package, _, name = way.rpartition(".")
    if package == "azure.identity":
        return synchronous(name)
    if package == "azure.identity.aio":
        return asyncio.run(asynchronous(name))
    if package == "msgraph":
        return asyncio.run(graph())
    return {"ConfidentialClientApplication": confidential_client, "ManagedIdentityClient": managed_identity_client}[
        name
    ]()


if __name__ == "__main__":
    sys.stdout.write(main(sys.argv[1]))
