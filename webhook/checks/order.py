"""The questions to the API server, in the order in which the answers matter."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from webhook.accounts.source import account_from
from webhook.checks import accounts, api, pods, registration, workloads
from webhook.checks.api import NotSeen, get, listed
from webhook.checks.new_pod import Given, given
from webhook.checks.probe import Prober
from webhook.checks.text import line
from webhook.checks.workloads import Kind, Workload
from webhook.cluster.kube import Kube, Unavailable
from webhook.core import names
from webhook.core.policy import Policy
from webhook.findings import Finding, Status, fail, skip

_CONFIGURATIONS: Final = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
_LABELLED: Final = {names.USE_LABEL: "true"}


@dataclass(frozen=True)
class Subject:
    """What to look at. account, workload: "" and None for the cluster alone. configuration, service: names of ours."""

    namespace: str
    account: str
    workload: tuple[Kind, str] | None
    configuration: str
    service: str
    policy: Policy


class Walk:
    """One look at a cluster. now: the time that certificates are compared with."""

    def __init__(self, kube: Kube, subject: Subject, *, now: datetime) -> None:
        self._kube = kube
        self._subject = subject
        self._policy = subject.policy
        self._prober = Prober(kube, subject.namespace, {}, None, now)
        self._new: Given | None = None  # what the labelled pod was given, once it was injected

    async def findings(self) -> AsyncIterator[Finding]:
        """Everything that there is to say. Raises nothing of the API server's: that it is away is a finding, too."""
        try:
            async for finding in self._findings():
                yield finding
        except Unavailable as error:
            yield fail(
                "cluster",
                f"The API server cannot be reached: {line(error)}.",
                fix="see whether the kubeconfig is the cluster's, and whether it is up: kubectl get --raw /readyz",
            )

    async def _findings(self) -> AsyncIterator[Finding]:
        subject = self._subject
        called = True
        async for finding in self._configuration():
            called = called and finding.status is not Status.FAIL
            yield finding
        account = subject.account
        workload: Workload | None = None
        if subject.workload:
            looked = await self._workload(*subject.workload)
            if isinstance(looked, Finding):
                yield looked
            else:
                workload = looked
                account = account or workload.account
        if called:
            found = self._prober.found
            outcome = await self._prober.call(account, labels=found.labelled() if found else _LABELLED)
            called = outcome.injected
            self._new = given(outcome.made) if called and outcome.made else None
            for finding in outcome.findings:
                yield finding
        else:
            yield skip("call", "No pod was created by dry run: kube-apiserver would not call the webhook.")
        if account:
            async for finding in self._account(account, workload, called=called):
                yield finding

    async def _configuration(self) -> AsyncIterator[Finding]:
        """Whether kube-apiserver is told to call the webhook for labelled pods of the namespace."""
        subject = self._subject
        documents = await listed(self._kube, _CONFIGURATIONS)
        if isinstance(documents, NotSeen):
            # Whoever may not list may still be allowed to read the one.
            one = await get(self._kube, f"{_CONFIGURATIONS}/{quote(subject.configuration, safe='')}")
            if isinstance(one, NotSeen) and one.status != 404:
                yield api.not_seen("configuration", "mutatingwebhookconfigurations", documents)
                return
            documents = [] if isinstance(one, NotSeen) else [one]
        service = f"{self._policy.own_namespace}/{subject.service}"
        all_found = registration.registrations(documents, service=service)
        if not all_found:
            others = [str(each["metadata"]["name"]) for each in documents]
            yield registration.absent(name=subject.configuration, service=service, others=others)
            return
        found = next((each for each in all_found if each.name == subject.configuration), all_found[0])
        self._policy = replace(self._policy, scope=found.scope)
        yield registration.present(found)
        if len(all_found) > 1:
            yield registration.twice(all_found)
        namespace = await get(self._kube, f"/api/v1/namespaces/{subject.namespace}")
        labels = namespace["metadata"].get("labels") or {} if isinstance(namespace, dict) else {}
        self._prober = replace(self._prober, namespace_labels=labels, found=found)
        if isinstance(namespace, NotSeen) and namespace.status == 404:
            return  # told when a pod is created there
        own = self._policy.own_namespace
        unselected = registration.unselected(found, subject.namespace, labels, own_namespace=own)
        if unselected:
            yield unselected

    async def _workload(self, kind: Kind, name: str) -> Workload | Finding:
        namespace = self._subject.namespace
        document = await get(self._kube, kind.path(namespace, name))
        if not isinstance(document, NotSeen):
            return Workload(kind, namespace, name, document)
        if document.status == 404:
            return workloads.absent(kind, namespace, name)
        return api.not_seen("workload", kind.plural, document)

    async def _account(self, name: str, workload: Workload | None, *, called: bool) -> AsyncIterator[Finding]:
        """The walk along a ServiceAccount, its workload and their pods. called: whether a labelled pod is injected."""
        namespace = self._subject.namespace
        if workload and workload.account != name:
            yield fail(
                "workload",
                f"{workload} runs as ServiceAccount {workload.account}, not as {name}.",
                fix=f"set serviceAccountName: {name} in its template, or check --service-account {workload.account}",
            )
            workload = None
        document = await get(self._kube, f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}")
        account = None if isinstance(document, NotSeen) else account_from(document)
        if not isinstance(document, NotSeen):
            for finding in accounts.findings(document, self._policy, tenant=self._new.tenant if self._new else ""):
                yield finding
        elif document.status == 404:
            yield accounts.absent(namespace, name)
        else:
            yield api.not_seen("account", "serviceaccounts", document)
        labels, found, taken = self._prober.namespace_labels, self._prober.found, True
        unlabelled = found.unlabelled(namespace, labels) if found and account and called else None
        if account and unlabelled is not None and accounts.has_client_id(account, self._policy):
            outcome = await self._prober.call(name, labels=unlabelled)
            if not outcome.injected:
                yield outcome.findings[0]
        if workload:
            for finding in workloads.findings(workload, account, labels, self._policy, found):
                taken = taken and finding.status is not Status.FAIL
                yield finding
            if called and taken and workload.kind.steps:
                body = {"apiVersion": "v1", "kind": "Pod", **workload.pod}
                outcome = await self._prober.create(body, f"A pod of {workload}")
                decision = workloads.decided(workload.request, account, labels, self._policy)
                expected_to_be = decision.reason in ("injected", "already-injected")
                if outcome.made is None or (expected_to_be and not outcome.injected):
                    yield replace(outcome.findings[0], about="workload")
        if account is None or isinstance(document, NotSeen) or not taken:
            return
        expected = pods.Expectation(
            account=account,
            annotated=pods.annotated_at(document),
            found=found,
            namespace_labels=labels,
            policy=self._policy,
            new=self._new,
            own=pods.own(workload.pod) if workload and workload.kind.steps else None,
        )
        running = await self._pods(workload, name)
        if isinstance(running, NotSeen):
            yield api.not_seen("pods", "pods", running)
            return
        for finding in pods.findings(running, expected, str(workload or account), workload):
            yield finding

    async def _pods(self, workload: Workload | None, account: str) -> list[Any] | NotSeen:
        """The pods of a workload, or else of a ServiceAccount."""
        path = f"/api/v1/namespaces/{self._subject.namespace}/pods"
        if workload is None:
            return await listed(self._kube, path, {"fieldSelector": f"spec.serviceAccountName={account}"})
        if not workload.kind.steps:
            return [workload.document]
        if workload.kind.name == "CronJob":
            return await self._pods_of_jobs(path, workload)
        selector = (workload.document.get("spec") or {}).get("selector") or {}
        return await listed(self._kube, path, {"labelSelector": api.selector(selector)})

    async def _pods_of_jobs(self, path: str, workload: Workload) -> list[Any] | NotSeen:
        """The pods of the Jobs that a CronJob made."""
        jobs = await listed(self._kube, f"/apis/batch/v1/namespaces/{workload.namespace}/jobs")
        if isinstance(jobs, NotSeen):
            return jobs
        wanted = workload.document["metadata"].get("uid")
        made = {job["metadata"]["uid"] for job in jobs if wanted in api.owners(job)}
        found = await listed(self._kube, path) if made else []
        return found if isinstance(found, NotSeen) else [pod for pod in found if made & api.owners(pod)]
