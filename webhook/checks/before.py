"""The questions of `check --pre`: what must be so before the webhook is installed."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from webhook.checks import api, prerequisites
from webhook.checks.api import NotSeen, get, list_all
from webhook.checks.prerequisites import Right
from webhook.checks.registration import Entry
from webhook.cluster.kube import Kube, Unavailable
from webhook.core.messages import checks
from webhook.core.messages import prerequisites as kinds
from webhook.entra.cluster_documents import cluster_issuer
from webhook.findings import Finding, finding

_SECONDS: Final = 10.0
_CREATE_SECONDS: Final = 60.0  # kube-apiserver gives a webhook up to 30 s, and there may be several
_ADMISSION: Final = "/apis/admissionregistration.k8s.io/v1"
_PLURALS: Final = ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")


@dataclass(frozen=True)
class Before:
    """own: the namespace of the webhook. elsewhere: a namespace that exists, for a dry run if the own one does not."""

    kube: Kube
    own: str
    elsewhere: str

    async def findings(self) -> AsyncIterator[Finding]:
        """Everything that is found. An API server that cannot be reached is a finding, too, and no exception."""
        try:
            async for each in self._findings():
                yield each
        except Unavailable as error:
            yield finding("cluster", checks.API_SERVER_UNREACHABLE, reason=error)

    async def _findings(self) -> AsyncIterator[Finding]:
        version = await get(self.kube, "/version")
        if isinstance(version, NotSeen):
            yield api.not_seen("version", "/version", version)
        else:
            yield prerequisites.version(version)
        yield await self._rights()
        _, issuer = await cluster_issuer(self.kube, look=False)
        for each in issuer:
            yield each
        path = f"/apis/scheduling.k8s.io/v1/priorityclasses/{prerequisites.PRIORITY_CLASS}"
        priority = await get(self.kube, path)
        if isinstance(priority, NotSeen):
            absent = finding("priority", kinds.PRIORITY_CLASS_ABSENT, name=prerequisites.PRIORITY_CLASS)
            yield absent if priority.status == 404 else api.not_seen("priority", "priorityclasses", priority)
        async for each in self._admission():
            yield each

    async def _rights(self) -> Finding:
        wanted = (*prerequisites.MADE, *prerequisites.GIVEN)
        turns = asyncio.Semaphore(4)

        async def allowed(right: Right) -> bool:
            async with turns:
                return await self._allowed(right)

        answers = await asyncio.gather(*map(allowed, wanted))
        refused = [right for right, answer in zip(wanted, answers, strict=True) if not answer]
        return prerequisites.rights(refused, await self._user() if refused else "")

    async def _allowed(self, right: Right) -> bool:
        attributes = {"verb": right.verb, "group": right.group, "resource": right.resource}
        if right.namespaced:
            attributes["namespace"] = self.own
        answer = await self._review(
            "authorization.k8s.io", "SelfSubjectAccessReview", {"resourceAttributes": attributes}
        )
        return bool(answer.get("allowed"))

    async def _user(self) -> str:
        answer = await self._review("authentication.k8s.io", "SelfSubjectReview", {})
        return str((answer.get("userInfo") or {}).get("username") or "YOU")

    async def _review(self, group: str, kind: str, spec: Mapping[str, Any]) -> Mapping[str, Any]:
        body = {"apiVersion": f"{group}/v1", "kind": kind, **({"spec": spec} if spec else {})}
        reply = await self.kube.request("POST", f"/apis/{group}/v1/{kind.lower()}s", body=body, seconds=_SECONDS)
        return (reply.json().get("status") or {}) if reply.status == 201 else {}

    async def _admission(self) -> AsyncIterator[Finding]:
        """What admission does with a pod as the webhook's own."""
        namespace = await get(self.kube, f"/api/v1/namespaces/{quote(self.own, safe='')}")
        exists = not isinstance(namespace, NotSeen)
        if isinstance(namespace, NotSeen):
            absent = finding("namespace", kinds.NAMESPACE_NEW, namespace=self.own)
            yield absent if namespace.status == 404 else api.not_seen("namespace", f"namespace {self.own}", namespace)
        labels = {} if isinstance(namespace, NotSeen) else namespace["metadata"].get("labels") or {}
        level = str(labels.get("pod-security.kubernetes.io/enforce") or "not set")
        entries: dict[str, list[Entry]] = {}
        owners: dict[str, tuple[str, str]] = {}
        where = self.own if exists else self.elsewhere
        for plural in _PLURALS:
            documents = await list_all(self.kube, f"{_ADMISSION}/{plural}")
            if isinstance(documents, NotSeen):
                yield api.not_seen("webhooks", plural, documents)
                continue
            entries[plural] = prerequisites.taking(documents, where, labels)
            for document in documents:
                for each in document.get("webhooks") or ():
                    owners[str(each.get("name"))] = (plural.removesuffix("s"), str(document["metadata"]["name"]))
        for each in prerequisites.others(entries.get(_PLURALS[0], []), self.own):
            yield each
        async for each in self._dry_run(where, level, owners, [entry for found in entries.values() for entry in found]):
            yield each

    async def _dry_run(
        self, namespace: str, level: str, owners: Mapping[str, tuple[str, str]], entries: list[Entry]
    ) -> AsyncIterator[Finding]:
        body = prerequisites.a_pod("default")
        path = f"/api/v1/namespaces/{quote(namespace, safe='')}/pods?dryRun=All"
        reply = await self.kube.request("POST", path, body=body, seconds=_CREATE_SECONDS)
        if reply.status != 201:
            yield prerequisites.refused(reply.status, api.error_message(reply), namespace, owners)
            return
        yield finding("pod", kinds.POD_ADMITTED, namespace=namespace, level=level)
        changed = prerequisites.changes(body, reply.json())
        if changed:
            webhooks = ", ".join(each.name for each in entries) or "not known"
            yield finding("pod", kinds.POD_CHANGED, changes=changed, webhooks=webhooks, namespace=self.own)
        called = [each.name for each in entries if prerequisites.must_answer(each)]
        if called:
            yield finding("network", kinds.REACHES_SERVICES, webhooks=", ".join(called))
        else:
            yield finding("network", kinds.REACH_UNKNOWN)
