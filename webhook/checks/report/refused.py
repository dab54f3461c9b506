"""Pods that do not exist because kube-apiserver refused them for the webhook's sake, from events of their owners."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from webhook.checks.refusals import RefusalKind, classify
from webhook.checks.timestamps import timestamp
from webhook.core.messages import Place, cluster_report
from webhook.core.workload_kinds import WORKLOAD_KINDS
from webhook.findings import Finding, finding

REASON: Final = "FailedCreate"
"""Of the events that the controllers of Kubernetes write for a pod that they cannot create."""
_BY_NAME: Final = {each.name: each for each in WORKLOAD_KINDS}
_FORBIDDEN: Final = 403  # what kube-apiserver answers if a policy refuses a pod


@dataclass(frozen=True)
class Refused:
    """An object whose pods are refused. kind, namespace, name: of the object. last: when that happened last."""

    kind: str
    namespace: str
    name: str
    uid: str
    last: datetime
    reason: str

    @property
    def owner(self) -> tuple[str, str, str]:
        """The object."""
        return self.kind, self.namespace, self.name

    @property
    def path(self) -> str:
        """Where the API has it."""
        return _BY_NAME[self.kind].path(self.namespace, self.name)

    def finding(self, document: Mapping[str, Any]) -> Finding:
        """The finding. document: the object."""
        metadata = document.get("metadata") or {}
        owner: Mapping[str, Any] = next(
            (each for each in metadata.get("ownerReferences") or () if each.get("controller")), {}
        )
        kind, name = str(owner.get("kind") or self.kind), str(owner.get("name") or self.name)
        known = f" --workload {kind.lower()}/{name}" if kind in _BY_NAME else ""
        return finding(
            "pods",
            cluster_report.NEW_PODS_REFUSED,
            Place(f"{kind} {self.namespace}/{name}"),
            time=f"{self.last:%Y-%m-%d %H:%M:%S} UTC",
            reason=self.reason,
            namespace=self.namespace,
            workload=known,
        )


def refused(events: Iterable[Mapping[str, Any]], entries: Collection[str]) -> list[Refused]:
    """The objects whose last refusal came from an entry of the webhook, or from its ValidatingAdmissionPolicy."""
    latest: dict[tuple[str, str, str], Refused] = {}
    for event in events:
        about = event.get("involvedObject") or {}
        series = (event.get("series") or {}).get("lastObservedTime")
        last = timestamp(event.get("lastTimestamp") or series or event.get("eventTime") or event.get("firstTimestamp"))
        refusal = classify(_FORBIDDEN, str(event.get("message") or ""))
        ours = refusal.webhook in entries or refusal.kind is RefusalKind.NOT_INJECTED
        if not ours or last is None or about.get("kind") not in _BY_NAME:
            continue
        kind, namespace, name, uid = (str(about.get(key) or "") for key in ("kind", "namespace", "name", "uid"))
        found = Refused(kind, namespace, name, uid, last, refusal.message)
        before = latest.get(found.owner)
        if before is None or before.last < found.last:
            latest[found.owner] = found
    return [*latest.values()]
