"""Entra's side of one ServiceAccount, for `check --entra`: read with the caller's own sign-in, never changed."""

import argparse
from collections.abc import Mapping, Sequence

from webhook.checks.entra import EntraSide, findings
from webhook.cluster.kube import Kube, Unavailable
from webhook.commands import steps
from webhook.core.messages import Message, Place
from webhook.core.messages import onboarding as kinds
from webhook.core.messages.cluster_report import ENTRA_NOT_READ
from webhook.core.policy import Policy
from webhook.entra.applications import MANAGED_IDENTITY, Applications
from webhook.entra.trial_sign_in import SignIn
from webhook.findings import Finding, finding
from webhook.onboarding.desired_state import annotated
from webhook.onboarding.run import Stopped


async def entra_findings(
    kube: Kube,
    flags: argparse.Namespace,
    environ: Mapping[str, str],
    policy: Policy,
    account: tuple[str, str],
    known: Sequence[Message],
) -> list[Finding]:
    """What is found. account: namespace and name. known: what was found about it in the cluster, and is not said again.

    Raises SettingsError if there is nothing to sign in with.
    """
    shown = steps.Shown(flags.program, "json")
    found: list[Finding] = []
    try:
        try:
            with shown.failing("cluster"):
                cluster = await steps.read_cluster(kube, *account, policy, look=False)
        except Stopped:
            if not {each.message.kind for each in shown.verdicts} & {each.kind for each in known}:
                raise
            reason = f"what ServiceAccount {'/'.join(account)} asks for is not clear"  # the verdicts say why
            return [finding("application", ENTRA_NOT_READ, reason=reason)]
        if cluster.seen.account is None or not annotated(cluster.account):
            return [finding("application", kinds.NOT_NAMED, Place(str(cluster.account)))]
        async with steps.signed_in(flags, environ, cluster, shown) as entra:
            with shown.failing("application"):
                for client in steps.applications(cluster):
                    sign_in = SignIn(client, entra.tenant, entra.cloud, environ.get("AZURE_AUTHORITY_HOST", ""))
                    found += findings(await _read(entra, client), steps.wanted(cluster), sign_in)
    except Stopped:
        pass  # it is the last verdict
    except Unavailable as error:
        return [Finding("cluster", error.told())]
    return [*(Finding(verdict.step, verdict.message) for verdict in shown.verdicts), *found]


async def _read(entra: steps.Entra, client: str) -> EntraSide:
    directory, applications = entra.directory, Applications(entra.graph, entra.resource_manager)
    principal = await directory.principal(client)
    holder = await applications.find(client)
    is_identity = holder is not None and holder.kind == MANAGED_IDENTITY
    return EntraSide(
        registration=await directory.application(client),
        identity=holder.name if holder and is_identity else "",
        principal=principal,
        credentials=await applications.credentials(holder) if holder else None,
        given=await directory.assignments(str(principal["id"])) if principal else [],
        graph=await directory.graph(),
        deleted=None if principal or holder else await applications.deleted(client),
    )
