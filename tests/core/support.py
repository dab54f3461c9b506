"""What the tests of the core have in common: short ways to say a pod, a ServiceAccount, a review."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from tests.core.cases import CLIENT, NAMESPACE, TENANT, USUAL_ANNOTATIONS
from webhook.core import names
from webhook.core.clouds import CLOUDS
from webhook.core.identity import Account, Identity
from webhook.core.review import Request
from webhook.reviewer import Answer

Json = dict[str, Any]
LABELLED = {names.USE_LABEL: "true"}
AUDIENCE = CLOUDS["public"].audience


async def answered(answer: Answer | Awaitable[Answer]) -> Answer:
    """The answer of a review, which comes at once or must be awaited."""
    return answer if isinstance(answer, Answer) else await answer


def container(name: str = "app", **fields: Any) -> Json:
    """A container."""
    return {"name": name, "image": "busybox", **fields}


def pod(
    *containers: Json,
    labels: Mapping[str, str] | None = LABELLED,
    annotations: Mapping[str, str] | None = None,
    **spec: Any,
) -> Json:
    """A pod, labelled unless told otherwise, with one container unless told otherwise."""
    metadata: Json = {"name": "terraform"}
    if labels is not None:
        metadata["labels"] = dict(labels)
    if annotations is not None:
        metadata["annotations"] = dict(annotations)
    spec = {"serviceAccountName": "terraform", "containers": list(containers) or [container()], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def token_volume(name: str, *, path: str = "azure-identity-token", audience: str = AUDIENCE) -> Json:
    """A volume with a projected token of the ServiceAccount."""
    token = {"audience": audience, "expirationSeconds": 3600, "path": path}
    return {"name": name, "projected": {"sources": [{"serviceAccountToken": token}]}}


def mount(volume: str, path: str, **fields: Any) -> Json:
    """A mount."""
    return {"name": volume, "mountPath": path, **fields}


def request(pod: Json, namespace: str = NAMESPACE) -> Request:
    """A request to create `pod`."""
    return Request(uid="uid", namespace=namespace, pod=pod)


def account(annotations: Mapping[str, str] = USUAL_ANNOTATIONS, name: str = "terraform") -> Account:
    """A ServiceAccount, with the usual annotations unless told otherwise."""
    return Account(NAMESPACE, name, dict(annotations))


def identity(**fields: Any) -> Identity:
    """The identity of the usual ServiceAccount, but for `fields`."""
    usual: Json = {
        "client_id": CLIENT,
        "azure_client_id": CLIENT,
        "tenant_id": TENANT,
        "azure_tenant_id": TENANT,
        "cloud": CLOUDS["public"],
        "auth_method": "workload_identity",
        "families": ("m365", "azure"),
        "audience": AUDIENCE,
        "token_expiration": 3600,
    }
    return Identity(**{**usual, **fields})


def review(pod: Any, **changed: Any) -> Json:
    """The AdmissionReview for `pod`; a value of ... takes a member of the request out."""
    fields: Json = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "operation": "CREATE",
        "namespace": NAMESPACE,
        "userInfo": {"username": "admin", "groups": ["system:authenticated"]},
        "object": pod,
        "oldObject": None,
        "dryRun": False,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
        **changed,
    }
    fields = {key: value for key, value in fields.items() if value is not ...}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": fields}


def body(pod: Any, **changed: Any) -> bytes:
    """The same as bytes."""
    return orjson.dumps(review(pod, **changed))


class Accounts:
    """A source with these `accounts`. asked: namespace, name and seconds of each look-up."""

    def __init__(self, *accounts: Account, before: Callable[[], None] = lambda: None) -> None:
        self.accounts = {(each.namespace, each.name): each for each in accounts}
        self.asked: list[tuple[str, str, float]] = []
        self._before = before

    async def get(self, namespace: str, name: str, *, seconds: float) -> Account | None:
        self.asked.append((namespace, name, seconds))
        self._before()
        return self.accounts.get((namespace, name))
