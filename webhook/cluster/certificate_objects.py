"""The two objects that certificates are kept in, as `certs` takes them: a Secret and a webhook configuration."""

import base64
import binascii
import secrets
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import quote

from certs import errors
from certs.managed.ca_bundle import WebhookConfiguration, WebhookEntry
from certs.managed.secret import StoredSecret
from webhook.cluster.kube import Kube, Reply, Unavailable

_SECONDS: Final = 10.0  # as long as certs waits for a call
_ERRORS: Final = {
    400: errors.Rejected,
    403: errors.Forbidden,
    404: errors.NotFound,
    409: errors.Conflict,
    413: errors.Rejected,
    422: errors.Rejected,
}


class KubeSecret:
    """One Secret, through the API and never mounted: certs.managed.secret.SecretStore."""

    def __init__(self, kube: Kube, namespace: str, name: str) -> None:
        self._kube = kube
        self._namespace = namespace
        self._name = name
        self._path = f"/api/v1/namespaces/{quote(namespace, safe='')}/secrets/{quote(name, safe='')}"

    async def get(self) -> StoredSecret:
        """See SecretStore."""
        return _parse_secret(await _request(self._kube, "GET", self._path))

    async def create(self, data: Mapping[str, bytes]) -> StoredSecret:
        """See SecretStore.

        By server-side apply, because RBAC then knows the Secret's name; of a POST it does not. Each call has another
        field manager and forces nothing, so of two that come at once the second gets a conflict and changes nothing.
        """
        document = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": self._name, "namespace": self._namespace},
            "type": "Opaque",
            "data": _encode(data),
        }
        path = f"{self._path}?fieldManager=m365-workload-identity-{secrets.token_hex(8)}"
        return _parse_secret(await _request(self._kube, "PATCH", path, document, kind="apply-patch+yaml"))

    async def update(self, stored: StoredSecret, data: Mapping[str, bytes]) -> StoredSecret:
        """See SecretStore. resourceVersion, in what was read, decides who was first."""
        document = stored.origin if isinstance(stored.origin, dict) else {}
        return _parse_secret(await _request(self._kube, "PUT", self._path, {**document, "data": _encode(data)}))


class KubeConfiguration:
    """One MutatingWebhookConfiguration: certs.managed.ca_bundle.TrustStore."""

    def __init__(self, kube: Kube, name: str) -> None:
        self._kube = kube
        folder = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
        self._path = f"{folder}/{quote(name, safe='')}"

    async def get(self) -> WebhookConfiguration:
        """See TrustStore."""
        return _parse_configuration(await _request(self._kube, "GET", self._path))

    async def patch(self, bundles: Mapping[str, bytes], *, version: str) -> WebhookConfiguration:
        """See TrustStore. A strategic merge patch finds webhooks by name, so no other field is sent at all."""
        webhooks = [
            {"name": name, "clientConfig": {"caBundle": base64.b64encode(bundle).decode("ascii")}}
            for name, bundle in bundles.items()
        ]
        document = {"metadata": {"resourceVersion": version}, "webhooks": webhooks}
        reply = await _request(self._kube, "PATCH", self._path, document, kind="strategic-merge-patch+json")
        return _parse_configuration(reply)


async def _request(kube: Kube, method: str, path: str, body: Any = None, *, kind: str = "json") -> Reply:
    try:
        reply = await kube.request(method, path, body=body, kind=kind, seconds=_SECONDS)
    except Unavailable as error:
        raise errors.StoreUnavailable(str(error)) from None
    if reply.status in (200, 201):
        return reply
    # The API server quotes what it cannot decode, and that may be a key.
    reason = f"HTTP {reply.status}" if reply.status == 400 and body is not None else reply.reason()
    raise _error_class(reply)(f"{method} {path.partition('?')[0]}: {reason}")


def _error_class(reply: Reply) -> type[errors.StoreError]:
    """403 has two meanings. An authorizer, as RBAC, names the user who may not; admission refuses what was sent."""
    if reply.status == 403 and 'is forbidden: User "' not in reply.reason():
        return errors.Rejected
    return _ERRORS.get(reply.status, errors.StoreUnavailable)


def _encode(data: Mapping[str, bytes]) -> dict[str, str]:
    return {key: base64.b64encode(value).decode("ascii") for key, value in data.items()}


def _parse_secret(reply: Reply) -> StoredSecret:
    document = _parse_object(reply)
    data = {key: _decode(value) for key, value in (document.get("data") or {}).items()}
    date = _parse_date(reply.date)
    return StoredSecret(data=data, version=_version(document), uid=_uid(document), date=date, origin=document)


def _parse_configuration(reply: Reply) -> WebhookConfiguration:
    document = _parse_object(reply)
    entries = []
    for webhook in document.get("webhooks") or ():
        client = webhook.get("clientConfig") or {}
        service = client.get("service")
        entries.append(
            WebhookEntry(
                name=str(webhook.get("name")),
                bundle=_decode(client.get("caBundle") or ""),
                service=f"{service.get('namespace')}/{service.get('name')}" if service else None,
            )
        )
    date = _parse_date(reply.date)
    return WebhookConfiguration(entries=tuple(entries), version=_version(document), uid=_uid(document), date=date)


def _parse_object(reply: Reply) -> dict[str, Any]:
    try:
        document = reply.json()
    except Unavailable as error:
        raise errors.StoreUnavailable(str(error)) from None
    if not isinstance(document, dict) or not isinstance(document.get("metadata"), dict):
        raise errors.StoreUnavailable("the API server's answer is not an object")
    return document


def _version(document: Mapping[str, Any]) -> str:
    return str(document["metadata"].get("resourceVersion"))


def _uid(document: Mapping[str, Any]) -> str:
    return str(document["metadata"].get("uid", ""))


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except binascii.Error:
        return b""


def _parse_date(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        return None
