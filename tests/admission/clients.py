"""Programs that a pod might run: `python -m tests.admission.clients NAME` signs in by its environment alone.

Each asks Microsoft Graph for the organization's name and prints it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import requests

from m365_identity import WorkloadIdentityCredential, graph_scope

ORGANIZATION = "https://graph.microsoft.com/v1.0/organization"


def _name_by(token: str) -> str:
    answer = requests.get(ORGANIZATION, headers={"Authorization": f"Bearer {token}"}, timeout=30)
    answer.raise_for_status()
    name: str = answer.json()["value"][0]["displayName"]
    return name


def library() -> str:
    """Ours."""
    with WorkloadIdentityCredential() as credential:
        return _name_by(credential.get_token(graph_scope()).token)


def library_async() -> str:
    """Its twin for asyncio."""
    from m365_identity.aio import WorkloadIdentityCredential as AsyncCredential

    async def token() -> str:
        async with AsyncCredential() as credential:
            return (await credential.get_token(graph_scope())).token

    return _name_by(asyncio.run(token()))


def msgraph() -> str:
    """Microsoft's Graph SDK with our credential, set up as its own documentation has it."""
    from msgraph.graph_service_client import GraphServiceClient

    from m365_identity.aio import WorkloadIdentityCredential as AsyncCredential

    async def name() -> str | None:
        async with AsyncCredential() as credential:
            found = await GraphServiceClient(credential, [graph_scope()]).organization.get()
        return found.value[0].display_name if found and found.value else None

    return str(asyncio.run(name()))


def _azure(kind: str, **options: Any) -> str:
    import azure.identity

    with getattr(azure.identity, kind)(**options) as credential:
        return _name_by(credential.get_token(graph_scope()).token)


def msal() -> str:
    """Underneath most of the others."""
    import os
    from pathlib import Path

    from msal import ConfidentialClientApplication  # type: ignore[import-untyped]

    client = ConfidentialClientApplication(
        os.environ["AZURE_CLIENT_ID"],
        authority=os.environ["AZURE_AUTHORITY_HOST"] + os.environ["AZURE_TENANT_ID"],
        client_credential={"client_assertion": lambda: Path(os.environ["AZURE_FEDERATED_TOKEN_FILE"]).read_text()},
    )
    return _name_by(client.acquire_token_for_client([graph_scope()])["access_token"])


CLIENTS: dict[str, Callable[[], str]] = {
    "library": library,
    "library-async": library_async,
    "msgraph-sdk": msgraph,
    "WorkloadIdentityCredential": lambda: _azure("WorkloadIdentityCredential"),
    "DefaultAzureCredential": lambda: _azure("DefaultAzureCredential"),
    "msal": msal,
    "ManagedIdentityCredential": lambda: _azure("ManagedIdentityCredential"),
}

if __name__ == "__main__":
    sys.stdout.write(CLIENTS[sys.argv[1]]() + "\n")
