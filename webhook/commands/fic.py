"""`python -m webhook fic`: the federated identity credential that Entra needs for a ServiceAccount.

    exit 0   printed
    exit 1   printed, but Entra cannot use the cluster's issuer: the commands of `-o az` are then comments, for they may
             be on their way into a shell; or nothing is printed, since there is none to be made
    exit 2   wrong usage

The credential goes to standard output; problems and warnings, each with its fix, to standard error.
"""

import argparse
import asyncio
import sys
from collections.abc import Iterator, Mapping
from typing import Final

from webhook.accounts.source import account_from
from webhook.cluster.kube import Kube, Unavailable
from webhook.cluster.kubeconfig import BadKubeconfig
from webhook.commands import clusters
from webhook.commands.printed import write_stdout
from webhook.core.identity import Account, is_guid
from webhook.core.messages import Message, Place, message
from webhook.core.messages import settings as kinds
from webhook.core.names import NAMESPACE_NAME, OBJECT_NAME
from webhook.entra.federated_credential import FORMATS, NoCredential, credential
from webhook.entra.issuers import DISCOVERY, NoDocument, address, no_document, read_discovery, unreadable
from webhook.findings import Finding, Status
from webhook.settings import ServeSettings, SettingsError, add_flags, bad_value

_SECONDS: Final = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command; `run` checks their values."""
    parser.add_argument("-n", "--namespace", metavar="NAMESPACE", default="", help="of the ServiceAccount")
    parser.add_argument("--service-account", metavar="NAME", default="", help="whose pods are to sign in")
    parser.add_argument("-o", "--output", metavar="FORMAT", default="az", help=f"{', '.join(FORMATS)} (az)")
    parser.add_argument(
        "--client-id", metavar="GUID", default="", help="of the application (what the ServiceAccount says)"
    )
    clusters.add_kubeconfig(parser)
    add_flags(parser, only=("cloud", "audience"))


def run(flags: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Prints the credential. Raises SettingsError for wrong usage."""
    chosen = clusters.choose(flags, environ, _problems(flags))
    try:
        return asyncio.run(_printed(flags, chosen.settings, Kube(chosen.kubeconfig)))
    except BadKubeconfig as error:
        raise SettingsError(error.problems) from None


def _problems(flags: argparse.Namespace) -> Iterator[Message]:
    for flag, value, pattern in (
        ("-n", flags.namespace, NAMESPACE_NAME),
        ("--service-account", flags.service_account, OBJECT_NAME),
    ):
        what = "the ServiceAccount's namespace" if flag == "-n" else "the ServiceAccount's name"
        if not value:
            yield message(kinds.VALUE_MISSING, Place(flag), expected=what)
        elif not pattern.fullmatch(value):
            yield bad_value(flag, value, what)
    if flags.output not in FORMATS:
        yield bad_value("-o", flags.output, f"one of {', '.join(FORMATS)}")
    if flags.client_id and not is_guid(flags.client_id):
        yield bad_value("--client-id", flags.client_id, "the application's GUID")


async def _printed(flags: argparse.Namespace, settings: ServeSettings, kube: Kube) -> int:
    namespace, name = flags.namespace, flags.service_account
    try:
        async with kube:
            account = await _account(kube, namespace, name)
            issuer, finding = await _issuer(kube)
    except Unavailable as error:
        return _refused(
            [f"The API server cannot be reached: {error} (fix: see whether the kubeconfig is the cluster's)"]
        )
    if isinstance(account, str) or not issuer:
        unknown = [] if issuer else [_told(finding)]
        return _refused([account, *unknown] if isinstance(account, str) else unknown)
    try:
        wanted = credential(account, issuer=issuer, policy=settings.policy, client_id=flags.client_id)
    except NoCredential as error:
        return _refused([str(problem) for problem in error.problems])
    for warning in wanted.warnings:
        _tell(f"warning: {warning}")
    unusable = finding.status is Status.FAIL
    text = FORMATS[flags.output](wanted)
    write_stdout(_commented(text) if unusable and flags.output == "az" else text)
    if unusable:
        _tell(_told(finding))
    return int(unusable)


def _commented(commands: str) -> str:
    """What a shell reads and does not do: the credential would take one of Entra's twenty places for nothing."""
    return "".join(f"# {line}\n" for line in ("Entra cannot use this issuer:", *commands.splitlines()))


async def _account(kube: Kube, namespace: str, name: str) -> Account | str:
    """The ServiceAccount, or why there is none to be had, with the fix."""
    place = f"ServiceAccount {namespace}/{name}"
    reply = await kube.request("GET", f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}", seconds=_SECONDS)
    if reply.status == 200:
        return account_from(reply.json(), place=Place(place))
    if reply.status == 404:
        return f"{place} does not exist (fix: kubectl create serviceaccount {name} -n {namespace})"
    fix = f"kubectl create rolebinding m365-view --clusterrole=view -n {namespace} --user=YOU"
    return f"{place} cannot be read: {reply.reason()}" + (f" (fix: {fix})" if reply.status == 403 else "")


async def _issuer(kube: Kube) -> tuple[str, Finding]:
    """The cluster's issuer, "" when it is not known, and what is to be said of it."""
    reply = await kube.request("GET", DISCOVERY, seconds=_SECONDS)
    if reply.status != 200:
        return "", unreadable(DISCOVERY, reply.status, reply.reason())
    try:
        issuer = str(read_discovery(reply.body)["issuer"])
    except NoDocument as error:
        return "", no_document(DISCOVERY, error)
    return issuer, address(issuer)


def _told(finding: Finding) -> str:
    return f"{finding.detail} (fix: {finding.fix})"


def _refused(problems: list[str] | tuple[str, ...]) -> int:
    for problem in problems:
        _tell(problem)
    return 1


def _tell(line: str) -> None:
    print(f"python -m webhook fic: {line}", file=sys.stderr)
