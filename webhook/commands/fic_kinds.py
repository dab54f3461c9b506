"""Which of the client ids that `fic` prints commands for are a user-assigned managed identity's, by asking Entra."""

import argparse
import asyncio
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from typing import Final

from webhook.commands import entra_flags
from webhook.commands.printed import write_stderr
from webhook.core.clouds import CLOUDS
from webhook.entra import sign_in
from webhook.entra.applications import MANAGED_IDENTITY, Applications
from webhook.entra.failures import Failed
from webhook.entra.federated_credential import IdentityPlace
from webhook.entra.rest import graph, resource_manager
from webhook.settings import ServeSettings, SettingsError

__all__ = ["managed_identities"]

_SECONDS: Final = 15.0  # unless the user has chosen how to sign in: a person may have to do something then


async def managed_identities(
    flags: argparse.Namespace, settings: ServeSettings, environ: Mapping[str, str], client_ids: Iterable[str]
) -> Mapping[str, IdentityPlace]:
    """Where the managed identities among `client_ids` are; {} if the caller is not signed in or may not see them.

    With --auth the user wants to know: then a problem is a warning on standard error. Raises SettingsError if
    something is missing for the chosen way to sign in.
    """
    is_chosen = flags.auth != sign_in.AUTO
    try:
        async with asyncio.timeout(None if is_chosen else _SECONDS):
            return await _find(flags, settings, environ, client_ids)
    except SettingsError:
        if is_chosen:
            raise
    except (Failed, TimeoutError) as error:
        if is_chosen:
            write_stderr([f"{flags.program}: warning: {error}"])
    return {}


async def _find(
    flags: argparse.Namespace, settings: ServeSettings, environ: Mapping[str, str], client_ids: Iterable[str]
) -> Mapping[str, IdentityPlace]:
    cloud, debug = CLOUDS[settings.policy.cloud], entra_flags.debug(flags)
    async with AsyncExitStack() as stack:
        credential = await stack.enter_async_context(entra_flags.credential(flags, settings, environ))
        directory = await stack.enter_async_context(graph(cloud, credential, debug=debug))
        arm = await stack.enter_async_context(resource_manager(cloud, credential, debug=debug))
        applications = Applications(directory, arm)
        found = [await applications.find(client_id) for client_id in client_ids]
    return {
        each.client_id: IdentityPlace(each.subscription, each.resource_group, each.name)
        for each in found
        if each and each.kind == MANAGED_IDENTITY
    }
