"""What `onboard` and `offboard` share: flags, the way to the cluster and to Entra, and how steps are shown."""

import argparse
import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from m365_identity._tokens import access_token
from webhook.accounts.source import BadAccount, account_from
from webhook.cluster.kube import Kube, Unavailable
from webhook.cluster.kubeconfig import BadKubeconfig
from webhook.commands import entra_flags, reports
from webhook.commands.printed import write_stderr, write_stdout
from webhook.core import names
from webhook.core.clouds import CLOUDS, Cloud
from webhook.core.formats import is_guid
from webhook.core.identity import Account, read_account_alone
from webhook.core.messages import Message, Place, message
from webhook.core.messages import onboarding as kinds
from webhook.core.messages import settings as usage
from webhook.core.names import NAMESPACE_NAME, OBJECT_NAME
from webhook.core.policy import Policy
from webhook.entra.cluster_documents import cluster_issuer
from webhook.entra.comparison import Wanted
from webhook.entra.directory import Directory
from webhook.entra.failures import Failed
from webhook.entra.federated_credential import FederatedCredential, NoCredential, federated_credential
from webhook.entra.rest import Rest, graph, graph_root, resource_manager
from webhook.findings import Finding, Status, broken
from webhook.onboarding.desired_state import DesiredState
from webhook.onboarding.permissions import Permission, UnknownPermissions
from webhook.onboarding.requests import refused
from webhook.onboarding.run import InCluster, Stopped
from webhook.onboarding.verdicts import Outcome, Service, Verdict
from webhook.settings import ServeSettings, SettingsError, bad_value

_SECONDS: Final = 10.0  # of a request to the cluster
_WIDTH: Final = len("permissions")
_NO_APPLICATION: Final = "00000000-0000-0000-0000-000000000000"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags that both commands have."""
    where = "of the ServiceAccount (that of the context)"
    parser.add_argument("-n", "--namespace", metavar="NAMESPACE", default="", help=where)
    parser.add_argument("--service-account", metavar="NAME", default="", help="whose pods are to sign in")
    parser.add_argument(
        "--application",
        metavar="NAME|GUID",
        default="",
        help="its name or client id (that in the annotation, else one named after the ServiceAccount)",
    )
    reports.add_output(parser)


def problems(flags: argparse.Namespace) -> Iterator[Message]:
    """What is wrong with them."""
    if flags.namespace and not NAMESPACE_NAME.fullmatch(flags.namespace):
        yield bad_value("-n", flags.namespace, "the ServiceAccount's namespace")
    if not flags.service_account:
        yield message(usage.VALUE_MISSING, Place("--service-account"), expected="the ServiceAccount's name")
    elif not OBJECT_NAME.fullmatch(flags.service_account):
        yield bad_value("--service-account", flags.service_account, "the ServiceAccount's name")
    yield from entra_flags.problems(flags)
    yield from reports.wrong_output(flags)


@dataclass
class Shown:
    """Shows verdicts as they come, and keeps them. `as_comments`: between the commands of --dry-run."""

    program: str
    output: str
    on_stderr: bool = False
    as_comments: bool = False
    verdicts: list[Verdict] = field(default_factory=list)

    def say(self, verdict: Verdict) -> None:
        """One line, and the fix below it."""
        self.verdicts.append(verdict)
        if self.output == "json":
            return
        found = verdict.message
        word = verdict.outcome.upper() if verdict.outcome is Outcome.FAILED else verdict.outcome
        text = f"{word:4}  {verdict.step.ljust(_WIDTH)}  {found.text} [{found.code}]\n"
        text += f"      fix: {found.fix}\n" if found.fix else ""
        self._write(text)

    @contextlib.contextmanager
    def failing(self, step: str) -> Iterator[None]:
        """A failure in the block is that of a step, and is said. Raises Stopped then."""
        try:
            yield
        except Failed as error:
            problems: Sequence[Message] = [error.problem]
        except NoCredential as error:
            problems = error.problems
        else:
            return
        for problem in problems:
            self.say(Verdict(step, problem))
        raise Stopped

    def end(self, summary: str) -> None:
        """The last line; as JSON, everything."""
        if self.output == "json":
            steps = [_document(each) for each in self.verdicts]
            self._write(json.dumps({"complete": self.is_complete, "steps": steps}, indent=2) + "\n")
        else:
            self._write(f"\n{summary}\n" if summary else "")

    @property
    def is_complete(self) -> bool:
        """Whether nothing failed and nothing waits."""
        return all(each.outcome not in (Outcome.FAILED, Outcome.WAITS) for each in self.verdicts)

    @property
    def is_changed(self) -> bool:
        """Whether anything was done."""
        return any(each.outcome is Outcome.DONE for each in self.verdicts)

    def _write(self, text: str) -> None:
        if self.as_comments:
            text = "".join(f"# {line}\n" if line else "\n" for line in text.splitlines())
        if self.on_stderr:
            write_stderr(text.splitlines())
        else:
            write_stdout(text)


def _document(verdict: Verdict) -> dict[str, Any]:
    found = verdict.message
    document = {"step": verdict.step, "outcome": verdict.outcome, "code": found.code}
    return {**document, "detail": found.text, "fix": found.fix, "values": dict(found.values)}


@dataclass(frozen=True)
class Cluster:
    """What the cluster says. account: as it is, or without annotations if it does not exist yet.

    now: its issuer, if `issuer` is one that it had before, else "".
    """

    account: Account
    seen: InCluster
    issuer: str
    policy: Policy
    now: str = ""


async def read_cluster(
    kube: Kube, namespace: str, name: str, policy: Policy, *, look: bool, former: str = ""
) -> Cluster:
    """The ServiceAccount, its namespace and the issuer. look: whether the issuer is published, too.

    former: the issuer that counts, instead of that of the cluster. The ServiceAccount's own cloud counts before that of
    the settings. Raises Failed, Unavailable, or NoCredential for annotations that are wrong.
    """
    target = Account(namespace, name, {})
    body = await _get(kube, f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}", str(target))
    there = body is not None or await _get(kube, f"/api/v1/namespaces/{namespace}", f"namespace {namespace}")
    try:
        account = account_from(body, place=Place(str(target))) if body else target
    except BadAccount as error:
        raise Failed(error.problem) from None
    reading = read_account_alone(account, policy)
    if reading.identity is None:
        raise NoCredential(reading.problems)
    issuer, findings = await cluster_issuer(kube, look=look)
    if not former and (not issuer or (look and broken(findings))):
        raise Failed(_first(findings).message)
    own = replace(policy, cloud=reading.identity.cloud.name)
    now = issuer or "not known" if former and former != issuer else ""
    return Cluster(account, InCluster(body, namespace=bool(there)), former or issuer, own, now)


def _first(findings: list[Finding]) -> Finding:
    return next(each for each in findings if each.status is Status.FAIL)


async def _get(kube: Kube, path: str, what: str) -> Mapping[str, Any] | None:
    reply = await kube.request("GET", path, seconds=_SECONDS)
    if reply.status == 404:
        return None
    if reply.status != 200:
        raise refused(what, reply.reason(), reply.status, path)
    body: Mapping[str, Any] = reply.json()
    return body


@dataclass(frozen=True)
class Entra:
    """The way to Entra. tenant: a GUID. caller: the object id of who signed in, "" if it is not known."""

    cloud: Cloud
    graph: Rest
    resource_manager: Rest
    directory: Directory
    tenant: str
    caller: str


@contextlib.asynccontextmanager
async def signed_in(
    flags: argparse.Namespace, environ: Mapping[str, str], cluster: Cluster, shown: Shown
) -> AsyncIterator[Entra]:
    """Signs in, and says to which tenant. Raises SettingsError, or Stopped if it is not that of the ServiceAccount."""
    cloud = CLOUDS[cluster.policy.cloud]
    debug = entra_flags.debug(flags)
    credential = entra_flags.credential(flags, ServeSettings(policy=cluster.policy), environ)
    async with credential, graph(cloud, credential, debug=debug) as service:
        async with resource_manager(cloud, credential, debug=debug) as azure:
            with shown.failing("tenant"):
                directory = Directory(service)
                found, caller = _who(await credential.token(cloud.graph))
                tenant = flags.tenant if is_guid(flags.tenant) else found
                if not tenant:
                    raise Failed(message(kinds.TENANT_UNKNOWN))
                shown.say(Verdict("tenant", _tenant(cluster.account, tenant, cloud, await directory.organization())))
            yield Entra(cloud, service, azure, directory, tenant, caller)


def _who(token: str) -> tuple[str, str]:
    """Tenant and object id of the caller, "" if the token cannot be read. It is the caller's own, fresh from Entra."""
    try:
        claims = access_token.decode(token)
    except ValueError:
        return "", ""
    return claims.tenant_id, claims.object_id


def _tenant(account: Account, tenant: str, cloud: Cloud, organization: Mapping[str, Any]) -> Message:
    """Which tenant it is. Raises Failed if the ServiceAccount names another one."""
    domains = [str(each.get("name")).lower() for each in organization.get("verifiedDomains") or ()]
    for key in (names.TENANT_ID, names.AZURE_TENANT_ID):
        value = account.annotations.get(key, "").strip()
        if not value:
            continue
        same = value.lower() == tenant.lower() or value.lower() in domains
        if not same and (is_guid(value) or domains):
            raise Failed(message(kinds.TENANT_OTHER, Place(str(account), annotation=key), value=value, tenant=tenant))
        break
    name = organization.get("displayName")
    return message(kinds.TENANT, tenant=f"{tenant} ({name})" if name else tenant, cloud=cloud.name)


def take(steps: Coroutine[Any, Any, None], shown: Shown) -> None:
    """Takes the steps as far as they go; what stops them is said. Raises SettingsError for wrong usage."""
    try:
        asyncio.run(steps)
    except (BadKubeconfig, UnknownPermissions) as error:
        raise SettingsError(error.problems) from None
    except Stopped:
        pass  # it was said
    except Unavailable as error:
        shown.say(Verdict("cluster", error.told()))


def roots(cloud: Cloud) -> dict[Service, str]:
    """The addresses of the services."""
    return {Service.GRAPH: graph_root(cloud), Service.RESOURCE_MANAGER: cloud.resource_manager}


def needed(cluster: Cluster) -> FederatedCredential:
    """The credential that the ServiceAccount needs; its name is that of the application, too."""
    return federated_credential(
        cluster.account, issuer=cluster.issuer, policy=cluster.policy, client_id=_NO_APPLICATION
    )


def applications(cluster: Cluster) -> tuple[str, ...]:
    """The client ids that the ServiceAccount names: one for Microsoft 365, and perhaps another for Azure."""
    return federated_credential(cluster.account, issuer=cluster.issuer, policy=cluster.policy).applications


def wanted(cluster: Cluster) -> Wanted:
    """The same, for a comparison."""
    credential = needed(cluster)
    account = f"{cluster.account.namespace}/{cluster.account.name}"
    return Wanted(account, credential.name, credential.issuer, credential.subject, credential.audience)


def desired(
    flags: argparse.Namespace, cluster: Cluster, entra: Entra, permissions: tuple[Permission, ...] = ()
) -> DesiredState:
    """What is wanted, with what the cluster and Entra say."""
    credential = needed(cluster)
    return DesiredState(
        account=cluster.account,
        name=credential.name,
        issuer=credential.issuer,
        subject=credential.subject,
        audience=credential.audience,
        tenant=entra.tenant,
        cloud=entra.cloud,
        application=flags.application,
        permissions=permissions,
    )
