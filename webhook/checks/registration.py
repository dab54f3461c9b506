"""The MutatingWebhookConfiguration: entries of the webhook, which pods they take, which authorities they trust."""

import base64
import binascii
import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from certs.pem import parse_bundle
from webhook.checks import selectors
from webhook.checks.selectors import selects
from webhook.checks.timestamps import timestamp
from webhook.core import names
from webhook.core.messages import Place, checks
from webhook.core.policy import CLUSTER, NAMESPACE_LABEL, POD_LABEL, SCOPES
from webhook.findings import Finding, finding

# The chart names the scope here: its values may narrow the selectors, and somebody may change them by hand.
SCOPE_ANNOTATION: Final = names.M365_PREFIX + "scope"
_NAME_LABEL: Final = "kubernetes.io/metadata.name"
_NAMES_SHOWN: Final = 5  # configurations of other webhooks; a cluster may have dozens


class LeftOut(enum.Enum):
    """The part of an entry that leaves a pod out."""

    RULES = enum.auto()
    NAMESPACE = enum.auto()
    LABELS = enum.auto()


@dataclass(frozen=True)
class Entry:
    """One entry of the webhook. service: (namespace, name, port) that it calls, None if it calls `url`. bundle: PEM."""

    name: str
    document: Mapping[str, Any]
    url: str
    service: tuple[str, str, int] | None
    bundle: bytes
    ignores_failure: bool
    seconds: int

    @property
    def target(self) -> str:
        """What it calls: Service NAMESPACE/NAME, or a URL."""
        return f"Service {self.service[0]}/{self.service[1]}" if self.service else self.url

    def leaves_out(
        self, labels: Mapping[str, str], namespace: str, namespace_labels: Mapping[str, str]
    ) -> LeftOut | None:
        """Why it does not take new pods with `labels` in `namespace`; None if it takes them."""
        if not any(_has_pods(rule) for rule in self.document.get("rules") or ()):
            return LeftOut.RULES
        if not selects(self.document.get("namespaceSelector"), {**namespace_labels, _NAME_LABEL: namespace}):
            return LeftOut.NAMESPACE
        if not selects(self.document.get("objectSelector"), labels):
            return LeftOut.LABELS
        return None

    def takes_use_label(self, labels: Mapping[str, str]) -> bool:
        """Whether its objectSelector takes `labels` as far as it is about the label azure.workload.identity/use."""
        return selects(selectors.about(self.document.get("objectSelector"), names.USE_LABEL), labels)


@dataclass(frozen=True)
class Registration:
    """A configuration with at least one entry of the webhook.

    scope: the one it was made for, one of policy.SCOPES. release: the arguments of Helm's commands, "" without one.
    """

    name: str
    created: datetime | None
    entries: tuple[Entry, ...]
    scope: str
    release: str = ""

    def __str__(self) -> str:
        return f"MutatingWebhookConfiguration {self.name}"

    def entry(self, name: str) -> Entry | None:
        """The entry of that name."""
        return next((entry for entry in self.entries if entry.name == name), None)

    def entry_taking(
        self, labels: Mapping[str, str], namespace: str, namespace_labels: Mapping[str, str]
    ) -> Entry | None:
        """The entry that takes new pods with `labels` in `namespace`."""
        taking = (entry for entry in self.entries if not entry.leaves_out(labels, namespace, namespace_labels))
        return next(taking, None)

    def narrower_entry(
        self, labels: Mapping[str, str], namespace: str, namespace_labels: Mapping[str, str]
    ) -> Entry | None:
        """The entry that leaves out new pods with `labels` only because its objectSelector wants labels of its own."""
        reasons = [(entry, entry.leaves_out(labels, namespace, namespace_labels)) for entry in self.entries]
        if not all(reason for _, reason in reasons):
            return None
        return next(
            (entry for entry, reason in reasons if reason is LeftOut.LABELS and entry.takes_use_label(labels)), None
        )

    def labels_with_use(self) -> dict[str, str]:
        """The labels of a pod that asks for an identity: the use label, and those that the objectSelector wants."""
        use = {names.USE_LABEL: "true"}
        for entry in self.entries:
            selector = entry.document.get("objectSelector")
            labels = {**selectors.wanted_labels(selector), **use}
            if names.USE_LABEL in selectors.keys(selector) and selects(selector, labels):
                return labels
        return use

    def labels_without_use(self, namespace: str, namespace_labels: Mapping[str, str]) -> dict[str, str] | None:
        """The labels of a pod that is taken in `namespace` without the use label; None if no entry takes such a pod."""
        for entry in self.entries:
            labels = selectors.wanted_labels(entry.document.get("objectSelector"))
            labels.pop(names.USE_LABEL, None)
            if not entry.leaves_out(labels, namespace, namespace_labels):
                return labels
        return None


def registrations(documents: Iterable[Mapping[str, Any]], *, service: str) -> list[Registration]:
    """The configurations with an entry of the webhook: it has its name, or calls `service` (namespace/name)."""
    found = []
    for document in documents:
        entries = tuple(
            entry
            for entry in map(entry_of, document.get("webhooks") or ())
            if entry.name in names.WEBHOOKS or (entry.service and "/".join(entry.service[:2]) == service)
        )
        if entries:
            metadata = document.get("metadata") or {}
            name = str(metadata.get("name"))
            scope = _scope(metadata.get("annotations") or {}, entries)
            created = timestamp(metadata.get("creationTimestamp"))
            found.append(Registration(name, created, entries, scope, release_of(metadata.get("annotations") or {})))
    return found


def absent(*, name: str, service: str, others: Iterable[str], installed: bool = True, release: str = "") -> Finding:
    """No configuration has an entry of the webhook. others: the names of the configurations that exist.

    installed: whether the Service exists, so that the configuration was there before. release: of the Service.
    """
    return finding(
        "configuration",
        checks.CONFIGURATION_ABSENT if installed else checks.NOT_INSTALLED,
        own_namespace=service.partition("/")[0],
        configuration=name,
        others=", ".join(sorted(others)[:_NAMES_SHOWN]) or "none",
        restore=restore(None, release),
        service=service,
    )


def restore(found: Registration | None, release: str = "") -> str:
    """The commands that restore the chart's objects. release: of an object, without a registration.

    The manifests have the defaults of the chart, so a user has to put in their own image. Helm 4 does not overwrite
    what somebody else has changed unless it is forced.
    """
    release = found.release if found else release
    if release:
        return (
            f"helm upgrade {release} manifests/chart --reset-then-reuse-values (with Helm 4 also "
            "--force-conflicts, if somebody changed an object by hand)"
        )
    manifests = manifest(found.scope) if found else f"{manifest(POD_LABEL)}, or that of your scope,"
    return (
        "helm upgrade with your values (and --force-conflicts, if somebody changed an object by hand), or kubectl "
        f"apply -f {manifests} with your image in it"
    )


def manifest(scope: str) -> str:
    """The file with the plain manifests of a scope."""
    return "manifests/install.yaml" if scope == POD_LABEL else f"manifests/install-{scope}.yaml"


def present(found: Registration) -> Finding:
    """A configuration has entries of the webhook."""
    more = {key: value for key, value in found.labels_with_use().items() if key != names.USE_LABEL}
    return finding(
        "configuration",
        checks.CONFIGURATION_NARROWED if more else checks.CONFIGURATION_PRESENT,
        Place(str(found)),
        entries=", ".join(entry.name for entry in found.entries),
        scope=found.scope,
        labels=selectors.join(more, " and "),
    )


def twice(found: Iterable[Registration], used: Registration) -> Finding:
    """Several configurations have entries of the webhook, so it reviews each pod more than once."""
    configurations = [each.name for each in found]
    other = next((name for name in configurations if name != used.name), "")
    return finding("configuration", checks.CONFIGURATION_TWICE, configurations=", ".join(configurations), other=other)


def selection_problem(
    found: Registration, namespace: str, namespace_labels: Mapping[str, str], *, own_namespace: str
) -> Finding | None:
    """The finding if no entry takes labelled pods in `namespace`. own_namespace: the webhook's."""
    labels = found.labels_with_use()
    reasons = [(entry, entry.leaves_out(labels, namespace, namespace_labels)) for entry in found.entries]
    if not all(reason for _, reason in reasons):
        return None
    entry, reason = next((each for each in reasons if each[0].name == names.WEBHOOKS[0]), reasons[0])
    wanted = selectors.wanted_labels(entry.document.get("namespaceSelector"))
    missing = {key: value for key, value in wanted.items() if namespace_labels.get(key) != value}
    if reason is LeftOut.RULES:
        kind = checks.RULES_WITHOUT_PODS
    elif reason is LeftOut.LABELS:
        kind = checks.LABELS_LEFT_OUT
    elif namespace in (*names.SYSTEM_NAMESPACES, own_namespace):
        kind = checks.SYSTEM_NAMESPACE
    else:
        kind = checks.NAMESPACE_UNLABELLED if missing else checks.NAMESPACE_EXCLUDED
    return finding(
        "selection",
        kind,
        Place(str(found)),
        namespace=namespace,
        entry=entry.name,
        scope=found.scope,
        labels=selectors.join(missing, " "),
        restore=restore(found),
    )


def trust_problem(entry: Entry, now: datetime) -> str:
    """Why kube-apiserver can trust no certificate of the entry's server, as the end of a sentence; "" if it can."""
    if not entry.bundle.strip():
        return "its caBundle is empty: no replica has filled it in"
    bundle = parse_bundle(entry.bundle)
    if not bundle.certificates:
        return "its caBundle holds no certificate"
    ends = [certificate.not_valid_after_utc for certificate in bundle.certificates]
    if max(ends) < now:
        return f"the last authority in its caBundle expired on {max(ends):%Y-%m-%d %H:%M} UTC"
    return ""


def entry_of(document: Mapping[str, Any]) -> Entry:
    """An entry of a configuration, of any webhook."""
    client = document.get("clientConfig") or {}
    service = client.get("service")
    try:
        bundle = base64.b64decode(client.get("caBundle") or "")
    except binascii.Error:
        bundle = b""
    return Entry(
        name=str(document.get("name")),
        document=document,
        url=str(client.get("url") or ""),
        service=(str(service.get("namespace")), str(service.get("name")), int(service.get("port") or 443))
        if service
        else None,
        bundle=bundle,
        ignores_failure=document.get("failurePolicy") == "Ignore",
        seconds=int(document.get("timeoutSeconds") or 10),
    )


def release_of(annotations: Mapping[str, str]) -> str:
    """The release that Helm has written on an object, as arguments of its commands; "" without one."""
    name, namespace = (annotations.get(f"meta.helm.sh/release-{part}") for part in ("name", "namespace"))
    return f"{name} -n {namespace}" if name and namespace else ""


def _has_pods(rule: Mapping[str, Any]) -> bool:
    return rule.get("scope") in (None, "*", "Namespaced") and all(
        not {*wanted}.isdisjoint(rule.get(key) or ())
        for key, wanted in (
            ("operations", ("CREATE", "*")),
            ("apiGroups", ("", "*")),
            ("apiVersions", ("v1", "*")),
            ("resources", ("pods", "*", "*/*")),
        )
    )


def _scope(annotations: Mapping[str, str], entries: Iterable[Entry]) -> str:
    """The scope in the chart's annotation; without one, the widest that the entries take by our own labels."""
    annotated = annotations.get(SCOPE_ANNOTATION)
    if annotated in SCOPES:
        return annotated
    unlabelled = [entry for entry in entries if _takes_unlabelled(entry.document.get("objectSelector"))]
    if not unlabelled:
        return POD_LABEL
    namespace_selectors = (entry.document.get("namespaceSelector") for entry in unlabelled)
    anywhere = any(selects(selectors.about(each, names.INJECT_LABEL), {}) for each in namespace_selectors)
    return CLUSTER if anywhere else NAMESPACE_LABEL


def _takes_unlabelled(selector: Any) -> bool:
    """Whether pods without the use label are taken; a selector that is not about it is judged as a whole."""
    use = names.USE_LABEL
    return selects(selectors.about(selector, use) if use in selectors.keys(selector) else selector, {})
