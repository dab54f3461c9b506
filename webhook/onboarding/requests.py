"""Makes the requests of a verdict, or prints them as commands."""

import re
from collections.abc import Callable, Mapping
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
_MADE: Final = 201
_NOT_FOUND: Final = 404
_GRAPH: Final = "Microsoft Graph"
_UPSERT: Final = {"Prefer": "create-if-missing"}
# A deleted application keeps its unique name for 30 days (400); a stranger may have taken it (403). The others: a Graph
# that does not know upserts.
_WITHOUT_UPSERT: Final = (400, 403, 404, 405, 409, 501)


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

    def __init__(self, kube: Kube, services: Mapping[Service, Rest]) -> None:
        self._kube = kube
        self._services = services

    async def make(self, call: Call | Deed, place: str) -> Mapping[str, Any]:
        """Makes it. What is gone already need not be deleted."""
        if isinstance(call, Deed):
            await call.do()
            return {}
        if call.service is Service.CLUSTER:
            return await self._cluster(call, place)
        service = self._services[call.service]
        if call.key:
            made = await _upserted(service, call, place)
            if made:
                return made
        answer = await service.request(
            call.method,
            call.path,
            body=call.body,
            ok=(_NOT_FOUND,) if call.method == "DELETE" else (),
            repeatable=call.method != "POST",
            awaited=_YOUNG_SECONDS if call.young else 0.0,
            what=place,
        )
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


async def _upserted(service: Rest, call: Call, place: str) -> Mapping[str, Any]:
    """What was made under the key of `call`; {} if it cannot be made so. Raises Failed, that it is there, too.

    What is there is not taken as it is: everybody could have made it, so it has to be read and judged.
    """
    answer = await service.request("PATCH", call.key, body=call.body, headers=_UPSERT, ok=_WITHOUT_UPSERT, what=place)
    if answer.status in _WITHOUT_UPSERT:
        return {}
    if answer.status != _MADE:
        text = "it was made a moment ago, and cannot be found by its name yet"
        error = Refused(
            service=_GRAPH, what=place, status=answer.status, code="", text=text, request_id=answer.request_id
        )
        error.is_open = True
        raise error
    return answer.body


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
