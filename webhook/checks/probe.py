"""The judge: a pod that is created by dry run, and what stands behind the webhook when it is not injected."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from webhook.checks import api, installation, refusals
from webhook.checks.api import NotSeen, get, listed
from webhook.checks.installation import Installation
from webhook.checks.registration import Entry, Registration, trust_problem
from webhook.cluster.kube import Kube
from webhook.core import names
from webhook.core.mutation import CONTAINER_LISTS
from webhook.findings import Finding, Status, fail, ok

_SECONDS: Final = 10.0
_CREATE_SECONDS: Final = 60.0  # kube-apiserver gives a webhook up to 30 s, and there may be several
_REVIEWS: Final = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


@dataclass(frozen=True)
class Outcome:
    """What came of a pod. made: as kube-apiserver would have stored it, None when it was refused."""

    findings: tuple[Finding, ...]
    made: Mapping[str, Any] | None = None

    @property
    def injected(self) -> bool:
        """Whether it got its identity."""
        return self.findings[0].status is Status.OK


@dataclass(frozen=True)
class Prober:
    """Creates pods in a namespace by dry run. found: the registration, None where the caller may not see it."""

    kube: Kube
    namespace: str
    namespace_labels: Mapping[str, str]
    found: Registration | None
    now: datetime

    async def call(self, account: str, *, labels: Mapping[str, str]) -> Outcome:
        """What comes of a pod of `account` with `labels`. Raises Unavailable."""
        what = "A labelled pod" if names.USE_LABEL in labels else "A pod without the label"
        return await self.create(pod(account, labels), what)

    async def create(self, body: Mapping[str, Any], what: str) -> Outcome:
        """What comes of a pod. what: it is, as the beginning of a sentence. Raises Unavailable."""
        path = f"/api/v1/namespaces/{self.namespace}/pods?dryRun=All"
        reply = await self.kube.request("POST", path, body=body, seconds=_CREATE_SECONDS)
        taking = self._taking((body.get("metadata") or {}).get("labels") or {})
        if reply.status == 201:
            made: dict[str, Any] = reply.json()
            stands = await self._installation(taking)
            if not has_token(made):
                return Outcome((self._not_injected(f"{what} is admitted without an identity", taking, stands),), made)
            said = ok("call", f"{what} that is created in namespace {self.namespace} by dry run is injected.")
            ill = installation.some_ill(stands) if stands else None
            return Outcome((said, ill) if ill else (said,), made)
        refusal = refusals.classify(reply.status, api.message(reply))
        if refusal.kind is refusals.Kind.NOT_INJECTED:
            if has_token(body):
                return Outcome((_token_by_hand(what),))
            refused = f"{what} is refused by the webhook's ValidatingAdmissionPolicy, since it was given no identity"
            return Outcome((self._not_injected(refused, taking, await self._installation(taking)),))
        stands = await self._installation(self.found.entry(refusal.webhook) if self.found else None)
        return Outcome((refusals.explain(refusal, self.found, stands, namespace=self.namespace, now=self.now),))

    def _taking(self, labels: Mapping[str, str]) -> Entry | None:
        """The entry that takes a pod with `labels`."""
        return self.found.taking(labels, self.namespace, self.namespace_labels) if self.found else None

    def _not_injected(self, said: str, entry: Entry | None, stands: Installation | None) -> Finding:
        """The pod came as it went. said: what became of it, as the beginning of a sentence."""
        if entry and entry.ignores_failure:
            trust = trust_problem(entry, self.now)
            why = (stands.shortcomings() if stands else "") or (f"; {trust}" if trust else "")
            look = stands.look() if stands else "see whether the webhook runs"
            return fail(
                "call",
                f"{said}: failurePolicy of {entry.name} is Ignore, and the call to {entry.target} fails{why}.",
                fix=f"{look}; `webhook certs` shows whether it is trusted; with failurePolicy Fail, the chart's for "
                "labelled pods, the reason is told",
            )
        return fail(
            "call",
            f"{said}: the webhook was called and left it alone, or kube-apiserver has not yet taken up the "
            "configuration.",
            fix="try again; then compare --scope and --own-namespace of the webhook with the selectors of the "
            "configuration",
        )

    async def _installation(self, entry: Entry | None) -> Installation | None:
        """What stands behind an entry, where it calls a Service; only what the caller may see."""
        if entry is None or entry.service is None:
            return None
        namespace, name, port = entry.service
        stands = Installation(f"{namespace}/{name}")
        service = await get(self.kube, f"/api/v1/namespaces/{namespace}/services/{name}")
        if isinstance(service, NotSeen):
            return replace(stands, exists=False) if service.status == 404 else stands
        stands = replace(stands, exists=True, has_port=installation.has_port(service, port))
        spec = service.get("spec") or {}
        if spec.get("type") != "ExternalName":
            path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
            slices = await listed(self.kube, path, {"labelSelector": f"kubernetes.io/service-name={name}"})
            if isinstance(slices, list):
                stands = replace(stands, endpoints=installation.ready_endpoints(slices))
        if spec.get("selector"):
            query = {"labelSelector": api.equal(spec["selector"])}
            found = await listed(self.kube, f"/api/v1/namespaces/{namespace}/pods", query)
            if isinstance(found, list):
                stands = replace(stands, replicas=tuple(map(installation.replica, found)))
        if stands.replicas:
            stands = replace(stands, may_read=await self._may_read(stands))
        return stands

    async def _may_read(self, stands: Installation) -> bool | None:
        """Whether the webhook's ServiceAccount may read those of the namespace; None where the caller may not ask."""
        attributes = {"verb": "get", "resource": "serviceaccounts", "namespace": self.namespace}
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{stands.namespace}", "system:authenticated"]
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": stands.account(), "groups": groups, "resourceAttributes": attributes},
        }
        reply = await self.kube.request("POST", _REVIEWS, body=body, seconds=_SECONDS)
        return bool((reply.json().get("status") or {}).get("allowed")) if reply.status == 201 else None


def has_token(pod: Mapping[str, Any]) -> bool:
    """Whether a container of a pod knows where its token is."""
    return any(
        entry.get("name") == names.TOKEN_FILE_VARIABLE
        for kind in CONTAINER_LISTS
        for container in pod["spec"].get(kind) or ()
        for entry in container.get("env") or ()
    )


def _token_by_hand(what: str) -> Finding:
    """The webhook believes a container that says where its token is; the policy looks whether anything is there."""
    return fail(
        "call",
        f"{what} is refused by the webhook's ValidatingAdmissionPolicy: it sets {names.TOKEN_FILE_VARIABLE} itself, "
        "and no container has a volume where that points.",
        fix=f"take {names.TOKEN_FILE_VARIABLE} out, and the webhook adds variable and volume; or mount a volume there",
    )


def pod(account: str, labels: Mapping[str, str]) -> dict[str, Any]:
    """A pod that every Pod Security level admits and nobody ever starts."""
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
