"""The last step: the ServiceAccount signs in, as its pods will, and Microsoft Graph answers."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Final

from webhook.cluster.kube import Kube
from webhook.core.messages import Place, message
from webhook.core.messages import onboarding as kinds
from webhook.core.text import LONGEST_FIX
from webhook.entra.failures import Failed, Refused
from webhook.entra.rest import Rest
from webhook.entra.rest import graph as microsoft_graph
from webhook.entra.trial_sign_in import AccessToken, NoToken, SignIn, account_token
from webhook.onboarding.desired_state import DesiredState
from webhook.onboarding.verdicts import Verdict

_PAUSES: Final = (1.0, 2.0, 4.0, 8.0)  # seconds; the last is repeated
_STEP: Final = "sign-in"
# Any application may ask; without a permission such as Organization.Read.All the answer is 403, from Graph itself.
_QUESTION: Final = "/organization?$select=id"
_FORBIDDEN: Final = 403


@dataclass(frozen=True)
class Proof:
    """How signing in is tried. seconds: how long it is waited for; 0 for one attempt.

    waiting: is entered with a text while it goes on.
    """

    kube: Kube
    seconds: float
    debug: Callable[[str], None] | None = None
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    waiting: Callable[[str], AbstractAsyncContextManager[None]] = lambda _: nullcontext()

    async def verdict(self, desired: DesiredState, sign_in: SignIn, *, consented: bool) -> Verdict:
        """How it went. A credential, a principal and a consent that are new need some minutes.

        consented: whether the token has to have the permissions.
        """
        async with self.waiting("waiting until Entra lets the ServiceAccount in"):
            return await self._wait(desired, sign_in, consented=consented)

    async def _wait(self, desired: DesiredState, sign_in: SignIn, *, consented: bool) -> Verdict:
        pauses, left = iter(_PAUSES), self.seconds
        while True:
            verdict, heals = await self._attempt(desired, sign_in, consented=consented)
            pause = next(pauses, _PAUSES[-1])
            if not heals or pause > left:
                return verdict
            left -= pause
            await self.sleep(pause)

    async def _attempt(self, desired: DesiredState, sign_in: SignIn, *, consented: bool) -> tuple[Verdict, bool]:
        """What one attempt says, and whether waiting may help."""
        try:
            token = await account_token(self.kube, desired.account, desired.audience)
        except NoToken as error:
            fix = f"kubectl create token {desired.account.command} --audience {desired.audience}, as somebody who may"
            return not_tried(str(error), fix), False
        got = await sign_in.attempt(token)
        if not isinstance(got, AccessToken):
            advice = got.advice
            values = {"code": advice.code, "reason": advice.meaning, "fix": advice.fix[:LONGEST_FIX]}
            return Verdict(_STEP, message(kinds.NO_SIGN_IN_YET, Place(str(desired.account)), **values)), got.heals
        return await self._of_token(desired, got, consented=consented)

    async def _of_token(self, desired: DesiredState, got: AccessToken, *, consented: bool) -> tuple[Verdict, bool]:
        place = Place(str(desired.account))
        asked = [each.name for each in desired.permissions]
        missing = [name for name in asked if got.roles is not None and name not in got.roles]
        if missing and consented:
            return Verdict(_STEP, message(kinds.ROLES_NOT_YET, place, permissions=", ".join(missing))), True
        try:
            async with microsoft_graph(desired.cloud, _Held(got.text), debug=self.debug) as service:
                await ask(service)
        except Failed as error:
            return Verdict(_STEP, error.problem), isinstance(error, Refused) and error.status == 401
        return Verdict(_STEP, message(kinds.SIGNED_IN, place)), False


async def ask(service: Rest) -> None:
    """Graph takes the token; that it forbids this one question is an answer, too. Raises Failed."""
    await service.request("GET", _QUESTION, ok=(_FORBIDDEN,), what="Microsoft Graph, asked for the organization")


def not_tried(reason: str, fix: str) -> Verdict:
    """It could not be tried from here."""
    return Verdict(_STEP, message(kinds.NOT_SIGNED_IN, reason=reason, fix=fix))


class _Held:
    """The access token, for one request."""

    def __init__(self, text: str) -> None:
        self._text = text

    async def token(self, root: str) -> str:
        """It is for Microsoft Graph alone."""
        return self._text

    def forget(self, root: str) -> None:
        """Nothing else is known."""
