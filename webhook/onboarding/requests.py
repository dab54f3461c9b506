"""Makes the requests of a verdict, or prints them as commands."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

from webhook.cluster.kube import Kube, Unavailable
from webhook.core.messages import Place, message
from webhook.core.messages import onboarding as kinds
from webhook.entra.failures import Failed, Refused
from webhook.entra.rest import Rest
from webhook.findings import forbidden_user
from webhook.onboarding import shell
from webhook.onboarding.verdicts import Call, Deed, Service

_SECONDS: Final = 30.0  # of a request to the cluster
_YOUNG_SECONDS: Final = 90.0  # until every server of Entra knows what was made a moment ago, as a rule
_PAUSES: Final = (1.0, 2.0, 4.0, 8.0, 8.0, 16.0, 16.0, 16.0)
_NOT_FOUND: Final = 404


class Requests(Protocol):
    """What makes a verdict true."""

    async def make(self, call: Call | Deed, place: str) -> Mapping[str, Any]:
        """Makes the request. The body of the answer. Raises Failed. place: what it is about."""


class Printer:
    """Prints each request as a command. write: is called with the text."""

    def __init__(self, roots: Mapping[Service, str], write: Callable[[str], None]) -> None:
        self._roots = roots
        self._write = write

    async def make(self, call: Call | Deed, place: str) -> Mapping[str, Any]:
        """Prints it. What an answer would save, stays a variable of the shell."""
        self._write(shell.commands(call, self._roots))
        if isinstance(call, Deed):
            return {}
        return {member: f"${variable}" for variable, member in call.saves.items()}


class Maker:
    """Makes each request."""

    def __init__(
        self, kube: Kube, services: Mapping[Service, Rest], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._kube = kube
        self._services = services
        self._sleep = sleep

    async def make(self, call: Call | Deed, place: str) -> Mapping[str, Any]:
        """Makes it. What is gone already need not be deleted."""
        if isinstance(call, Deed):
            await call.do()
            return {}
        if call.service is Service.CLUSTER:
            return await self._cluster(call, place)
        ok = (_NOT_FOUND,) if call.method == "DELETE" else ()
        service = self._services[call.service]
        pauses = iter(_PAUSES)
        while True:
            try:
                answer = await service.request(
                    call.method,
                    call.path,
                    body=call.body,
                    ok=ok,
                    repeatable=call.method != "POST",
                    awaited=_YOUNG_SECONDS if call.young else 0.0,
                    what=place,
                )
            except Refused as error:
                # A server that does not know a new application yet says that the request is wrong.
                pause = next(pauses, None) if call.young and error.status == 400 else None
                if pause is None:
                    raise
                await self._sleep(pause)
            else:
                return answer.body

    async def _cluster(self, call: Call, place: str) -> Mapping[str, Any]:
        try:
            reply = await self._kube.request(call.method, call.path, seconds=_SECONDS, body=call.body, kind=call.kind)
        except Unavailable as error:
            raise refused(place, str(error)) from None
        if call.method == "DELETE" and reply.status == _NOT_FOUND:
            return {}
        if not 200 <= reply.status < 300:
            raise refused(place, reply.reason(), reply.status, call.path)
        body: Mapping[str, Any] = reply.json()
        return body


def refused(place: str, reason: str, status: int = 0, path: str = "") -> Failed:
    """kube-apiserver did not do it. path: that was asked for."""
    fix = "see whether kube-apiserver is well: kubectl get --raw /readyz"
    if status == 403:
        fix = _permission(path, forbidden_user(reason))
    elif status == 409:
        fix = "the field belongs to the manager that is named; change it there"
    return Failed(message(kinds.CLUSTER_REFUSED, Place(place), reason=reason, fix=fix))


def _permission(path: str, user: str) -> str:
    """What lets `user` do it. Only an administrator may make namespaces, and may read one that does not exist."""
    found = re.search(r"/namespaces/([^/?]+)/", path)
    if not found:
        return "kubectl create namespace NAMESPACE, as an administrator, who then gives you rights in it"
    return (
        f"kubectl create rolebinding m365wi-onboard --clusterrole=edit -n {found[1]} --user={user}; or apply the "
        "output of `onboard --print` as somebody who may"
    )
