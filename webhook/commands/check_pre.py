"""`m365wi check --pre`: is the cluster ready for the webhook? `-o rbac` prints the rights that installing it takes.

exit 0   all is well, or only warnings; or the rights are printed
exit 1   something is wrong
exit 2   wrong usage
"""

import argparse
import asyncio
import shlex
import sys
from collections.abc import Iterator
from typing import Any, Final

import yaml

from webhook.checks.before import Before
from webhook.cluster.kube import Unavailable
from webhook.cluster.kubeconfig import BadKubeconfig
from webhook.commands import reports
from webhook.commands.clusters import Chosen
from webhook.commands.printed import write_stderr, write_stdout
from webhook.commands.progress import progress
from webhook.core.messages import Message, Place, message
from webhook.core.messages import settings as usage
from webhook.documents.files import STANDARD_INPUT, read_manifests
from webhook.findings import Finding, broken
from webhook.settings import SettingsError

RBAC: Final = "rbac"
_HEADER: Final = """\
# What {user} needs to install, upgrade and uninstall {what} in namespace
# {namespace}, with Helm or kubectl. For a cluster administrator: kubectl apply -f FILE gives these rights, and
# kubectl delete -f FILE takes them back. Do so after the installation: who may create webhook configurations can change
# every object of the cluster.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags that only --pre has, and itself."""
    parser.add_argument("--pre", action="store_true", help="before installing: is the cluster ready for the webhook?")
    parser.add_argument(
        "-f",
        "--filename",
        metavar="FILE",
        action="append",
        default=[],
        help="with --pre: what is to be installed, as `helm template` prints it: a file, a folder, or "
        f"{STANDARD_INPUT} for standard input; may be repeated (the chart with its defaults)",
    )


def problems(flags: argparse.Namespace) -> Iterator[Message]:
    """What is wrong with the values."""
    alone = {"-f": flags.filename, f"-o {RBAC}": flags.output == RBAC}
    if not flags.pre:
        for flag, given in alone.items():
            if given:
                yield message(usage.FLAG_ALONE, Place(flag), command="check --pre")


def run(flags: argparse.Namespace, chosen: Chosen, namespace: str) -> int:
    """Prints what is found. namespace: one that exists. Raises SettingsError for wrong usage."""
    files = read_manifests(flags.filename, sys.stdin.buffer)
    if files.problems:
        raise SettingsError(files.problems)
    objects = [each.value for each in files.manifests]
    before = Before(chosen.kube(), chosen.settings.policy.own_namespace, namespace, objects, _command(flags))
    try:
        if flags.output == RBAC:
            return asyncio.run(_rbac(before))
        findings = asyncio.run(_findings(before))
    except BadKubeconfig as error:
        raise SettingsError(error.problems) from None
    as_json = flags.output == "json"
    write_stdout(reports.document(findings, restart=[]) if as_json else reports.text(findings))
    return 1 if broken(findings) else 0


async def _findings(before: Before) -> list[Finding]:
    async with before.kube, progress("asking the cluster"):
        return [finding async for finding in before.findings()]


async def _rbac(before: Before) -> int:
    try:
        async with before.kube, progress("asking the cluster"):
            user, documents, found = await before.rbac()
    except Unavailable as error:
        user, documents, found = "", [], [Finding("cluster", error.told())]
    if found:
        write_stderr(reports.text(found).splitlines())
        return 1
    what = "these objects" if before.objects else "m365-workload-identity"
    write_stdout(_HEADER.format(user=user, what=what, namespace=before.own) + _yaml(documents))
    return 0


def _yaml(documents: list[dict[str, Any]]) -> str:
    text: str = yaml.safe_dump_all(documents, sort_keys=False, default_flow_style=None, width=120)
    return text


def _command(flags: argparse.Namespace) -> str:
    """The command line that prints the rights."""
    given = {"--kubeconfig": flags.kubeconfig, "--context": flags.context, "--own-namespace": flags.own_namespace}
    words = [word for flag, value in given.items() if value for word in (flag, value)]
    words += [word for file in flags.filename for word in ("-f", file)]
    return " ".join([flags.program, "--pre", *map(shlex.quote, words), "-o", RBAC])
