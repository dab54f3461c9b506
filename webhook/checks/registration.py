"""The MutatingWebhookConfiguration: which entries are ours, whom they select, whom they trust."""

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from certs.pem import parse_bundle
from webhook import names
from webhook.checks.words import moment
from webhook.findings import Finding, fail, ok, warn
from webhook.policy import CLUSTER, NAMESPACE_LABEL, POD_LABEL

_NAME_LABEL: Final = "kubernetes.io/metadata.name"
_UPGRADE: Final = "helm upgrade, or kubectl apply -f manifests/install.yaml"


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
            return "its objectSelector leaves out the pod's labels"
        return ""


@dataclass(frozen=True)
class Registration:
    """A configuration with at least one entry of ours. scope: what its selectors amount to, one of policy.SCOPES."""

    name: str
    created: datetime | None
    entries: tuple[Entry, ...]
    scope: str

    def entry(self, name: str) -> Entry | None:
        """The entry of that name."""
        return next((entry for entry in self.entries if entry.name == name), None)


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
            found.append(Registration(name, moment(metadata.get("creationTimestamp")), entries, _scope(entries)))
    return found


def absent(*, name: str, service: str, others: Iterable[str]) -> Finding:
    """No configuration has an entry of ours."""
    names_there = ", ".join(sorted(others)[:5])
    there = f" (there are: {names_there})" if names_there else ""
    return fail(
        "configuration",
        f"No MutatingWebhookConfiguration has an entry of the webhook{there}, so kube-apiserver sends it no pod.",
        fix=f"{_UPGRADE} makes MutatingWebhookConfiguration {name}; with other names: --configuration and --service "
        f"(now {service})",
    )


def present(found: Registration) -> Finding:
    """There is one."""
    entries = ", ".join(entry.name for entry in found.entries)
    return ok("configuration", f"MutatingWebhookConfiguration {found.name} has {entries}: scope {found.scope}.")


def twice(found: Iterable[Registration]) -> Finding:
    """There are several, so that each pod is reviewed more than once."""
    listed = ", ".join(each.name for each in found)
    return warn(
        "configuration",
        f"There is more than one MutatingWebhookConfiguration of the webhook: {listed}.",
        fix="delete those that an older installation left: kubectl delete mutatingwebhookconfiguration NAME",
    )


def unselected(
    found: Registration,
    labels: Mapping[str, str],
    namespace: str,
    namespace_labels: Mapping[str, str],
    *,
    own_namespace: str,
) -> Finding | None:
    """The finding when no entry takes new pods with `labels` in `namespace`. own_namespace: the webhook's."""
    reasons = [(entry, entry.selects(labels, namespace, namespace_labels)) for entry in found.entries]
    if any(not reason for _, reason in reasons):
        return None
    entry, reason = next((each for each in reasons if each[0].name == names.WEBHOOKS[0]), reasons[0])
    if "namespaceSelector" in reason:
        fix = (
            "move the workload to another namespace: system namespaces and the webhook's own are left out on purpose"
            if namespace in (*names.SYSTEM_NAMESPACES, own_namespace)
            else f"kubectl get mutatingwebhookconfiguration {found.name} -o yaml, then mend the selector; {_UPGRADE} "
            "sets the one of the scope"
        )
    else:
        fix = f"{_UPGRADE} puts the rules and selectors of scope {found.scope} back"
    return fail("selection", f"No entry takes labelled pods of namespace {namespace}: {entry.name}: {reason}.", fix=fix)


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


def _scope(entries: Iterable[Entry]) -> str:
    """The widest of what the entries take of pods without our label."""
    unlabelled = [entry for entry in entries if selected(entry.document.get("objectSelector"), {})]
    if not unlabelled:
        return POD_LABEL
    anywhere = any(selected(entry.document.get("namespaceSelector"), {_NAME_LABEL: "any"}) for entry in unlabelled)
    return CLUSTER if anywhere else NAMESPACE_LABEL
