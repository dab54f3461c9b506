"""Prints the organization's name. Microsoft's SDKs alone, without a line about workload identity."""

import asyncio

from azure.identity.aio import DefaultAzureCredential
from msgraph.graph_service_client import GraphServiceClient


async def main() -> None:
    """Asks Microsoft Graph."""
    async with DefaultAzureCredential() as credential:
        client = GraphServiceClient(credential, ["https://graph.microsoft.com/.default"])
        found = await client.organization.get()
        for organization in (found and found.value) or ():
            print(organization.id, organization.display_name)


asyncio.run(main())
