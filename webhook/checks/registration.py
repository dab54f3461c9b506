"""The MutatingWebhookConfiguration: which entries are ours, whom they select, whom they trust."""

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from certs.pem import parse_bundle
from webhook.checks.text import line, moment
from webhook.core import names
from webhook.core.policy import CLUSTER, NAMESPACE_LABEL, POD_LABEL, SCOPES
from webhook.findings import Finding, fail, ok, warn

# By which the chart says the scope: selectors may be narrowed by its values, or changed by hand.
SCOPE_ANNOTATION: Final = names.M365_PREFIX + "scope"
_LABELS: Final = "its objectSelector leaves out the pod's labels"
_NAME_LABEL: Final = "kubernetes.io/metadata.name"


@dataclass(frozen=True)
class Entry:
    """One webhook of ours. service: (namespace, name, port) that it calls, None when it calls `url`. bundle: PEM."""

    name: str
    document: Mapping[str, Any]
    url: str
    service: tuple[str, str, int] | None
    bundle: bytes
    ignores_failure: bool
    seconds: int

    @property
    def target(self) -> str:
        """What it calls, for a sentence."""
        return f"Service {self.service[0]}/{self.service[1]}" if self.service else self.url

    def selects(self, labels: Mapping[str, str], namespace: str, namespace_labels: Mapping[str, str]) -> str:
        """Why it leaves out new pods with `labels` in `namespace`, or "" when it takes them."""
        if not any(_has_pods(rule) for rule in self.document.get("rules") or ()):
            return "its rules do not have CREATE of pods"
        if not selected(self.document.get("namespaceSelector"), {**namespace_labels, _NAME_LABEL: namespace}):
            return f"its namespaceSelector leaves out namespace {namespace}"
        if not selected(self.document.get("objectSelector"), labels):
            return _LABELS
        return ""

    def means(self, labels: Mapping[str, str]) -> bool:
        """Whether it takes pods that have our label as `labels` have it, or have not."""
        return selected(_about(self.document.get("objectSelector"), names.USE_LABEL), labels)


@dataclass(frozen=True)
class Registration:
    """A configuration with at least one entry of ours. scope: the one that it was made for, one of policy.SCOPES."""

    name: str
    created: datetime | None
    entries: tuple[Entry, ...]
    scope: str

    def entry(self, name: str) -> Entry | None:
        """The entry of that name."""
        return next((entry for entry in self.entries if entry.name == name), None)

    def taking(self, labels: Mapping[str, str], namespace: str, namespace_labels: Mapping[str, str]) -> Entry | None:
        """The entry that takes new pods with `labels` in `namespace`."""
        taking = (entry for entry in self.entries if not entry.selects(labels, namespace, namespace_labels))
        return next(taking, None)

    def narrowed(self, labels: Mapping[str, str], namespace: str, namespace_labels: Mapping[str, str]) -> Entry | None:
        """The entry that would take new pods with `labels`, did its objectSelector not ask for more than our label."""
        reasons = [(entry, entry.selects(labels, namespace, namespace_labels)) for entry in self.entries]
        if not all(reason for _, reason in reasons):
            return None
        return next((entry for entry, reason in reasons if reason == _LABELS and entry.means(labels)), None)

    def labelled(self) -> dict[str, str]:
        """The labels of a pod that asks for an identity: ours, and what the platform engineer's own selector wants."""
        ours = {names.USE_LABEL: "true"}
        for entry in self.entries:
            selector = entry.document.get("objectSelector")
            labels = {**asked_for(selector), **ours}
            if names.USE_LABEL in _keys(selector) and selected(selector, labels):
                return labels
        return ours

    def unlabelled(self, namespace: str, namespace_labels: Mapping[str, str]) -> dict[str, str] | None:
        """The labels, without ours, of a pod that is taken in `namespace` nevertheless; None where there is none."""
        for entry in self.entries:
            labels = asked_for(entry.document.get("objectSelector"))
            labels.pop(names.USE_LABEL, None)
            if not entry.selects(labels, namespace, namespace_labels):
                return labels
        return None


def registrations(documents: Iterable[Mapping[str, Any]], *, service: str) -> list[Registration]:
    """The configurations that have an entry of ours: by its name, or because it calls `service` (namespace/name)."""
    found = []
    for document in documents:
        entries = tuple(
            entry
            for entry in map(_entry, document.get("webhooks") or ())
            if entry.name in names.WEBHOOKS or (entry.service and "/".join(entry.service[:2]) == service)
        )
        if entries:
            metadata = document.get("metadata") or {}
            name = str(metadata.get("name"))
            scope = _scope(metadata.get("annotations") or {}, entries)
            found.append(Registration(name, moment(metadata.get("creationTimestamp")), entries, scope))
    return found


def absent(*, name: str, service: str, others: Iterable[str]) -> Finding:
    """No configuration has an entry of ours."""
    names_there = ", ".join(sorted(others)[:5])
    there = f" (there are: {names_there})" if names_there else ""
    return fail(
        "configuration",
        f"No MutatingWebhookConfiguration has an entry of the webhook{there}, so kube-apiserver sends it no pod.",
        fix=f"{restore(None)}, makes MutatingWebhookConfiguration {name}; with other names: --configuration and "
        f"--service (now {service})",
    )


def restore(found: Registration | None) -> str:
    """What puts the chart's objects back as they were, as the beginning of a sentence that goes on behind a comma.

    The manifests have the chart's defaults, so whoever applies them puts in what is their own; Helm 4 refuses to
    overwrite what somebody else has changed unless it is told to.
    """
    manifests = manifest(found.scope) if found else f"{manifest(POD_LABEL)}, or that of your scope,"
    return (
        "helm upgrade with your values (and --force-conflicts, if somebody changed an object by hand), or kubectl "
        f"apply -f {manifests} with your image in it"
    )


def manifest(scope: str) -> str:
    """The file with the plain manifests of a scope."""
    return "manifests/install.yaml" if scope == POD_LABEL else f"manifests/install-{scope}.yaml"


def present(found: Registration) -> Finding:
    """There is one."""
    entries = ", ".join(entry.name for entry in found.entries)
    more = shown({key: value for key, value in found.labelled().items() if key != names.USE_LABEL})
    narrowed = f", only pods that have {more}, too" if more else ""
    return ok(
        "configuration", f"MutatingWebhookConfiguration {found.name} has {entries}: scope {found.scope}{narrowed}."
    )


def twice(found: Iterable[Registration]) -> Finding:
    """There are several, so that each pod is reviewed more than once."""
    listed = ", ".join(each.name for each in found)
    return warn(
        "configuration",
        f"There is more than one MutatingWebhookConfiguration of the webhook: {listed}.",
        fix="delete those that an older installation left: kubectl delete mutatingwebhookconfiguration NAME",
    )


def unselected(
    found: Registration, namespace: str, namespace_labels: Mapping[str, str], *, own_namespace: str
) -> Finding | None:
    """The finding when no entry takes labelled pods in `namespace`. own_namespace: the webhook's."""
    labels = found.labelled()
    reasons = [(entry, entry.selects(labels, namespace, namespace_labels)) for entry in found.entries]
    if any(not reason for _, reason in reasons):
        return None
    entry, reason = next((each for each in reasons if each[0].name == names.WEBHOOKS[0]), reasons[0])
    if "namespaceSelector" not in reason:
        fix = f"{restore(found)}, puts the rules and selectors of scope {found.scope} back"
    elif namespace in (*names.SYSTEM_NAMESPACES, own_namespace):
        fix = "move the workload to another namespace: system namespaces and the webhook's own are left out on purpose"
    else:
        fix = _let_in(entry, namespace, namespace_labels, found)
    return fail("selection", f"No entry takes labelled pods of namespace {namespace}: {entry.name}: {reason}.", fix=fix)


def _let_in(entry: Entry, namespace: str, namespace_labels: Mapping[str, str], found: Registration) -> str:
    """What has the namespaceSelector take a namespace that the platform engineer may have left out on purpose."""
    asked = asked_for(entry.document.get("namespaceSelector"))
    lacking = shown({key: value for key, value in asked.items() if namespace_labels.get(key) != value}, " ")
    label = f"kubectl label --overwrite namespace {namespace} {lacking}; or " if lacking else ""
    return (
        f"if it is to be taken: {label}change webhook.namespaceSelector or webhook.excludedNamespaces of the chart's "
        f"values; if somebody changed the selector by hand: {restore(found)}, sets the one of scope {found.scope}"
    )


def asked_for(selector: Any) -> dict[str, str]:
    """Labels that a selector takes, as far as it asks for any."""
    if not isinstance(selector, Mapping):
        return {}
    labels = {}
    for each in selector.get("matchExpressions") or ():
        if each.get("operator") == "In":
            labels[str(each.get("key"))] = str(next(iter(each.get("values") or ()), ""))
        elif each.get("operator") == "Exists":
            labels[str(each.get("key"))] = "true"
    return {**labels, **(selector.get("matchLabels") or {})}


def shown(labels: Mapping[str, str], between: str = " and ") -> str:
    """Labels in a sentence or a command."""
    return between.join(f"{line(key)}={line(value)}" for key, value in labels.items())


def trust_problem(entry: Entry, now: datetime) -> str:
    """What is wrong with whom the entry trusts, as the end of a sentence, or ""."""
    if not entry.bundle.strip():
        return "its caBundle is empty: no replica has filled it in"
    bundle = parse_bundle(entry.bundle)
    if not bundle.certificates:
        return "its caBundle holds no certificate"
    ends = [certificate.not_valid_after_utc for certificate in bundle.certificates]
    if max(ends) < now:
        return f"the last authority in its caBundle expired on {max(ends):%Y-%m-%d %H:%M} UTC"
    return ""


def selected(selector: Any, labels: Mapping[str, str]) -> bool:
    """Whether a label selector of Kubernetes takes `labels`; an empty one takes everything."""
    if not isinstance(selector, Mapping):
        return True
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    for expression in selector.get("matchExpressions") or ():
        key, operator, values = expression.get("key"), expression.get("operator"), expression.get("values") or ()
        there = key in labels
        if not {
            "In": there and labels.get(key) in values,
            "NotIn": not there or labels.get(key) not in values,
            "Exists": there,
            "DoesNotExist": not there,
        }.get(str(operator), True):
            return False
    return True


def _entry(document: Mapping[str, Any]) -> Entry:
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


def _has_pods(rule: Mapping[str, Any]) -> bool:
    return all(
        not {*wanted}.isdisjoint(rule.get(key) or ())
        for key, wanted in (
            ("operations", ("CREATE", "*")),
            ("apiGroups", ("", "*")),
            ("apiVersions", ("v1", "*")),
            ("resources", ("pods", "*", "*/*")),
        )
    )


def _scope(annotations: Mapping[str, str], entries: Iterable[Entry]) -> str:
    """What the chart says; else the widest of what the entries take, by our own labels and no others."""
    said = annotations.get(SCOPE_ANNOTATION)
    if said in SCOPES:
        return said
    unlabelled = [entry for entry in entries if _without_label(entry.document.get("objectSelector"))]
    if not unlabelled:
        return POD_LABEL
    selectors = (entry.document.get("namespaceSelector") for entry in unlabelled)
    anywhere = any(selected(_about(selector, names.INJECT_LABEL), {}) for selector in selectors)
    return CLUSTER if anywhere else NAMESPACE_LABEL


def _without_label(selector: Any) -> bool:
    """Whether pods without our label are taken; one that does not speak of it tells so by what it takes."""
    use = names.USE_LABEL
    return selected(_about(selector, use), {}) if use in _keys(selector) else selected(selector, {})


def _keys(selector: Any) -> set[str]:
    """The labels that a selector speaks of."""
    parts = selector if isinstance(selector, Mapping) else {}
    return {*(parts.get("matchLabels") or {}), *(str(each.get("key")) for each in parts.get("matchExpressions") or ())}


def _about(selector: Any, key: str) -> dict[str, Any]:
    """What a selector asks of one label."""
    parts = selector if isinstance(selector, Mapping) else {}
    return {
        "matchLabels": {name: value for name, value in (parts.get("matchLabels") or {}).items() if name == key},
        "matchExpressions": [each for each in parts.get("matchExpressions") or () if each.get("key") == key],
    }
