"""ServiceAccounts of a cluster, each read by name."""

import asyncio
import logging
import random
from typing import Final
from urllib.parse import quote

from webhook.accounts.source import BadAccount, LookupFailed, account_from
from webhook.cluster.kube import Kube, Unavailable
from webhook.core.identity import Account
from webhook.core.messages import Place
from webhook.core.names import NAMESPACE_NAME, OBJECT_NAME

_log = logging.getLogger("webhook")

_REVIEWS: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_MAY_WE: Final = {"spec": {"resourceAttributes": {"verb": "get", "resource": "serviceaccounts"}}}
_FIX: Final = "give the webhook's ServiceAccount `get` on serviceaccounts in all namespaces, and nothing more"
_FIRST_PAUSE: Final = 0.25  # seconds between the first two questions; doubled each time, so an API server can recover
_LONGEST_PAUSE: Final = 15.0


class ClusterAccounts:
    """ServiceAccounts of a cluster, each read by name. The only permission it needs is `get`.

    health: whether the API server allows that, and its last answer.
    """

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self.health: tuple[bool, str] = (False, "not asked yet")

    async def ask_until_allowed(self) -> None:
        """Asks for the permission until the API server confirms it, and keeps `health`; then waits to be cancelled."""
        seconds = _FIRST_PAUSE
        while not self.health[0]:
            health = await _permission(self._kube)
            if health != self.health:
                _log.log(logging.INFO if health[0] else logging.ERROR, "API server: %s", health[1])
            self.health = health
            # At random, so that replicas that start together do not ask together.
            await asyncio.sleep(seconds * random.uniform(0.5, 1.5))  # noqa: S311
            seconds = min(seconds * 2, _LONGEST_PAUSE)
        await asyncio.Event().wait()

    async def get(self, namespace: str, name: str, *, seconds: float) -> Account | None:
        """See AccountSource."""
        place = Place(f"ServiceAccount {namespace}/{name}")
        if not NAMESPACE_NAME.fullmatch(namespace) or not OBJECT_NAME.fullmatch(name):
            return None  # not a Kubernetes name; ".." would change the path
        path = f"/api/v1/namespaces/{quote(namespace, safe='')}/serviceaccounts/{quote(name, safe='')}"
        try:
            reply = await self._kube.request("GET", path, seconds=seconds)
            if reply.status == 404:
                return None
            if reply.status != 200:
                fix = f" ({_FIX})" if reply.status == 403 else ""
                raise LookupFailed(f"{place.object}: {reply.reason()}{fix}")
            return account_from(reply.json(), place=place)
        except BadAccount as error:
            raise LookupFailed(str(error)) from None
        except (Unavailable, ValueError) as error:
            raise LookupFailed(f"{place.object}: {error}") from None


async def _permission(kube: Kube) -> tuple[bool, str]:
    """Whether we may read ServiceAccounts, and the answer. If we may not ask (403), an answer at all is good enough."""
    try:
        reply = await kube.request("POST", _REVIEWS, body=_MAY_WE, seconds=5)
        if reply.status == 201 and not reply.json().get("status", {}).get("allowed"):
            return False, f"the webhook may not read ServiceAccounts: {_FIX}"
        if reply.status in (201, 403):
            return True, "answers"
        return False, reply.reason()
    except (Unavailable, AttributeError) as error:
        return False, str(error)
