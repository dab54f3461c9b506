"""The questions for the report of a whole cluster: lists with pages, and a bounded number of requests at a time."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final

from webhook.checks import api, selectors
from webhook.checks.api import NotSeen
from webhook.checks.order import ClusterCheck, Target
from webhook.checks.registration import Registration
from webhook.checks.replicas import replica
from webhook.checks.report import refused
from webhook.checks.report.groups import counted
from webhook.checks.report.refused import Refused
from webhook.checks.report.rows import Report
from webhook.checks.report.tally import LISTED, Installed, Tally
from webhook.cluster.kube import Kube, Unavailable
from webhook.core import names
from webhook.core.messages import checks, cluster_report
from webhook.findings import Finding, finding

AT_ONCE: Final = 4
"""Requests to the API server at a time. A page of pods is its most expensive answer, and those come one by one."""
_MOST_REFUSED: Final = 200  # objects that are looked up because an event names them
_VERSION: Final = "app.kubernetes.io/version"


async def report(kube: Kube, target: Target, *, now: datetime) -> Report:
    """Looks at the whole cluster. An API server that cannot be reached is a finding, too, and no exception."""
    started = time.monotonic()
    check = ClusterCheck(kube, target, now=now)
    installation = [each async for each in check.findings()]
    found = Report(now)
    if not any(each.message.kind in checks.UNREACHABLE for each in installation):
        learned = check.learned()
        gathering = _Gathering(kube, Installed(learned.found, learned.policy, learned.new, now))
        try:
            found = await gathering.run()
        except Unavailable as error:
            installation.append(Finding("cluster", error.told()))
        installation += gathering.findings
        found.versions = gathering.versions
    found.installation = [*installation, *found.installation]
    found.requests, found.seconds = kube.requests, time.monotonic() - started
    return found


class _Gathering:
    """One report. findings: about what could not be seen, and the versions."""

    def __init__(self, kube: Kube, installed: Installed) -> None:
        self.findings: list[Finding] = []
        self.versions: dict[str, int] = {}
        self._kube = kube
        self._found = installed.found
        self._tally = Tally(installed)
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> Report:
        """The report."""
        tally = self._tally
        await asyncio.gather(
            self._list("/api/v1/namespaces", tally.add_namespaces),
            self._versions(self._found) if self._found else _none(),
        )
        seen = await self._list("/api/v1/serviceaccounts", tally.add_accounts)
        if not seen:
            return tally.report(accounts=False)  # without them nothing can be said of a pod
        await asyncio.gather(*(self._workloads(index) for index in range(len(LISTED))))
        pods = await self._list("/api/v1/pods", tally.add_pods)
        await self._refused()
        return tally.report(pods=pods)

    async def _workloads(self, index: int) -> None:
        kind = LISTED[index]
        await self._list(
            f"/apis/{kind.group}/{kind.version}/{kind.plural}", lambda page: self._tally.add_workloads(kind, page)
        )

    async def _list(self, path: str, add: Callable[[Iterable[Any]], None], query: dict[str, str] | None = None) -> bool:
        """Gives each page of a list to `add`. Returns whether it was seen, all of it."""
        resource = path.rpartition("/")[2]
        async with self._turns:
            async for page in api.pages(self._kube, path, query):
                if isinstance(page, NotSeen):
                    self.findings.append(api.not_seen(resource, f"{resource} of the whole cluster", page))
                    return False
                add(page)
        return True

    async def _versions(self, found: Registration) -> None:
        """Which versions the ready replicas have."""
        services = {entry.service[:2] for entry in found.entries if entry.service}
        replicas: Counter[str] = Counter()
        for namespace, name in sorted(services):
            service = await api.get(self._kube, f"/api/v1/namespaces/{namespace}/services/{name}")
            selector = (service.get("spec") or {}).get("selector") if isinstance(service, dict) else None
            if not selector:
                continue
            query = {"labelSelector": selectors.join(selector, ",")}
            pods = await api.list_all(self._kube, f"/api/v1/namespaces/{namespace}/pods", query)
            for pod in [] if isinstance(pods, NotSeen) else pods:
                state = replica(pod)
                if not state.trouble and not state.deleted:
                    replicas[str((pod["metadata"].get("labels") or {}).get(_VERSION) or "unknown")] += 1
        self.versions = dict(sorted(replicas.items()))
        if replicas:
            shown = ", ".join(f"{version} ({number})" for version, number in self.versions.items())
            kind = cluster_report.VERSIONS if len(replicas) == 1 else cluster_report.VERSIONS_DIFFER
            count = counted(sum(replicas.values()), "replica")
            self.findings.append(finding("webhook", kind, count=count, versions=shown, namespace=min(services)[0]))

    async def _refused(self) -> None:
        """Pods that do not exist, because the webhook or its absence refused them."""
        events: list[Any] = []
        if not await self._list("/api/v1/events", events.extend, {"fieldSelector": f"reason={refused.REASON}"}):
            return
        entries = {*names.WEBHOOKS, *(entry.name for entry in (self._found.entries if self._found else ()))}
        since = [each for each in refused.refused(events, entries) if not self._succeeded(each)]
        await asyncio.gather(*(self._look_up(each) for each in since[:_MOST_REFUSED]))

    def _succeeded(self, each: Refused) -> bool:
        newest = self._tally.newest(each.owner)
        return newest is not None and newest >= each.last

    async def _look_up(self, each: Refused) -> None:
        """An event may be about an object that is gone."""
        async with self._turns:
            document = await api.get(self._kube, each.path)
        if isinstance(document, NotSeen) or document["metadata"].get("uid") != each.uid:
            return
        if (document.get("spec") or {}).get("replicas") == 0:
            return  # it is scaled to 0, so no pod is missing
        found = each.finding(document)
        owner = found.message.place.object.replace(f"{each.namespace}/", "", 1)
        self._tally.say(found, (each.namespace, ""), owner=owner)


async def _none() -> None:
    """Nothing to ask."""
