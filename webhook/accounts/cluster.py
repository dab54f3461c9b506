"""ServiceAccounts of a cluster, each asked for by name."""

import asyncio
import logging
import random
import re
from urllib.parse import quote

from webhook.accounts.source import LookupFailed, account_from
from webhook.cluster.kube import Kube, Unavailable
from webhook.core.identity import Account

_log = logging.getLogger("webhook")


_NAME = re.compile("[a-z0-9]([-.a-z0-9]*[a-z0-9])?")


_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


_MAY_WE = {"spec": {"resourceAttributes": {"verb": "get", "resource": "serviceaccounts"}}}


_FIX = "give the webhook's ServiceAccount `get` on serviceaccounts in all namespaces, and nothing more"


class ClusterAccounts:
    """ServiceAccounts of a cluster, each asked for by name: `get` is all the permission this needs.

    health: whether the API server has answered once, and what it said.
    """

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self.health: tuple[bool, str] = (False, "not asked yet")

    async def ask_until_allowed(self) -> None:
        """Asks whether it may ask, until it may, for `health`; then rests. For the length of a connection."""
        seconds = 0.25
        while not self.health[0]:
            health = await _permission(self._kube)
            if health != self.health:
                _log.log(logging.INFO if health[0] else logging.ERROR, "API server: %s", health[1])
            self.health = health
            # Replicas that were started together spread out.
            await asyncio.sleep(seconds * random.uniform(0.5, 1.5))  # noqa: S311
            seconds = min(seconds * 2, 15)
        await asyncio.Event().wait()

    async def get(self, namespace: str, name: str, *, seconds: float) -> Account | None:
        """See accounts.AccountSource."""
        place = f"ServiceAccount {namespace}/{name}"
        if not _NAME.fullmatch(namespace) or not _NAME.fullmatch(name):
            return None  # kube-apiserver sends no such name, and ".." would lead elsewhere
        path = f"/api/v1/namespaces/{quote(namespace, safe='')}/serviceaccounts/{quote(name, safe='')}"
        try:
            reply = await self._kube.request("GET", path, seconds=seconds)
            if reply.status == 404:
                return None
            if reply.status != 200:
                fix = f" ({_FIX})" if reply.status == 403 else ""
                raise LookupFailed(f"{place}: {reply.reason()}{fix}")
            return account_from(reply.json(), place=place)
        except (Unavailable, ValueError) as error:
            raise LookupFailed(f"{place}: {error}") from None


async def _permission(kube: Kube) -> tuple[bool, str]:
    """Whether we may read ServiceAccounts. Where nobody may ask that, that the API server answers is good enough."""
    try:
        reply = await kube.request("POST", _REVIEWS, body=_MAY_WE, seconds=5)
        if reply.status == 201 and not reply.json().get("status", {}).get("allowed"):
            return False, f"ServiceAccounts may not be read: {_FIX}"
        if reply.status in (201, 403):
            return True, "answers"
        return False, reply.reason()
    except (Unavailable, AttributeError) as error:
        return False, str(error)
