"""`m365wi fic`: the federated identity credential that Entra needs for a ServiceAccount.

`fic plan`, `fic apply` and `fic prune` are in `fic_plan`. Without them, it prints:

    exit 0   printed
    exit 1   printed, but Entra cannot use the cluster's issuer, or it is not published as far as can be seen from here:
             the commands of `-o az` are then comments, because they may be on their way into a shell; or not printed,
             because no credential can be made
    exit 2   wrong usage

The credential goes to standard output; problems and warnings, each with its fix, to standard error. If the caller is
signed in to Entra, `-o az` and `-o terraform` know which client id is a managed identity's.
"""

import argparse
import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from webhook.accounts.source import account_from
from webhook.cluster.kube import Kube, Unavailable
from webhook.cluster.kubeconfig import BadKubeconfig
from webhook.commands import clusters, entra_flags, fic_plan, reports
from webhook.commands.fic_kinds import managed_identities
from webhook.commands.fic_plan import PRINT
from webhook.commands.printed import write_stderr, write_stdout
from webhook.commands.progress import progress
from webhook.core.formats import is_guid
from webhook.core.identity import Account
from webhook.core.messages import Message, Place, message
from webhook.core.messages import settings as kinds
from webhook.core.messages.entra import ACCOUNT_FORBIDDEN, ACCOUNT_UNREADABLE
from webhook.core.messages.workloads import ACCOUNT_ABSENT
from webhook.core.names import NAMESPACE_NAME, OBJECT_NAME
from webhook.entra.cluster_documents import cluster_issuer
from webhook.entra.federated_credential import FORMATS, NoCredential, federated_credential
from webhook.entra.sign_in import AUTO
from webhook.findings import Finding, Status, broken, forbidden_user
from webhook.settings import ServeSettings, SettingsError, add_flags, bad_value

_SECONDS: Final = 10.0  # of one request
_FOR_SHELLS: Final = ("az", "identity")
_BY_KIND: Final = ("az", "identity", "terraform")  # other for an application than for a managed identity


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command; `run` checks their values."""
    fic_plan.add_arguments(parser)
    where = "of the ServiceAccount (that of the context)"
    parser.add_argument("-n", "--namespace", metavar="NAMESPACE", default="", help=where)
    parser.add_argument("--service-account", metavar="NAME", default="", help="whose pods are to sign in")
    parser.add_argument(
        "-o",
        "--output",
        metavar="FORMAT",
        default="",
        help=f"{', '.join(FORMATS)} (az); identity: for a user-assigned managed identity; plan, apply, prune: "
        f"{', '.join(fic_plan.FORMATS)}",
    )
    parser.add_argument(
        "--client-id", metavar="GUID", default="", help="of the application (that of the ServiceAccount)"
    )
    parser.add_argument(
        "--no-lookup", action="store_true", help="do not look on the internet whether the issuer is published"
    )
    clusters.add_cluster_flags(parser)
    add_flags(parser, only=("cloud", "audience", "env"))


def run(flags: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Prints the credential, or does what the action says. Raises SettingsError for wrong usage."""
    if flags.action != PRINT:
        return fic_plan.run(flags, environ)
    flags.output = flags.output or "az"
    chosen = clusters.choose(flags, environ, _problems(flags))
    flags.namespace = flags.namespace or chosen.namespace
    try:
        return asyncio.run(_print(flags, chosen.settings, chosen.kube(), environ))
    except BadKubeconfig as error:
        raise SettingsError(error.problems) from None


def _problems(flags: argparse.Namespace) -> Iterator[Message]:
    yield from fic_plan.misplaced(flags)
    yield from entra_flags.problems(flags)
    if flags.namespace and not NAMESPACE_NAME.fullmatch(flags.namespace):
        yield bad_value("-n", flags.namespace, "the ServiceAccount's namespace")
    if not flags.service_account:
        yield message(kinds.VALUE_MISSING, Place("--service-account"), expected="the ServiceAccount's name")
    elif not OBJECT_NAME.fullmatch(flags.service_account):
        yield bad_value("--service-account", flags.service_account, "the ServiceAccount's name")
    yield from reports.wrong_output(flags, tuple(FORMATS))
    if flags.client_id and not is_guid(flags.client_id):
        yield bad_value("--client-id", flags.client_id, "the application's GUID")


async def _print(flags: argparse.Namespace, settings: ServeSettings, kube: Kube, environ: Mapping[str, str]) -> int:
    try:
        async with kube, progress("asking the cluster"):
            account = await _account(kube, flags.namespace, flags.service_account)
            issuer, findings = await cluster_issuer(kube, look=not flags.no_lookup and isinstance(account, Account))
    except Unavailable as error:
        return _refuse(flags, [error.told()])
    if isinstance(account, Message):
        return _refuse(flags, [account] if issuer else [account, *_problems_of(findings)])
    if not issuer:
        return _refuse(flags, _problems_of(findings))
    try:
        wanted = federated_credential(account, issuer=issuer, policy=settings.policy, client_id=flags.client_id)
    except NoCredential as error:
        return _refuse(flags, error.problems)
    if flags.output in _BY_KIND and (flags.auth != AUTO or not flags.no_lookup):
        async with progress("asking Entra"):
            found = await managed_identities(flags, settings, environ, wanted.applications)
        wanted = replace(wanted, identities=found)
    _report(flags, *(f"warning: {warning}" for warning in wanted.warnings))
    unusable = broken(findings)
    text = FORMATS[flags.output](wanted)
    write_stdout(_as_comments(text) if unusable and flags.output in _FOR_SHELLS else text)
    _report(flags, *map(str, _problems_of(findings)))
    return int(unusable)


def _problems_of(findings: Iterable[Finding]) -> list[Message]:
    return [each.message for each in findings if each.status is not Status.OK]


def _as_comments(commands: str) -> str:
    """What a shell reads and does not do: the credential would take one of Entra's twenty places for nothing."""
    return "".join(
        f"# {line}\n"
        for line in ("Entra cannot use this issuer, as far as can be seen from here:", *commands.splitlines())
    )


async def _account(kube: Kube, namespace: str, name: str) -> Account | Message:
    """The ServiceAccount, or why it cannot be had."""
    account = Account(namespace, name, {})
    place = Place(str(account))
    reply = await kube.request("GET", f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}", seconds=_SECONDS)
    if reply.status == 200:
        return account_from(reply.json(), place=place)
    if reply.status == 404:
        return message(ACCOUNT_ABSENT, place, command=account.command)
    if reply.status == 403:
        return message(
            ACCOUNT_FORBIDDEN, place, reason=reply.reason(), namespace=namespace, user=forbidden_user(reply.reason())
        )
    return message(ACCOUNT_UNREADABLE, place, reason=reply.reason())


def _refuse(flags: argparse.Namespace, problems: Iterable[Message]) -> int:
    _report(flags, *map(str, problems))
    return 1


def _report(flags: argparse.Namespace, *lines: str) -> None:
    write_stderr(f"{flags.program}: {line}" for line in lines)
