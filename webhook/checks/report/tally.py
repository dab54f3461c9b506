"""Sorts the objects of a cluster into rows and problems, as they come. Of a pod, its name and owner are kept."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from webhook.accounts.source import BadAccount, account_from
from webhook.checks import accounts, pods, registration, workloads
from webhook.checks.differences import Difference, Expectation, Template, annotated_at, read_template
from webhook.checks.new_pod import NewPod, has_token
from webhook.checks.pods import Pod, State
from webhook.checks.registration import Registration
from webhook.checks.report.groups import Group, Key, Owner, SignIns, counted, identifying, speaks_of_us
from webhook.checks.report.rows import AccountRow, Problem, Report
from webhook.checks.timestamps import timestamp
from webhook.checks.workloads import Workload
from webhook.core import names
from webhook.core.identity import Account, read_account_alone, read_identity
from webhook.core.messages import Place, cluster_report
from webhook.core.messages import workloads as rows
from webhook.core.policy import Policy
from webhook.core.review import Request
from webhook.core.workload_kinds import WORKLOAD_KINDS, WorkloadKind
from webhook.findings import Finding, Status, finding

LISTED: Final = tuple(
    each for each in WORKLOAD_KINDS if each.name in ("Deployment", "StatefulSet", "DaemonSet", "CronJob")
)
"""The kinds of workloads whose templates are looked at. Those of other pods are not known."""
WITHOUT: Final = frozenset(
    {
        rows.OLDER_THAN_LABEL,
        rows.OLDER_THAN_INSTALLATION,
        rows.OLDER_THAN_ANNOTATIONS,
        rows.CREATED_UNNOTICED,
    }
)
"""The pods wanted an identity and did not get one."""
_BY_NAME: Final = {each.name: each for each in WORKLOAD_KINDS}
# Of the findings about a workload, these are said of its pods; or they may be on purpose.
_LEFT_TO_PODS: Final = frozenset({rows.USE_LABEL_MISSING, rows.OPTED_OUT, rows.WORKLOAD_TAKEN})
_SELECTION: Final = frozenset(
    {rows.USE_LABEL_INVALID, rows.USE_LABEL_MISPLACED, rows.POD_LABELS_MISSING, rows.POD_LABELS_EXCLUDED}
)


@dataclass(frozen=True)
class Installed:
    """The webhook as it is installed. found: None if the user may not see it. new: as for `Expectation`."""

    found: Registration | None
    policy: Policy
    new: NewPod | None
    now: datetime


@dataclass(frozen=True)
class _Account:
    account: Account
    annotated: datetime | None


@dataclass(frozen=True)
class _Template:
    """What is kept of a workload. explained: whether a finding says already why its pods are not taken."""

    template: Template
    taken: bool
    explained: bool


class Tally:
    """What was counted so far. Namespaces are added first, then ServiceAccounts, workloads and pods."""

    def __init__(self, installed: Installed) -> None:
        self._installed = installed
        self._namespaces: dict[str, Mapping[str, str]] | None = None
        self._accounts: dict[Key, _Account] = {}
        self._rows: dict[Key, AccountRow] = {}
        self._templates: dict[Owner, _Template] = {}
        self._groups: dict[tuple[Key, Owner, Difference | State], Group] = {}
        self._sign_ins = SignIns()
        self._problems: dict[tuple[object, ...], Problem] = {}
        self._asking: Counter[str] = Counter()
        self._newest: dict[Owner, datetime] = {}
        self._without_tenant = 0
        self._pods = 0

    def add_namespaces(self, documents: Iterable[Mapping[str, Any]]) -> None:
        """If none are added, they are not known, and only labelled pods are judged."""
        known = self._namespaces = self._namespaces or {}
        for each in documents:
            metadata = each["metadata"]
            known[str(metadata["name"])] = metadata.get("labels") or {}

    def add_accounts(self, documents: Iterable[Mapping[str, Any]]) -> None:
        """ServiceAccounts; those that have opted in become rows."""
        for document in documents:
            try:
                account = account_from(document)
            except BadAccount:  # kube-apiserver takes no such object
                continue
            key = (account.namespace, account.name)
            self._accounts[key] = _Account(account, annotated_at(document))
            labels = document["metadata"].get("labels") or {}
            if not account.annotations and not any(
                each.startswith((names.AZURE_PREFIX, names.M365_PREFIX)) for each in labels
            ):
                continue
            self._row(key)
            new = self._installed.new
            for each in accounts.findings(document, self._installed.policy, tenant=new.tenant if new else None):
                if each.message.kind is rows.TENANT_UNKNOWN:
                    self._without_tenant += 1
                elif each.status is not Status.OK:
                    self._say(each, key)

    def add_workloads(self, kind: WorkloadKind, documents: Iterable[Mapping[str, Any]]) -> None:
        """Objects with a pod template, of one kind of `LISTED`."""
        for document in documents:
            metadata = document["metadata"]
            workload = Workload(kind, str(metadata["namespace"]), str(metadata["name"]), document)
            if workload.problem():
                continue
            key = (workload.namespace, workload.account)
            if key not in self._rows and not speaks_of_us(document) and not speaks_of_us(workload.pod):
                continue
            self._add_workload(workload, key)

    def _add_workload(self, workload: Workload, key: Key) -> None:
        installed, known = self._installed, self._accounts.get(key)
        labels = self._labels(workload.namespace)
        account = known.account if known else None
        found = [*workloads.findings(workload, account, labels, installed.policy, installed.found)]
        kinds = {each.message.kind for each in found}
        use = workload.labels.get(names.USE_LABEL)
        self._templates[workload.kind.name, workload.namespace, workload.name] = _Template(
            read_template(workload.pod), rows.WORKLOAD_TAKEN in kinds, bool(kinds & _SELECTION)
        )
        owner = f"{workload.kind.name} {workload.name}"
        for each in found:
            about_us = each.message.kind is not rows.NAMESPACE_NEVER_TAKEN or use == "true"
            if each.message.kind not in _LEFT_TO_PODS and each.status is not Status.OK and about_us:
                self._say(each, key, owner=owner)

    def add_pods(self, documents: Iterable[Pod]) -> None:
        """Pods, of all namespaces."""
        for pod in documents:
            metadata, spec = pod["metadata"], pod.get("spec") or {}
            self._sign_ins.add(pod, (str(metadata["namespace"]), str(spec.get("serviceAccountName") or "default")))
            if pods.is_running(pod):
                self._pods += 1
                self._add_pod(pod)

    def _add_pod(self, pod: Pod) -> None:
        metadata = pod["metadata"]
        namespace = str(metadata["namespace"])
        request = Request(uid="", namespace=namespace, pod=pod)
        key = (namespace, request.account_name)
        owner = self._remember_owner(pod)
        use = (metadata.get("labels") or {}).get(names.USE_LABEL)
        asks = use == "true"
        if key not in self._rows and use is None and not speaks_of_us(pod):
            return
        known = self._accounts.get(key)
        account = known.account if known else Account(*key, {})
        row = self._row(key)
        row.running += 1
        if not asks and (self._namespaces is None or self._installed.found is None):
            return  # whether it is taken depends on what is not known
        if asks:
            self._of_asking(request, account, exists=known is not None)
        template = self._templates.get(owner)
        expected = replace(self._expected(key, account, known), template=template.template if template else None)
        if template is None:
            self._of_own_metadata(pod, key, owner)
        state = pods.state_of(pod, expected)
        if state is State.UNLABELLED and template and template.taken:
            state = Difference(rows.OLDER_THAN_LABEL)
        self._count(row, state, request, account)
        if state is State.LEFT_OUT and asks:
            self._asking[namespace] += 1
        explained = (template and template.explained) or use is not None
        if isinstance(state, Difference) or (state is State.UNLABELLED and not explained):
            group = self._groups.setdefault((key, owner, state), Group(expected))
            group.pods.append({"metadata": identifying(metadata)})

    def _count(self, row: AccountRow, state: State | Difference, request: Request, account: Account) -> None:
        if isinstance(state, Difference):
            if state.kind in WITHOUT:
                row.without += 1
            else:
                row.outdated += 1
        elif state is State.CURRENT:
            if has_token(request.pod):
                row.current += 1
            elif read_identity(request, account, self._installed.policy).identity is None:
                row.without += 1

    def _of_asking(self, request: Request, account: Account, *, exists: bool) -> None:
        """What is said about the ServiceAccount of a labelled pod."""
        key = (account.namespace, account.name)
        if not exists:
            self._say(accounts.absent(*key), key)
        elif not account.annotations and not read_identity(request, account, self._installed.policy).annotated:
            document = {"metadata": {"namespace": key[0], "name": key[1]}}
            for each in accounts.findings(document, self._installed.policy, tenant="not-judged"):
                self._say(each, key)

    def _of_own_metadata(self, pod: Pod, key: Key, owner: Owner) -> None:
        """Labels and annotations of a pod whose template is not known."""
        metadata = pod["metadata"]
        if not speaks_of_us(pod):
            return
        kind, namespace, name = owner
        workload = Workload(_BY_NAME.get(kind, _BY_NAME["Pod"]), namespace, name or str(metadata["name"]), pod)
        alone = replace(workload, kind=_BY_NAME["Pod"])
        use = (metadata.get("labels") or {}).get(names.USE_LABEL)
        shown = f"{kind} {name}" if kind else ""
        if use not in (None, "true", "false"):
            place = Place(f"{kind} {namespace}/{name}" if kind else str(alone), field="metadata.labels")
            labelling = workload.labelling({names.USE_LABEL: "true"}) if kind in _BY_NAME else ""
            found = finding(
                "pods", rows.USE_LABEL_INVALID, place, label=names.USE_LABEL, value=use, labelling=labelling
            )
            self._say(found, key, owner=shown)
        for each in workloads.without_effect(alone):
            self._say(each, key, owner=shown)

    def _expected(self, key: Key, account: Account, known: _Account | None) -> Expectation:
        installed = self._installed
        return Expectation(
            account=account,
            annotated=known.annotated if known else None,
            found=installed.found if self._namespaces is not None else None,
            namespace_labels=self._labels(key[0]),
            policy=installed.policy,
            new=installed.new,
            now=installed.now,
        )

    def _labels(self, namespace: str) -> Mapping[str, str]:
        return (self._namespaces or {}).get(namespace) or {}

    def _remember_owner(self, pod: Pod) -> Owner:
        metadata = pod["metadata"]
        namespace, created = str(metadata["namespace"]), timestamp(metadata.get("creationTimestamp"))
        for each in metadata.get("ownerReferences") or ():
            direct = (str(each.get("kind")), namespace, str(each.get("name")))
            if created and created > self._newest.get(direct, datetime.min.replace(tzinfo=created.tzinfo)):
                self._newest[direct] = created
        kind, name = pods.owner(pod)
        return kind, namespace, name

    def newest(self, owner: Owner) -> datetime | None:
        """When the newest running pod was created of which `owner` is the direct owner, such as a ReplicaSet."""
        return self._newest.get(owner)

    def _row(self, key: Key) -> AccountRow:
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = AccountRow(*key)
            known = self._accounts.get(key)
            identity = read_account_alone(known.account, self._installed.policy).identity if known else None
            if identity:
                new = self._installed.new
                row.client = identity.client_id
                row.azure_client = "" if identity.azure_client_id == row.client else identity.azure_client_id
                row.tenant = identity.tenant_id or (new.tenant if new else "")
        return row

    def _say(self, found: Finding, key: Key = ("", ""), *, owner: str = "", restart: str = "") -> None:
        """Adds a problem, once."""
        place = found.message.place
        same = (found.message.kind, owner or place.object, place.annotation, place.field, key)
        self._problems.setdefault((*same, *sorted(found.message.values.items())), Problem(found, *key, owner, restart))

    def say(self, found: Finding, key: Key = ("", ""), *, owner: str = "") -> None:
        """Adds a problem that somebody else has found."""
        self._say(found, key, owner=owner)

    def report(self, *, accounts: bool = True, pods: bool = True) -> Report:
        """The whole, without the installation. To be called once. accounts, pods: whether all of them were seen."""
        installed = self._installed
        for (key, owner, state), group in self._groups.items():
            problem = group.problem(key, owner, state)
            self._say(problem.finding, key, owner=problem.owner, restart=problem.restart)
        for problem in self._sign_ins.problems():
            self._say(problem.finding, (problem.namespace, problem.account), owner=problem.owner)
        for namespace in self._asking:
            if installed.found is None:
                break
            labels, own = self._labels(namespace), installed.policy.own_namespace
            found = registration.selection_problem(installed.found, namespace, labels, own_namespace=own)
            if found:
                self._say(found, (namespace, ""))
        report = Report(installed.now, pods=self._pods, accounts=len(self._accounts))
        report.namespaces = len(self._namespaces or {key[0] for key in self._accounts})
        report.problems, report.rows = [*self._problems.values()], [*self._rows.values()]
        report.sort()
        report.installation = [*self._summary(report, pods=pods)] if accounts else []
        return report

    def _summary(self, report: Report, *, pods: bool) -> Iterator[Finding]:
        running = f"{sum(row.running for row in report.rows)} of {counted(report.pods, 'pod')}"
        yield finding(
            "accounts",
            cluster_report.ACCOUNTS_COUNTED,
            accounts=counted(len(report.rows), "ServiceAccount"),
            all=report.accounts,
            namespaces=counted(report.namespaces, "namespace"),
            running=running if pods else "an unknown number of pods",
        )
        if self._without_tenant or (report.pods and self._installed.new is None):
            accounts_without = counted(self._without_tenant, "ServiceAccount")
            yield finding("accounts", cluster_report.SETTINGS_UNKNOWN, accounts=accounts_without)
