"""The test: a pod that is created by dry run, and what comes of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from webhook.checks import api, drift, installation, refusals
from webhook.checks.behind import read_installation
from webhook.checks.explanations import explain
from webhook.checks.installation import Installation
from webhook.checks.new_pod import has_token
from webhook.checks.refusals import Refusal, RefusalKind
from webhook.checks.registration import Entry, Registration, restore, trust_problem
from webhook.cluster.kube import Kube
from webhook.core import names
from webhook.core.messages import Kind, Place, calls, pod_refusals
from webhook.findings import Finding, Status, finding

_CREATE_SECONDS: Final = 60.0  # kube-apiserver gives a webhook up to 30 s, and there may be several
_CUT_OFF_CALLS: Final = 3  # of a TLS alert and the end of the connection after it, Go tells either


@dataclass(frozen=True)
class DryRun:
    """What kube-apiserver did with a pod. made: the pod as it would have been stored, None if it was refused."""

    findings: tuple[Finding, ...]
    made: Mapping[str, Any] | None = None

    @property
    def injected(self) -> bool:
        """Whether the pod got its identity."""
        return self.findings[0].status is Status.OK


@dataclass(frozen=True)
class Prober:
    """Creates pods in a namespace by dry run. found: the registration, None if the user may not see it.

    usual: the names of the webhook configuration and the Service, as for `explain`.
    """

    kube: Kube
    namespace: str
    namespace_labels: Mapping[str, str]
    found: Registration | None
    now: datetime
    usual: tuple[str, str]

    async def call(self, account: str, *, labels: Mapping[str, str]) -> DryRun:
        """The outcome for a pod of `account` with `labels`. Raises Unavailable."""
        what = "A labelled pod" if names.USE_LABEL in labels else "A pod without the label"
        return await self.create(pod(account, labels), what)

    async def create(self, body: Mapping[str, Any], what: str) -> DryRun:
        """The outcome for a pod. what: it is, as the beginning of a sentence. Raises Unavailable."""
        taking = self._taking((body.get("metadata") or {}).get("labels") or {})
        refusal = await self._made(body)
        if not isinstance(refusal, Refusal):
            return await self._of_admitted(refusal, what, taking)
        if refusal.kind is RefusalKind.CONDITIONS and taking and drift.own_conditions(taking):
            row, place = pod_refusals.CONDITIONS_FAIL, Place(str(self.found))
            restored = restore(self.found)
            return DryRun((finding("call", row, place, pod=what, reason=refusal.message, restore=restored),))
        if refusal.kind is not RefusalKind.NOT_INJECTED:
            entry = self.found.entry(refusal.webhook) if self.found else None
            dropped = refusal.kind in (RefusalKind.TIMEOUT, RefusalKind.UNREACHABLE)
            behind = await self._installation(entry, dropped=dropped)
            account = str(body["spec"].get("serviceAccountName") or "default")
            explained = explain(
                refusal,
                self.found,
                behind,
                namespace=self.namespace,
                account=account,
                now=self.now,
                usual=self.usual,
            )
            return DryRun((explained, *(installation.not_seen(behind) if behind else ())))
        if has_token(body):
            variable = names.TOKEN_FILE_VARIABLE
            return DryRun((finding("call", calls.TOKEN_FILE_WITHOUT_VOLUME, pod=what, variable=variable),))
        behind = await self._installation(taking)
        kinds = (calls.REFUSED_CALL_FAILED, calls.REFUSED_NOT_INJECTED)
        return DryRun((self._not_injected(what, kinds, taking, behind),))

    async def _made(self, body: Mapping[str, Any], calls: int = _CUT_OFF_CALLS) -> Mapping[str, Any] | Refusal:
        """The pod that kube-apiserver makes of `body`. A call that was cut off is made again: the next may say why."""
        path = f"/api/v1/namespaces/{self.namespace}/pods?dryRun=All"
        reply = await self.kube.request("POST", path, body=body, seconds=_CREATE_SECONDS)
        if reply.status == 201:
            return cast("Mapping[str, Any]", reply.json())
        refusal = refusals.classify(reply.status, api.error_message(reply))
        if refusal.kind is RefusalKind.CUT_OFF and calls > 1:
            return await self._made(body, calls - 1)
        return refusal

    async def _of_admitted(self, made: Mapping[str, Any], what: str, taking: Entry | None) -> DryRun:
        """The outcome for a pod that kube-apiserver would store as `made`."""
        behind = await self._installation(taking)
        if not has_token(made):
            kinds = (calls.ADMITTED_CALL_FAILED, calls.ADMITTED_NOT_INJECTED)
            return DryRun((self._not_injected(what, kinds, taking, behind),), made)
        injected = finding("call", calls.INJECTED, pod=what, namespace=self.namespace)
        if behind is None:
            return DryRun((injected,), made)
        more = installation.afterwards(behind, restore(self.found))
        return DryRun((injected, *more, *installation.not_seen(behind)), made)

    def _taking(self, labels: Mapping[str, str]) -> Entry | None:
        """The entry that takes a pod with `labels`."""
        return self.found.entry_taking(labels, self.namespace, self.namespace_labels) if self.found else None

    def _not_injected(
        self, what: str, kinds: tuple[Kind, Kind], entry: Entry | None, behind: Installation | None
    ) -> Finding:
        """The finding for a pod without an identity. kinds: the call failed; the webhook did not change the pod."""
        failed, unchanged = kinds
        conditions = drift.own_conditions(entry) if entry else ""
        if conditions:
            place, kind = Place(str(self.found)), pod_refusals.CONDITIONS_LEAVE_OUT
            return finding("call", kind, place, pod=what, conditions=conditions, restore=restore(self.found))
        if not entry or not entry.ignores_failure:
            return finding("call", unchanged, pod=what)
        behind = behind or Installation("")
        return finding(
            "call",
            failed,
            Place(entry.target),
            pod=what,
            entry=entry.name,
            reason=behind.failure() or trust_problem(entry, self.now) or "kube-apiserver does not report why",
            look=behind.remedy(restore(self.found)),
        )

    async def _installation(self, entry: Entry | None, *, dropped: bool = False) -> Installation | None:
        """What is behind an entry; None for one that calls no Service. dropped: as for `read_installation`."""
        return await read_installation(self.kube, entry, self.namespace, dropped=dropped) if entry else None


def pod(account: str, labels: Mapping[str, str]) -> dict[str, Any]:
    """A pod that every Pod Security level admits. It is never started."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "m365-check-", "labels": dict(labels)},
        "spec": {
            "serviceAccountName": account or "default",
            "automountServiceAccountToken": False,
            "restartPolicy": "Never",
            "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "check",
                    "image": "registry.invalid/never-started",
                    "resources": {
                        "requests": {"cpu": "1m", "memory": "1Mi"},
                        "limits": {"cpu": "100m", "memory": "16Mi"},
                    },
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
        },
    }
