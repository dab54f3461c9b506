"""The questions to the API server, in the order in which the answers matter."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from webhook.accounts.source import account_from
from webhook.checks import accounts, api, drift, pods, registration, selectors, sign_ins, workloads
from webhook.checks.api import NotSeen, get, list_all
from webhook.checks.differences import Expectation, annotated_at, read_template
from webhook.checks.new_pod import NewPod, read_new_pod
from webhook.checks.probe import Prober
from webhook.checks.registration import Registration, release_of
from webhook.checks.workloads import Workload
from webhook.cluster.kube import Kube, Unavailable
from webhook.core import names
from webhook.core.identity import Account
from webhook.core.messages import Place, calls
from webhook.core.messages import workloads as rows
from webhook.core.policy import Policy
from webhook.core.workload_kinds import WorkloadKind
from webhook.findings import Finding, Status, broken, finding

_CONFIGURATIONS: Final = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
_LABELLED: Final = {names.USE_LABEL: "true"}


@dataclass(frozen=True)
class Target:
    """What to look at: a ServiceAccount and a workload, "" and None for the installation alone.

    configuration, service: the names of the webhook's own objects.
    """

    namespace: str
    account: str
    workload: tuple[WorkloadKind, str] | None
    configuration: str
    service: str
    policy: Policy


@dataclass(frozen=True)
class Learned:
    """The webhook as it is installed. found: None if it is not, or may not be seen. new: as for `Expectation`."""

    found: Registration | None
    policy: Policy
    new: NewPod | None


class ClusterCheck:
    """One look at a cluster. now: the time that certificates are compared with.

    account: the name of the ServiceAccount, that of the workload once it was looked up; "" without one.
    """

    def __init__(self, kube: Kube, target: Target, *, now: datetime) -> None:
        self.account = target.account
        self._kube = kube
        self._target = target
        self._policy = target.policy
        usual = (target.configuration, f"{target.policy.own_namespace}/{target.service}")
        self._prober = Prober(kube, target.namespace, {}, None, now, usual)
        self._new: NewPod | None = None  # once a labelled pod was injected

    def learned(self) -> Learned:
        """What the findings so far have shown of the installation."""
        return Learned(self._prober.found, self._policy, self._new)

    async def findings(self) -> AsyncIterator[Finding]:
        """Everything that is found. An API server that cannot be reached is a finding, too, and no exception."""
        try:
            async for each in self._findings():
                yield each
        except Unavailable as error:
            yield Finding("cluster", error.told())

    async def _findings(self) -> AsyncIterator[Finding]:
        target = self._target
        called = True
        async for each in self._configuration():
            called = called and each.status is not Status.FAIL
            yield each
        workload: Workload | None = None
        if target.workload:
            looked_up = await self._workload(*target.workload)
            if isinstance(looked_up, Finding):
                yield looked_up
            else:
                workload = looked_up
                self.account = self.account or workload.account
        if called:
            async for each in self._labelled_pod(self.account):
                yield each
        else:
            yield finding("call", calls.CALL_SKIPPED)
        if self.account:
            async for each in self._along(self.account, workload):
                yield each

    async def _configuration(self) -> AsyncIterator[Finding]:
        """Whether kube-apiserver is configured to call the webhook for labelled pods of the namespace."""
        documents = await self._configurations()
        if isinstance(documents, NotSeen):
            yield api.not_seen("configuration", "mutatingwebhookconfigurations", documents)
            return
        target, own_namespace = self._target, self._policy.own_namespace
        service = f"{own_namespace}/{target.service}"
        all_found = registration.registrations(documents, service=service)
        if not all_found:
            others = [str(each["metadata"]["name"]) for each in documents]
            there = await get(self._kube, f"/api/v1/namespaces/{own_namespace}/services/{target.service}")
            installed = not isinstance(there, NotSeen) or there.status != 404
            release = "" if isinstance(there, NotSeen) else release_of(there["metadata"].get("annotations") or {})
            yield registration.absent(
                name=target.configuration, service=service, others=others, installed=installed, release=release
            )
            return
        found = next((each for each in all_found if each.name == target.configuration), all_found[0])
        yield registration.present(found)
        if len(all_found) > 1:
            yield registration.twice(all_found, found)
        for each in drift.findings(found, own_namespace):
            yield each
        namespace = await get(self._kube, f"/api/v1/namespaces/{target.namespace}")
        labels = namespace["metadata"].get("labels") or {} if isinstance(namespace, dict) else {}
        self._policy = replace(self._policy, scope=found.scope)
        self._prober = replace(self._prober, namespace_labels=labels, found=found)
        if isinstance(namespace, NotSeen):
            if namespace.status != 404:  # a 404 is reported when a pod is created there
                yield api.not_seen("selection", f"namespace {target.namespace}", namespace)
            return  # its labels are not known, and a selector may be about them
        problem = registration.selection_problem(found, target.namespace, labels, own_namespace=own_namespace)
        if problem:
            yield problem

    async def _configurations(self) -> list[Any] | NotSeen:
        """All webhook configurations; or ours alone, which a user may be allowed to get and not to list."""
        documents = await list_all(self._kube, _CONFIGURATIONS)
        if isinstance(documents, NotSeen):
            one = await get(self._kube, f"{_CONFIGURATIONS}/{quote(self._target.configuration, safe='')}")
            if not isinstance(one, NotSeen):
                return [one]
            return [] if one.status == 404 else documents
        return documents

    async def _workload(self, kind: WorkloadKind, name: str) -> Workload | Finding:
        namespace = self._target.namespace
        document = await get(self._kube, kind.path(namespace, name))
        if not isinstance(document, NotSeen):
            workload = Workload(kind, namespace, name, document)
            problem = workload.problem()
            return Finding("workload", problem) if problem else workload
        if document.status == 404:
            return workloads.absent(kind, namespace, name)
        return api.not_seen("workload", kind.plural, document)

    async def _labelled_pod(self, account: str) -> AsyncIterator[Finding]:
        """Whether a labelled pod is injected."""
        found = self._prober.found
        outcome = await self._prober.call(account, labels=found.labels_with_use() if found else _LABELLED)
        self._new = read_new_pod(outcome.made) if outcome.injected and outcome.made else None
        for each in outcome.findings:
            yield each

    async def _along(self, name: str, workload: Workload | None) -> AsyncIterator[Finding]:
        """The walk along a ServiceAccount, its workload and their pods."""
        if workload and workload.account != name:
            place, of = Place(str(workload)), workload.account
            yield finding("workload", rows.WORKLOAD_OF_OTHER_ACCOUNT, place, account=of, expected=name)
            workload = None
        document = await get(self._kube, f"/api/v1/namespaces/{self._target.namespace}/serviceaccounts/{name}")
        async for each in self._of_account(name, document):
            yield each
        account = None if isinstance(document, NotSeen) else account_from(document)
        if workload:
            labels, found = self._prober.namespace_labels, self._prober.found
            of_workload = [*workloads.findings(workload, account, labels, self._policy, found)]
            for each in of_workload:
                yield each
            if broken(of_workload):
                return  # its pods have the same mistake
            of_new_pod = [each async for each in self._of_new_pod(workload, account)]
            for each in of_new_pod:
                yield each
            if any(each.message.kind is rows.NEW_TOKEN_FILE_ABSENT for each in of_new_pod):
                return  # its pods have the same mistake
        if account and not isinstance(document, NotSeen):
            async for each in self._of_pods(account, document, workload):
                yield each

    async def _of_account(self, name: str, document: Mapping[str, Any] | NotSeen) -> AsyncIterator[Finding]:
        """The ServiceAccount itself; and if the scope takes pods without the label, whether one is injected."""
        if isinstance(document, NotSeen):
            absent = document.status == 404
            namespace = self._target.namespace
            yield accounts.absent(namespace, name) if absent else api.not_seen("account", "serviceaccounts", document)
            return
        for each in accounts.findings(document, self._policy, tenant=self._new.tenant if self._new else None):
            yield each
        found, labels = self._prober.found, self._prober.namespace_labels
        unlabelled = found.labels_without_use(self._target.namespace, labels) if found and self._new else None
        if unlabelled is not None and accounts.has_client_id(account_from(document), self._policy):
            outcome = await self._prober.call(name, labels=unlabelled)
            if not outcome.injected:
                yield outcome.findings[0]

    async def _of_new_pod(self, workload: Workload, account: Account | None) -> AsyncIterator[Finding]:
        """The finding if the workload's own pod is not injected, although a labelled pod is."""
        if not self._new or not workload.kind.steps:
            return
        body = {"apiVersion": "v1", "kind": "Pod", **workload.pod}
        outcome = await self._prober.create(body, f"A pod of {workload}")
        decision = workloads.decision_for(workload.request, account, self._prober.namespace_labels, self._policy)
        expected = decision.reason in ("injected", "already-injected")
        if outcome.made is None or (expected and not outcome.injected):
            yield replace(outcome.findings[0], about="workload")
        elif expected and outcome.made:
            for each in pods.token_files(outcome.made, workload):
                yield each

    async def _of_pods(
        self, account: Account, document: Mapping[str, Any], workload: Workload | None
    ) -> AsyncIterator[Finding]:
        """The pods that are running already."""
        running = await self._pods(workload, account.name)
        if isinstance(running, NotSeen):
            yield api.not_seen("pods", "pods", running)
            return
        expected = Expectation(
            account=account,
            annotated=annotated_at(document),
            found=self._prober.found,
            namespace_labels=self._prober.namespace_labels,
            policy=self._policy,
            new=self._new,
            template=read_template(workload.pod) if workload and workload.kind.steps else None,
            now=self._prober.now,
        )
        whose = str(workload or account)
        for each in (*pods.findings(running, expected, whose, workload), *sign_ins.findings(running, Place(whose))):
            yield each

    async def _pods(self, workload: Workload | None, account: str) -> list[Any] | NotSeen:
        """The pods of a workload, or else of a ServiceAccount."""
        path = f"/api/v1/namespaces/{self._target.namespace}/pods"
        if workload is None:
            return await list_all(self._kube, path, {"fieldSelector": f"spec.serviceAccountName={account}"})
        if not workload.kind.steps:
            return [workload.document]
        if workload.kind.name == "CronJob":
            return await self._pods_of_jobs(path, workload)
        selector = (workload.document.get("spec") or {}).get("selector") or {}
        return await list_all(self._kube, path, {"labelSelector": selectors.query(selector)})

    async def _pods_of_jobs(self, path: str, workload: Workload) -> list[Any] | NotSeen:
        """The pods of the Jobs that a CronJob created."""
        jobs = await list_all(self._kube, f"/apis/batch/v1/namespaces/{workload.namespace}/jobs")
        if isinstance(jobs, NotSeen):
            return jobs
        cron_job = workload.document["metadata"].get("uid")
        of_cron_job = {job["metadata"]["uid"] for job in jobs if cron_job in api.owners(job)}
        found = await list_all(self._kube, path) if of_cron_job else []
        return found if isinstance(found, NotSeen) else [pod for pod in found if of_cron_job & api.owners(pod)]
