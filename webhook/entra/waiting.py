"""Waiting until ServiceAccounts can sign in: the exchange that a pod would make, again and again."""

import asyncio
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from webhook.cluster.kube import Kube
from webhook.core.identity import Account
from webhook.core.messages import Message, Place, message
from webhook.core.messages.plans import STILL_REFUSED
from webhook.entra.trial_sign_in import AccessToken, NoToken, SignIn, account_token

_FIRST_PAUSE: Final = 1.0  # seconds
_LONGEST_PAUSE: Final = 15.0
_TOKEN_SECONDS: Final = 300.0  # after which a new one is asked for
_AT_ONCE: Final = 8
_MAY_ASK: Final = "--wait needs the right to create serviceaccounts/token in the namespace"


@dataclass(frozen=True)
class Candidate:
    """A ServiceAccount that is to sign in with a token for `audience`."""

    account: Account
    audience: str
    sign_in: SignIn


async def wait_until_signed_in(kube: Kube, candidates: Iterable[Candidate], *, seconds: float) -> list[Message]:
    """A message for each that cannot sign in after `seconds`, or that waiting does not help."""
    turns = asyncio.Semaphore(_AT_ONCE)
    end = time.monotonic() + seconds
    found = await asyncio.gather(*(_wait(kube, each, turns, end=end) for each in candidates))
    return [each for each in found if each]


async def _wait(kube: Kube, candidate: Candidate, turns: asyncio.Semaphore, *, end: float) -> Message | None:
    pause, asked, token = _FIRST_PAUSE, 0.0, ""
    while True:
        try:
            async with turns:
                if not token or time.monotonic() > asked + _TOKEN_SECONDS:
                    token, asked = await account_token(kube, candidate.account, candidate.audience), time.monotonic()
                answer = await candidate.sign_in.attempt(token)
        except NoToken as error:
            return _refused(candidate, str(error), _MAY_ASK)
        if isinstance(answer, AccessToken):
            return None
        if not answer.heals or time.monotonic() + pause > end:
            return _refused(candidate, answer.advice.meaning, answer.advice.fix)
        await asyncio.sleep(pause * random.uniform(0.75, 1.25))  # noqa: S311
        pause = min(2 * pause, _LONGEST_PAUSE)


def _refused(candidate: Candidate, reason: str, fix: str) -> Message:
    place = Place(str(candidate.account))
    return message(STILL_REFUSED, place, client=candidate.sign_in.client, reason=reason, advice=fix)
