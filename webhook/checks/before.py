"""The questions of `check --pre`: what must be so before the webhook is installed."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from webhook.checks import api, prerequisites, rights
from webhook.checks.api import NotSeen, get, list_all
from webhook.checks.registration import Entry
from webhook.checks.rights import Resource, Resources, Right
from webhook.cluster.kube import Kube, Unavailable
from webhook.core.messages import entra, message
from webhook.core.messages import prerequisites as kinds
from webhook.entra.cluster_documents import cluster_issuer
from webhook.findings import Finding, finding

_SECONDS: Final = 10.0
_CREATE_SECONDS: Final = 60.0  # kube-apiserver gives a webhook up to 30 s, and there may be several
_ADMISSION: Final = "/apis/admissionregistration.k8s.io/v1"
_PLURALS: Final = ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")


@dataclass(frozen=True)
class Before:
    """own: the namespace of the webhook. elsewhere: a namespace that exists, for a dry run if the own one does not.

    objects: what is to be installed; empty for the chart with its defaults. command: what prints the rights as RBAC.
    """

    kube: Kube
    own: str
    elsewhere: str
    objects: Sequence[Mapping[str, Any]]
    command: str

    async def findings(self) -> AsyncIterator[Finding]:
        """Everything that is found. An API server that cannot be reached is a finding, too, and no exception."""
        try:
            async for each in self._findings():
                yield each
        except Unavailable as error:
            yield Finding("cluster", error.told())

    async def _findings(self) -> AsyncIterator[Finding]:
        version = await get(self.kube, "/version")
        if isinstance(version, NotSeen):
            yield api.not_seen("version", "/version", version)
        else:
            yield prerequisites.version(version)
        async for each in self._rights():
            yield each
        _, issuer = await cluster_issuer(self.kube, look=False)
        for each in issuer:
            forbidden = each.message.kind is entra.DOCUMENT_FORBIDDEN  # which an installation can do without
            values = each.message.values
            not_seen = message(kinds.ISSUER_NOT_SEEN, path=values.get("path"), user=values.get("user"))
            yield Finding("address", not_seen) if forbidden else each
        path = f"/apis/scheduling.k8s.io/v1/priorityclasses/{prerequisites.PRIORITY_CLASS}"
        priority = await get(self.kube, path)
        absent = finding("priority", kinds.PRIORITY_CLASS_ABSENT, name=prerequisites.PRIORITY_CLASS)
        if isinstance(priority, NotSeen):
            yield absent if priority.status == 404 else api.not_seen("priority", "priorityclasses", priority)
        async for each in self._admission():
            is_reported = isinstance(priority, NotSeen) and priority.status == 404
            if each != absent or not is_reported:
                yield each

    async def rbac(self) -> tuple[str, list[dict[str, Any]], Sequence[Finding]]:
        """The caller, the roles and bindings that give him the rights, and what is in the way. Raises Unavailable."""
        wanted, found = await self._wanted()
        user = await self._user()
        return user, rights.as_rbac(wanted, user), found

    async def _wanted(self) -> tuple[Sequence[Right], Sequence[Finding]]:
        """The rights, and what is in the way of knowing them all."""
        objects = self.objects or rights.chart(self.own)
        resources, found = await self._resources({rights.kind_of(each)[0] for each in objects})
        if not found:
            absent = dict.fromkeys(rights.kind_of(each) for each in objects if rights.kind_of(each) not in resources)
            found = [finding("rights", kinds.KIND_ABSENT, kind=kind, version=version) for version, kind in absent]
        return rights.needed(objects, self.own, resources), found

    async def _resources(self, versions: Iterable[str]) -> tuple[Resources, list[Finding]]:
        """What the cluster calls the kinds of these apiVersions, and those that cannot be read."""
        resources: dict[tuple[str, str], Resource] = {}
        unseen = []
        for version in sorted(versions):
            path = f"/apis/{version}" if "/" in version else f"/api/{version}"
            answer = await get(self.kube, path)
            if not isinstance(answer, NotSeen):
                for each in answer["resources"]:
                    if "/" not in each["name"]:
                        resources[version, each["kind"]] = Resource(each["name"], bool(each["namespaced"]))
            elif answer.status != 404:
                unseen.append(api.not_seen("rights", path, answer))
        return resources, unseen

    async def _rights(self) -> AsyncIterator[Finding]:
        wanted, found = await self._wanted()
        for each in found:
            yield each
        namespace = await get(self.kube, self._own_path)
        first = ""
        if isinstance(namespace, NotSeen):
            first = f"kubectl create namespace {self.own} (unless it is there) and "
            wanted = [*wanted, *([Right("create", "", "namespaces")] if namespace.status == 404 else ())]
        turns = asyncio.Semaphore(8)

        async def allowed(right: Right) -> bool:
            async with turns:
                return await self._allowed(right)

        answers = await asyncio.gather(*map(allowed, wanted))
        missing = [right for right, answer in zip(wanted, answers, strict=True) if not answer]
        if missing:
            user = await self._user()
            yield prerequisites.missing_rights(missing, user=user, first=first, command=self.command)
        elif not found:
            yield finding("rights", kinds.RIGHTS_ENOUGH, count=len(wanted))

    @property
    def _own_path(self) -> str:
        return f"/api/v1/namespaces/{quote(self.own, safe='')}"

    async def _allowed(self, right: Right) -> bool:
        resource, _, part = right.resource.partition("/")
        attributes = {"verb": right.verb, "group": right.group, "resource": resource, "subresource": part}
        attributes |= {"namespace": right.namespace, "name": right.name}
        spec: dict[str, Any] = {"resourceAttributes": {key: value for key, value in attributes.items() if value}}
        if right.url:
            spec = {"nonResourceAttributes": {"verb": right.verb, "path": right.url}}
        answer = await self._review("authorization.k8s.io", "SelfSubjectAccessReview", spec)
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
        namespace = await get(self.kube, self._own_path)
        where = self.own
        if isinstance(namespace, NotSeen):
            where = self.elsewhere if namespace.status == 404 else self.own
            absent = finding("namespace", kinds.NAMESPACE_NEW, namespace=self.own)
            yield absent if namespace.status == 404 else api.not_seen("namespace", f"namespace {self.own}", namespace)
        labels = {} if isinstance(namespace, NotSeen) else namespace["metadata"].get("labels") or {}
        level = str(labels.get("pod-security.kubernetes.io/enforce") or "not set")
        entries: dict[str, list[Entry]] = {}
        owners: dict[str, tuple[str, str]] = {}
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
