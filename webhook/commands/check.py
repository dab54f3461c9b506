"""`m365wi check`: on a live cluster, is a labelled pod injected? If not, what is wrong and what fixes it?

    exit 0   all is well, or only warnings
    exit 1   something is wrong
    exit 2   wrong usage

Nothing is changed: pods are created by dry run only.
"""

import argparse
import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from webhook.checks.order import ClusterCheck, Target
from webhook.checks.workloads import kind_and_name
from webhook.cluster.kube import Kube
from webhook.cluster.kubeconfig import BadKubeconfig
from webhook.commands import check_pre, clusters, entra_flags, reports
from webhook.commands.check_all import FORMATS, run_all
from webhook.commands.printed import write_stdout
from webhook.commands.progress import progress
from webhook.core import names
from webhook.core.messages import Message, Place, message
from webhook.core.messages import settings as usage
from webhook.core.workload_kinds import WorkloadKind
from webhook.entra.sign_in import AUTO
from webhook.findings import Finding, Status, broken
from webhook.settings import SettingsError, add_flags, bad_value

_FORMATS = (*FORMATS, check_pre.RBAC)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command; `run` checks their values."""
    parser.add_argument("-n", "--namespace", default="", help="create a pod here, by dry run (that of the context)")
    parser.add_argument("--service-account", metavar="NAME", default="", help="also check this one and its pods")
    parser.add_argument(
        "--workload", metavar="KIND/NAME", default="", help="also check this one, its ServiceAccount and its pods"
    )
    parser.add_argument("-A", "--all-namespaces", action="store_true", help="report on the whole cluster")
    check_pre.add_arguments(parser)
    reports.add_output(parser, _FORMATS, more="; html, one file, is for -A; rbac, the rights to install, for --pre")
    parser.add_argument(
        "--entra",
        action="store_true",
        help="also look at Entra's side of the ServiceAccount: application, credential, consent",
    )
    entra_flags.add_entra_flags(parser)
    entra_flags.add_past_flags(parser, "-A --entra")
    clusters.add_cluster_flags(parser)
    add_flags(parser, only=("own_namespace", "configuration", "service", "cloud", "audience"))


def run(flags: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Prints what is found. Raises SettingsError for wrong usage."""
    problems = [*_problems(flags)]
    workload: tuple[WorkloadKind, str] | None = None
    try:
        workload = kind_and_name(flags.workload) if flags.workload else None
    except ValueError as error:
        problems.append(bad_value("--workload", flags.workload, error))
    chosen = clusters.choose(flags, environ, problems)
    settings = chosen.settings
    target = Target(
        namespace=flags.namespace or chosen.namespace,
        account=flags.service_account,
        workload=workload,
        configuration=settings.rotation.configuration,
        service=settings.rotation.service,
        # Only the webhook knows the image of its helper containers; if it has none, it refuses the pod of the dry run.
        policy=replace(settings.policy, helper_image="unknown"),
    )
    if flags.all_namespaces:
        return run_all(flags, environ, chosen, target)
    if flags.pre:
        return check_pre.run(flags, chosen, target.namespace)
    try:
        findings = asyncio.run(_findings(chosen.kube(), target, flags, environ))
    except BadKubeconfig as error:
        raise SettingsError(error.problems) from None
    restart = sorted({pod for finding in findings if finding.status is Status.FAIL for pod in finding.pods})
    as_json = flags.output == "json"
    write_stdout(reports.document(findings, restart=restart) if as_json else reports.text(findings))
    return 1 if broken(findings) else 0


def _problems(flags: argparse.Namespace) -> Iterator[Message]:
    if flags.namespace and not names.NAMESPACE_NAME.fullmatch(flags.namespace):
        yield bad_value("-n", flags.namespace, "a namespace's name")
    if flags.service_account and not names.OBJECT_NAME.fullmatch(flags.service_account):
        yield bad_value("--service-account", flags.service_account, "a ServiceAccount's name")
    if flags.all_namespaces and (flags.service_account or flags.workload):
        yield bad_value("-A", "given with --service-account or --workload", "one of them")
    if flags.pre and (flags.all_namespaces or flags.service_account or flags.workload or flags.entra):
        yield bad_value("--pre", "given with -A, --service-account, --workload or --entra", "it alone")
    if flags.output == "html" and not flags.all_namespaces:
        yield message(usage.FLAG_ALONE, Place("-o html"), command="check -A")
    if flags.entra and not (flags.service_account or flags.workload or flags.all_namespaces):
        expected = "the ServiceAccount's name, because --entra looks at one"
        yield message(usage.VALUE_MISSING, Place("--service-account"), expected=expected)
    if not flags.entra:
        given = {"--auth": flags.auth != AUTO, "--tenant": flags.tenant, "--debug": flags.debug}
        yield from (
            message(usage.FLAG_ALONE, Place(flag), command="check --entra") for flag, value in given.items() if value
        )
    if not (flags.entra and flags.all_namespaces):
        past = {"--cluster-name": flags.cluster_name, "--former-issuer": flags.former_issuer}
        yield from (
            message(usage.FLAG_ALONE, Place(flag), command="check -A --entra") for flag, value in past.items() if value
        )
    yield from entra_flags.problems(flags)
    yield from entra_flags.past_problems(flags)
    yield from check_pre.problems(flags)
    yield from reports.wrong_output(flags, _FORMATS)


async def _findings(kube: Kube, target: Target, flags: argparse.Namespace, environ: Mapping[str, str]) -> list[Finding]:
    async with kube:
        async with progress("asking the cluster"):
            check = ClusterCheck(kube, target, now=datetime.now(UTC))
            found = [finding async for finding in check.findings()]
        if not flags.entra or not check.account:
            return found
        from webhook.commands.entra_side import entra_findings  # with the helper's table, which others do not need

        async with progress("asking Entra"):
            account = (target.namespace, check.account)
            known = [each.message for each in found]
            return [*found, *await entra_findings(kube, flags, environ, target.policy, account, known)]
