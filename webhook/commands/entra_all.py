"""Entra's side of a whole cluster, for `check -A --entra`: the plan of `fic`, read with the caller's own sign-in."""

import argparse
import shlex
from collections.abc import Mapping
from contextlib import AsyncExitStack

from webhook.checks.report.credentials import attach, sides
from webhook.checks.report.rows import Report
from webhook.cluster.kube import Kube, Unavailable
from webhook.commands import entra_flags
from webhook.core.clouds import CLOUDS
from webhook.core.formats import is_guid
from webhook.core.messages import Message
from webhook.core.messages.cluster_report import ENTRA_NOT_READ
from webhook.entra import plan
from webhook.entra.account_lists import NotListed, Selection, list_accounts
from webhook.entra.applications import Applications
from webhook.entra.cluster_documents import cluster_issuer
from webhook.entra.comparison import Cluster
from webhook.entra.failures import NotSignedIn
from webhook.entra.needs import Home, merged, needs
from webhook.entra.rest import graph, resource_manager
from webhook.findings import finding
from webhook.settings import ServeSettings


async def look(
    kube: Kube, flags: argparse.Namespace, environ: Mapping[str, str], settings: ServeSettings, report: Report
) -> None:
    """Adds Entra's side to the report. Raises SettingsError if there is nothing to sign in with."""
    policy, cloud = settings.policy, CLOUDS[settings.policy.cloud]
    debug = entra_flags.debug(flags)
    try:
        async with AsyncExitStack() as stack:
            credential = await stack.enter_async_context(entra_flags.credential(flags, settings, environ))
            directory = await stack.enter_async_context(graph(cloud, credential, debug=debug))
            arm = await stack.enter_async_context(resource_manager(cloud, credential, debug=debug))
            issuer, findings = await cluster_issuer(kube, look=False)
            report.installation += findings
            if not issuer:
                return
            accounts = await list_accounts(kube, Selection(""))
            tenant = flags.tenant if is_guid(flags.tenant) else await credential.tenant(cloud.graph)
            found = needs(accounts, issuer=issuer, policy=policy, home=Home(cloud, tenant))
            cluster = Cluster(issuer, name=flags.cluster_name, former=frozenset(flags.former_issuer) - {issuer})
            parts = await plan.look(Applications(directory, arm), merged(found.by_application, ()), cluster)
    except (NotListed, NotSignedIn) as error:
        report.installation.append(finding("credential", ENTRA_NOT_READ, reason=error.problem.text))
    except Unavailable as error:
        report.installation.append(finding("credential", ENTRA_NOT_READ, reason=str(error)))
    else:
        attach(report, sides(parts), _elsewhere(found.notes), _past(flags))
    report.requests = kube.requests


def _past(flags: argparse.Namespace) -> str:
    """The flags about the past of the cluster, for the command that comes next."""
    words = ["--cluster-name", flags.cluster_name] if flags.cluster_name else []
    words += [word for issuer in flags.former_issuer for word in ("--former-issuer", issuer)]
    return "".join(f" {shlex.quote(word)}" for word in words)


def _elsewhere(notes: list[Message]) -> dict[str, Message]:
    return {each.place.object.removeprefix("ServiceAccount "): each for each in notes}
