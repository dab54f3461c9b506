"""`m365wi fic plan`, `fic apply` and `fic prune`: the credentials of a whole cluster, as they are and should be.

    exit 0   plan: apply has nothing to do; apply: all is as it should be; prune: nothing is left over
    exit 1   there is something to do, or something failed; what could be done is done
    exit 2   wrong usage

The table goes to standard output, problems to standard error. No token is ever shown.
"""

import argparse
import asyncio
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final

from m365_identity._commands.unknown import one_of
from webhook.cluster.kube import Unavailable
from webhook.cluster.kubeconfig import BadKubeconfig
from webhook.commands import clusters, entra_flags, fic_report, reports
from webhook.commands.clusters import Chosen
from webhook.commands.fic_report import FORMATS, Outcome
from webhook.commands.printed import write_stderr, write_stdout
from webhook.commands.progress import progress
from webhook.core.clouds import CLOUDS
from webhook.core.formats import is_guid
from webhook.core.messages import Message, Place, message
from webhook.core.messages import settings as kinds
from webhook.core.names import NAMESPACE_NAME, OBJECT_NAME
from webhook.entra import plan
from webhook.entra.account_lists import NotListed, Selection, list_accounts
from webhook.entra.applications import Applications
from webhook.entra.cluster_documents import cluster_issuer
from webhook.entra.comparison import Change, Cluster
from webhook.entra.failures import NotSignedIn
from webhook.entra.needs import Home, Needs, merged, needs
from webhook.entra.plan import APPLIED, PRUNED
from webhook.entra.rest import graph, resource_manager
from webhook.entra.trial_sign_in import SignIn
from webhook.entra.waiting import Candidate, wait_until_signed_in
from webhook.findings import Status, broken
from webhook.settings import SettingsError, bad_value, values

__all__ = ["FORMATS", "PRINT", "add_arguments", "misplaced", "run"]

PRINT: Final = "print"
_ACTIONS: Final = (PRINT, "plan", "apply", "prune")
_TIMEOUT: Final = "5m"
_ONLY_HERE: Final = {  # flags, and the actions that know them
    "all_namespaces": _ACTIONS[1:],
    "cluster_name": _ACTIONS[1:],
    "former_issuer": _ACTIONS[1:],
    "application": _ACTIONS[1:],
    "dry_run": _ACTIONS[2:],
    "wait": ("apply",),
    "yes": ("prune",),
}
# Without them, the next command would do something else, or do it in another cluster.
_REPEATED: Final = (
    *("cluster_name", "former_issuer", "application", "kubeconfig", "context", "cluster", "user"),
    *("cloud", "audience", "env", "tenant"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The action and its flags; `run` checks their values."""
    parser.add_argument(
        "action",
        nargs="?",
        type=one_of(_ACTIONS),
        choices=_ACTIONS,
        default=PRINT,
        help="print (default) one credential; plan: compare Entra with the cluster; apply: create and change what the "
        "plan shows; prune: remove what is left over",
    )
    parser.add_argument("-A", "--all-namespaces", action="store_true", help="plan, apply, prune: the whole cluster")
    entra_flags.add_past_flags(parser, "plan, apply, prune")
    parser.add_argument(
        "--application",
        metavar="GUID",
        action="append",
        default=[],
        help="plan, prune: look at this one, too, although no ServiceAccount names it; may be repeated",
    )
    parser.add_argument("--wait", action="store_true", help="apply: until each ServiceAccount can sign in")
    parser.add_argument(
        "--timeout", metavar="DURATION", default=_TIMEOUT, help=f"apply --wait: for so long at most ({_TIMEOUT})"
    )
    entra_flags.add_entra_flags(parser, changes=True, removes=True)


def misplaced(flags: argparse.Namespace) -> Iterator[Message]:
    """Flags that do not go with the action."""
    for name, actions in _ONLY_HERE.items():
        if getattr(flags, name) and flags.action not in actions:
            command = " or ".join(f"fic {action}" for action in actions)
            yield message(kinds.FLAG_ALONE, Place(f"--{name.replace('_', '-')}"), command=command)


def run(flags: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Does the action. Raises SettingsError for wrong usage."""
    flags.output = flags.output or "table"
    chosen = clusters.choose(flags, environ, _problems(flags))
    try:
        return asyncio.run(_Run(flags, chosen, environ).run())
    except BadKubeconfig as error:
        raise SettingsError(error.problems) from None
    except NotListed as error:
        problem = error.problem
    except Unavailable as error:
        problem = error.told()
    except NotSignedIn as error:
        problem = error.problem
    write_stderr([f"{flags.program}: {problem}"])
    return 1


def _problems(flags: argparse.Namespace) -> Iterator[Message]:
    yield from misplaced(flags)
    yield from entra_flags.problems(flags)
    if flags.namespace and not NAMESPACE_NAME.fullmatch(flags.namespace):
        yield bad_value("-n", flags.namespace, "a namespace's name")
    if flags.service_account and not OBJECT_NAME.fullmatch(flags.service_account):
        yield bad_value("--service-account", flags.service_account, "a ServiceAccount's name")
    if flags.all_namespaces:
        others = (("-n", flags.namespace), ("--service-account", flags.service_account))
        yield from (message(kinds.EXCLUDE_EACH_OTHER, Place("-A"), other=flag) for flag, value in others if value)
    yield from reports.wrong_output(flags, FORMATS)
    if flags.client_id:
        yield message(kinds.FLAG_ALONE, Place("--client-id"), command="fic print")
    yield from entra_flags.past_problems(flags)
    for client_id in flags.application:
        if not is_guid(client_id):
            yield bad_value("--application", client_id, "an application's client id, a GUID")
    try:
        values.duration(flags.timeout)
    except ValueError as error:
        yield bad_value("--timeout", flags.timeout, error)


class _Run:
    """One action."""

    def __init__(self, flags: argparse.Namespace, chosen: Chosen, environ: Mapping[str, str]) -> None:
        self._flags = flags
        self._policy = chosen.settings.policy
        self._cloud = CLOUDS[self._policy.cloud]
        self._kube = chosen.kube()
        self._environ = environ
        self._credential = entra_flags.credential(flags, chosen.settings, environ)
        namespace = "" if flags.all_namespaces else flags.namespace or chosen.namespace
        self._selection = Selection(namespace, flags.service_account)

    async def run(self) -> int:
        """Returns the exit code."""
        flags = self._flags
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._kube)
            credential = await stack.enter_async_context(self._credential)
            debug = entra_flags.debug(flags)
            directory = await stack.enter_async_context(graph(self._cloud, credential, debug=debug))
            arm = await stack.enter_async_context(resource_manager(self._cloud, credential, debug=debug))
            applications = Applications(directory, arm)
            async with progress("asking the cluster and Entra"):
                issuer, problems = await self._issuer()
                if not issuer:
                    return self._tell(problems)
                found = await self._needs(issuer)
                cluster = self._cluster(issuer, found)
                parts = await plan.look(applications, merged(found.by_application, flags.application), cluster)
            self._tell(problems)
            write_stderr(f"{flags.program}: warning: {each}" for each in found.warnings)
            write_stderr(f"{flags.program}: note: {each}" for each in found.notes)
            outcome = Outcome(cluster, parts, problems=problems)
            if flags.action == "plan":
                return self._show(outcome, APPLIED)
            return await self._change(applications, outcome, found)

    async def _change(self, applications: Applications, outcome: Outcome, found: Needs) -> int:
        """Apply or prune."""
        flags = self._flags
        changes = APPLIED if flags.action == "apply" else PRUNED
        if flags.dry_run:
            write_stdout(fic_report.commands(outcome, changes))
            return 1 if outcome.failures or (outcome.problems and flags.action == "apply") else 0
        if flags.action == "prune" and not flags.yes:
            return self._show(outcome, changes)
        if flags.action == "apply" and outcome.problems:  # a credential for such an issuer would never work
            return 1
        async with progress("changing Entra"):
            outcome.done = await plan.perform(applications, outcome.parts, outcome.cluster, changes)
        if flags.wait:
            async with progress("waiting until Entra takes the tokens"):
                outcome.refused = await self._wait(outcome, found)
        return self._show(outcome, changes)

    async def _issuer(self) -> tuple[str, list[Message]]:
        issuer, findings = await cluster_issuer(self._kube, look=False)
        return issuer, [each.message for each in findings if each.status is not Status.OK] if broken(findings) else []

    async def _needs(self, issuer: str) -> Needs:
        accounts = await list_accounts(self._kube, self._selection, gone=self._flags.action == "prune")
        flags = self._flags
        tenant = flags.tenant if is_guid(flags.tenant) else await self._credential.tenant(self._cloud.graph)
        self._home = Home(self._cloud, tenant)
        return needs(accounts, issuer=issuer, policy=self._policy, home=self._home)

    def _cluster(self, issuer: str, found: Needs) -> Cluster:
        flags = self._flags
        return Cluster(
            issuer,
            name=flags.cluster_name,
            former=frozenset(flags.former_issuer) - {issuer},
            known=frozenset(each.casefold() for each in found.known),
            covers=self._selection.covers,
        )

    async def _wait(self, outcome: Outcome, found: Needs) -> list[Message]:
        """What cannot sign in, of what is as it should be now."""
        authority = self._environ.get("AZURE_AUTHORITY_HOST", "")
        candidates = []
        for part in outcome.parts:
            for wanted in part.wanted:
                if part.failure or outcome.has_failed(part, wanted):
                    continue
                tenant = found.tenants.get((wanted.account, part.client_id)) or self._home.tenant
                sign_in = SignIn(part.client_id, tenant, self._cloud, authority, changed=True)
                candidates.append(Candidate(found.accounts[wanted.account], wanted.audience, sign_in))
        return await wait_until_signed_in(
            self._kube, candidates, seconds=values.duration(self._flags.timeout).total_seconds()
        )

    def _show(self, outcome: Outcome, changes: frozenset[Change]) -> int:
        flags = self._flags
        fic_report.write(outcome, flags.output, action=flags.action, again=self._again())
        failures = [*outcome.failures, *outcome.refused]
        self._tell(failures)
        to_do = [item for part in outcome.parts for item in part.to_do(changes)]
        undone = bool(to_do) and outcome.done is None
        return 1 if failures or outcome.problems or undone else 0

    def _again(self) -> str:
        """The flags for the command that comes next: the selection, and what else decides what it does."""
        flags = self._flags
        account = f" --service-account {flags.service_account}" if flags.service_account else ""
        selected = " -A" if flags.all_namespaces else f" -n {self._selection.namespace}{account}"
        given = vars(flags)
        repeated = ((name, each) for name in _REPEATED for each in _values(given.get(name)))
        return selected + "".join(f" --{name.replace('_', '-')} {shlex.quote(each)}" for name, each in repeated)

    def _tell(self, problems: list[Message]) -> int:
        write_stderr(f"{self._flags.program}: {_placed(each)}" for each in problems)
        return 1


def _placed(problem: Message) -> str:
    """The message behind its place, unless it names the place itself."""
    place = problem.place.object
    named = not problem.kind.fields.isdisjoint({"object", "place"})
    return str(problem) if named or not place else f"{place}: {problem}"


def _values(given: Any) -> Sequence[str]:
    """Each value of a flag, none if it was not given."""
    values = given if isinstance(given, list) else [given]
    return [str(each) for each in values if each]
