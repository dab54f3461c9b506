"""`m365wi offboard`: undoes what `onboard` made for a ServiceAccount, and nothing else.

exit 0   done, or there is nothing to undo
exit 1   something failed, or something would be removed and --yes is missing
exit 2   wrong usage
"""

import argparse
from collections.abc import Mapping
from typing import Final

from m365_identity._commands.unknown import near
from webhook.cluster.kube import Kube
from webhook.commands import clusters, entra_flags, steps
from webhook.commands.printed import write_stdout
from webhook.entra.applications import Applications
from webhook.entra.directory import identity_at
from webhook.onboarding.desired_state import annotated
from webhook.onboarding.requests import Maker, Printer, Requests
from webhook.onboarding.undo import Offboarding, Seen
from webhook.onboarding.verdicts import Service
from webhook.settings import add_flags

_SECONDS: Final = 10.0  # of a request to the cluster


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command; `run` checks their values."""
    steps.add_arguments(parser)
    parser.add_argument(
        "--issuer",
        metavar="URL",
        default="",
        help="the issuer that the cluster had when onboard ran, if it was rebuilt since (that of the cluster)",
    )
    entra_flags.add_entra_flags(parser, removes=True)
    clusters.add_cluster_flags(parser)
    add_flags(parser, only=("cloud", "audience"))


def run(flags: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Takes the steps back. Raises SettingsError for wrong usage."""
    wrong = entra_flags.issuer_problems("--issuer", flags.issuer) if flags.issuer else ()
    chosen = clusters.choose(flags, environ, [*steps.problems(flags), *wrong])
    flags.namespace = flags.namespace or chosen.namespace
    shown = steps.Shown(flags.program, flags.output, as_comments=flags.dry_run)
    steps.take(_offboard(flags, environ, chosen, shown), shown)
    shown.end(_summary(flags, shown))
    return int(not shown.is_complete)


async def _offboard(
    flags: argparse.Namespace, environ: Mapping[str, str], chosen: clusters.Chosen, shown: steps.Shown
) -> None:
    async with chosen.kube() as kube:
        with shown.failing("cluster"):
            name, policy = flags.service_account, chosen.settings.policy
            cluster = await steps.read_cluster(kube, flags.namespace, name, policy, look=False, former=flags.issuer)
            seen = Seen(
                cluster.seen.account,
                cluster.seen.namespace,
                pods=await _pods(kube, flags.namespace, name),
                meant=await _meant(kube, cluster),
                now=cluster.now,
            )
        async with steps.signed_in(flags, environ, cluster, shown) as entra:
            with shown.failing("identity"):
                client = annotated(cluster.account)
                resource = await entra.directory.resource_of(client) if client else ""
                identity = await identity_at(entra.resource_manager, resource) if resource else None
            undo = Offboarding(
                steps.desired(flags, cluster, entra),
                entra.directory,
                Applications(entra.graph, entra.resource_manager),
                _requests(flags, kube, entra),
                shown.say,
            )
            await undo.run(seen, identity)


def _requests(flags: argparse.Namespace, kube: Kube, entra: steps.Entra) -> Requests | None:
    if flags.dry_run:
        return Printer(steps.roots(entra.cloud), write_stdout)
    services = {Service.GRAPH: entra.graph, Service.RESOURCE_MANAGER: entra.resource_manager}
    return Maker(kube, services) if flags.yes else None


async def _pods(kube: Kube, namespace: str, account: str) -> list[str]:
    """The pods that use the ServiceAccount. If the user may not list them, there may be some."""
    query = {"fieldSelector": f"spec.serviceAccountName={account}"}
    found = await kube.items(f"/api/v1/namespaces/{namespace}/pods", seconds=_SECONDS, query=query)
    return [str(pod["metadata"]["name"]) for pod in found] if isinstance(found, list) else ["unknown"]


async def _meant(kube: Kube, cluster: steps.Cluster) -> str:
    """The name that is most like that of the namespace or of the ServiceAccount that does not exist, or ""."""
    account = cluster.account
    if cluster.seen.account:
        return ""
    name, path = account.name, f"/api/v1/namespaces/{account.namespace}/serviceaccounts"
    if not cluster.seen.namespace:
        name, path = account.namespace, "/api/v1/namespaces"
    found = await kube.items(path, seconds=_SECONDS)
    return near(name, [str(each["metadata"]["name"]) for each in found]) if isinstance(found, list) else ""


def _summary(flags: argparse.Namespace, shown: steps.Shown) -> str:
    if flags.dry_run:
        return "Nothing was done."
    if shown.is_complete:
        return "Done." if shown.is_changed else "Nothing to do."
    return "Not complete. The same command goes on from here." if flags.yes else "Nothing was done. Add --yes."
