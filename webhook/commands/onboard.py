"""`m365wi onboard`: from a ServiceAccount to a pod that signs in.

    exit 0   everything is there, and it signs in
    exit 1   something failed, or an administrator has to consent: the same command goes on from there
    exit 2   wrong usage, names of permissions among it; nothing was done

Each step looks first, so that the command can be repeated. No token and no secret is written or shown.
"""

import argparse
import re
from collections.abc import Iterator, Mapping
from typing import Final

from webhook.cluster.kube import Kube
from webhook.commands import clusters, entra_flags, steps
from webhook.commands.printed import write_stdout
from webhook.commands.progress import progress
from webhook.core import names
from webhook.core.messages import Message, Place, message
from webhook.core.messages import settings as usage
from webhook.entra.applications import Applications
from webhook.entra.directory import identity_at
from webhook.entra.registrations import Identity
from webhook.onboarding.desired_state import annotated
from webhook.onboarding.permissions import resolve
from webhook.onboarding.proof import Proof
from webhook.onboarding.requests import Maker, Printer
from webhook.onboarding.run import Onboarding, Tools
from webhook.onboarding.verdicts import Service
from webhook.settings import add_flags, bad_value, values

_RESOURCE: Final = re.compile(
    r"/subscriptions/[^/\s]+/resourceGroups/[^/\s]+/providers/Microsoft\.ManagedIdentity/userAssignedIdentities/[^/\s]+",
    re.IGNORECASE,
)
_WAIT: Final = "5m"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command; `run` checks their values."""
    steps.add_arguments(parser)
    parser.add_argument(
        "--permission",
        metavar="NAME",
        action="extend",
        nargs="+",
        default=[],
        help="application permissions of Microsoft Graph, such as Group.Read.All",
    )
    parser.add_argument(
        "--managed-identity",
        metavar="RESOURCE_ID",
        default="",
        help="a user-assigned managed identity that is there, instead of an application",
    )
    parser.add_argument(
        "--print",
        action="store_true",
        dest="print_account",
        help="write the ServiceAccount as YAML to standard output, for Git, and leave the cluster as it is",
    )
    parser.add_argument(
        "--wait", metavar="DURATION", default=_WAIT, help=f"how long to wait until it signs in ({_WAIT})"
    )
    parser.add_argument("--no-lookup", action="store_true", help="do not look whether the issuer is published")
    entra_flags.add_entra_flags(parser, changes=True)
    clusters.add_cluster_flags(parser)
    add_flags(parser, only=("cloud", "audience"))


def run(flags: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Takes the steps. Raises SettingsError for wrong usage."""
    chosen = clusters.choose(flags, environ, _problems(flags))
    flags.namespace = flags.namespace or chosen.namespace
    on_stderr = flags.print_account and not flags.dry_run
    shown = steps.Shown(flags.program, flags.output, on_stderr=on_stderr, as_comments=flags.dry_run)
    steps.take(_onboard(flags, environ, chosen, shown), shown)
    shown.end(_summary(flags, shown))
    return int(not shown.is_complete)


def _problems(flags: argparse.Namespace) -> Iterator[Message]:
    yield from steps.problems(flags)
    if flags.managed_identity and not _RESOURCE.fullmatch(flags.managed_identity):
        expected = (
            "its resource id: /subscriptions/…/providers/Microsoft.ManagedIdentity/userAssignedIdentities/NAME "
            "(az identity show --query id)"
        )
        yield bad_value("--managed-identity", flags.managed_identity, expected)
    if flags.managed_identity and flags.application:
        yield message(usage.EXCLUDE_EACH_OTHER, Place("--managed-identity"), other="--application")
    try:
        flags.seconds = values.duration(flags.wait).total_seconds() if flags.wait != "0" else 0.0
    except ValueError as error:
        yield bad_value("--wait", flags.wait, error)


async def _onboard(
    flags: argparse.Namespace, environ: Mapping[str, str], chosen: clusters.Chosen, shown: steps.Shown
) -> None:
    async with chosen.kube() as kube:
        with shown.failing("cluster"):
            cluster = await steps.read_cluster(
                kube, flags.namespace, flags.service_account, chosen.settings.policy, look=not flags.no_lookup
            )
        async with steps.signed_in(flags, environ, cluster, shown) as entra:
            with shown.failing("permissions"):
                graph = await entra.directory.graph()
                permissions = resolve(flags.permission, graph)
            with shown.failing("identity"):
                identity = await _identity(flags, cluster, entra)
            desired = steps.desired(flags, cluster, entra, permissions)
            tools = _tools(flags, environ, kube, entra, shown)
            await Onboarding(desired, cluster.seen, tools).run(graph, identity)


async def _identity(flags: argparse.Namespace, cluster: steps.Cluster, entra: steps.Entra) -> Identity | None:
    """The managed identity: the one that was given, or that the ServiceAccount names already."""
    resource = flags.managed_identity
    if not resource and not flags.application:
        client = annotated(cluster.account)
        resource = await entra.directory.resource_of(client) if client else ""
    return await identity_at(entra.resource_manager, resource) if resource else None


def _tools(
    flags: argparse.Namespace, environ: Mapping[str, str], kube: Kube, entra: steps.Entra, shown: steps.Shown
) -> Tools:
    services = {Service.GRAPH: entra.graph, Service.RESOURCE_MANAGER: entra.resource_manager}
    roots = steps.roots(entra.cloud)
    proof = Proof(kube, flags.seconds, debug=entra_flags.debug(flags), waiting=progress)
    return Tools(
        directory=entra.directory,
        applications=Applications(entra.graph, entra.resource_manager),
        requests=Printer(roots, write_stdout) if flags.dry_run else Maker(kube, services),
        say=shown.say,
        proof=None if flags.dry_run else proof,
        print_account=write_stdout if flags.print_account and not flags.dry_run else None,
        authority=environ.get("AZURE_AUTHORITY_HOST", ""),
        caller=entra.caller,
    )


def _summary(flags: argparse.Namespace, shown: steps.Shown) -> str:
    if flags.dry_run:
        return "Nothing was done." if shown.is_complete else "Nothing was done, and this has to be fixed first."
    if not shown.is_complete:
        return "Not complete. The same command goes on from here."
    label = f'the label {names.USE_LABEL}: "true"'
    if shown.is_changed:
        return f"Done. Pods of this ServiceAccount sign in, if they have {label}."
    return f"Nothing to do. Pods of this ServiceAccount sign in, if they have {label}."
