"""`m365wi check -A`: the whole cluster in one report, as text, JSON or one HTML file."""

import argparse
import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime

from webhook.checks.order import Target
from webhook.checks.report import gather, page, shown
from webhook.checks.report.rows import Report
from webhook.cluster.kubeconfig import BadKubeconfig
from webhook.commands import reports
from webhook.commands.clusters import Chosen
from webhook.commands.printed import write_stdout
from webhook.commands.progress import progress
from webhook.findings import broken
from webhook.settings import SettingsError

FORMATS = (*reports.FORMATS, "html")


def run_all(flags: argparse.Namespace, environ: Mapping[str, str], chosen: Chosen, target: Target) -> int:
    """Prints the report. Returns the exit code. Raises SettingsError for wrong usage."""
    try:
        report = asyncio.run(_report(flags, environ, chosen, target))
    except BadKubeconfig as error:
        raise SettingsError(error.problems) from None
    write_stdout(_shown(report, flags.output))
    return 1 if broken(report.findings()) else 0


def _shown(report: Report, output: str) -> str:
    if output == "html":
        return page.page(report)
    if output == "json":
        document = json.loads(reports.document(report.installation))
        found = [*document["findings"], *map(shown.problem, report.problems)]
        verdict = json.loads(reports.document(report.findings()))
        return json.dumps({**verdict, **shown.facts(report), "findings": found}, indent=2) + "\n"
    return reports.text(shown.listed(report)) + shown.tables(report)


async def _report(flags: argparse.Namespace, environ: Mapping[str, str], chosen: Chosen, target: Target) -> Report:
    kube = chosen.kube()
    async with kube:
        async with progress("asking the cluster"):
            report = await gather.report(kube, target, now=datetime.now(UTC))
        if flags.entra:
            from webhook.commands.entra_all import look  # with azure-identity, which others do not need

            async with progress("asking Entra"):
                await look(kube, flags, environ, chosen.settings, report)
        return report
