"""What must be so before the webhook is installed. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from webhook.checks import refusals, rights
from webhook.checks.registration import Entry, entry_of
from webhook.checks.rights import Right
from webhook.core import names
from webhook.core.messages import message as message_of
from webhook.core.messages import prerequisites as kinds
from webhook.findings import Finding, finding

LEAST: Final = (1, 30)
"""The first Kubernetes that has all that the chart relies on."""
PRIORITY_CLASS: Final = "system-cluster-critical"
LABELS: Final = {
    "app.kubernetes.io/name": "m365-workload-identity",
    "app.kubernetes.io/instance": "m365-workload-identity",
}
"""Of the webhook's own pods."""


def version(document: Mapping[str, Any]) -> Finding:
    """Whether the API server is new enough. document: of /version."""
    shown = str(document.get("gitVersion") or "")
    found = re.match(r"v?(\d+)\.(\d+)", shown)
    old = found is not None and (int(found[1]), int(found[2])) < LEAST
    least = ".".join(map(str, LEAST))
    return finding("version", kinds.VERSION_OLD if old else kinds.VERSION_ENOUGH, version=shown, least=least)


def missing_rights(missing: Sequence[Right], *, user: str, first: str, command: str) -> Finding:
    """The finding for missing rights. first: a command before all others. command: what prints the rights."""
    kind, lacking = kinds.RIGHTS_MISSING, rights.shown(missing)
    return finding("rights", kind, count=len(missing), rights=lacking, user=user, first=first, command=command)


def taking(documents: Iterable[Mapping[str, Any]], namespace: str, namespace_labels: Mapping[str, str]) -> list[Entry]:
    """The entries of other webhooks that take the webhook's own pods."""
    entries = [entry_of(each) for document in documents for each in document.get("webhooks") or ()]
    others = [each for each in entries if each.name not in names.WEBHOOKS]
    return [each for each in others if not each.leaves_out(LABELS, namespace, namespace_labels)]


def others(entries: Sequence[Entry], namespace: str) -> Iterator[Finding]:
    """The findings about webhooks that would be called for the webhook's own pods, and change them."""
    if entries:
        shown = ", ".join(
            f"{each.name} (failurePolicy {'Ignore' if each.ignores_failure else 'Fail'})" for each in entries
        )
        yield finding("webhooks", kinds.OTHER_WEBHOOKS, webhooks=shown, namespace=namespace)


def must_answer(entry: Entry) -> bool:
    """Whether a pod that an entry takes was admitted because a Service of the cluster answered."""
    return bool(entry.service) and not entry.ignores_failure and not entry.document.get("matchConditions")


def refused(status: int, words: str, namespace: str, owners: Mapping[str, tuple[str, str]]) -> Finding:
    """The finding for a pod that kube-apiserver refuses. owners: the plural and the configuration of each entry."""
    refusal = refusals.classify(status, words)
    plural, configuration = owners.get(refusal.webhook, ("mutatingwebhookconfiguration", "NAME"))
    values = {"namespace": namespace, "reason": refusal.message, "webhook": refusal.webhook}
    if refusal.webhook and refusal.kind is not refusals.RefusalKind.DENIED:
        kind = kinds.CALL_FAILS
    elif "exceeded quota" in words or "failed quota" in words or "insufficient quota" in words:
        kind = kinds.POD_OVER_QUOTA
    elif refusal.kind is refusals.RefusalKind.FORBIDDEN:
        return finding("pod", kinds.POD_NOT_TRIED, namespace=namespace, resource="pods by dry run")
    elif "PriorityClass" in words:
        return finding("priority", kinds.PRIORITY_CLASS_ABSENT, name=PRIORITY_CLASS)
    else:
        kind = kinds.POD_REFUSED
    about = "network" if kind is kinds.CALL_FAILS else "pod"
    return Finding(about, message_of(kind, plural=plural, configuration=configuration, **values))


def changes(sent: Mapping[str, Any], made: Mapping[str, Any]) -> str:
    """What a pod has that it was not sent with, as the end of a sentence; "" for what kube-apiserver adds itself."""
    found = []
    for key in ("containers", "initContainers"):
        known = {each["name"] for each in sent["spec"].get(key) or ()}
        found += [f"container {each['name']}" for each in made["spec"].get(key) or () if each["name"] not in known]
    known = {entry["name"] for each in sent["spec"]["containers"] for entry in each.get("env") or ()}
    for each in made["spec"]["containers"]:
        found += [f"variable {entry['name']}" for entry in each.get("env") or () if entry["name"] not in known]
    volumes = [str(each["name"]) for each in made["spec"].get("volumes") or ()]
    found += [f"volume {name}" for name in volumes if not name.startswith("kube-api-access-")]
    return ", ".join(found)


def a_pod(account: str) -> dict[str, Any]:
    """A pod as the webhook's own, but for its ServiceAccount, which does not exist yet."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "m365-workload-identity-", "labels": dict(LABELS)},
        "spec": {
            "serviceAccountName": account,
            "priorityClassName": PRIORITY_CLASS,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "runAsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "webhook",
                    "image": "registry.invalid/never-started",
                    "resources": {"limits": {"memory": "256Mi"}, "requests": {"cpu": "100m", "memory": "96Mi"}},
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
        },
    }
