"""What a failure means, its likely causes, and the fix, with the values of the reader's own pod."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from m365_identity._advice.codes import ABOUT_THE_ISSUER, ABOUT_THE_TOKEN, BY_CODE
from m365_identity._advice.consent import consent
from m365_identity._advice.credential import commands
from m365_identity._advice.general import general
from m365_identity._advice.network import Way, no_answer
from m365_identity._failures import Failure
from m365_identity._messages import Kind, Message, entra, message
from m365_identity._messages import token_file as odd
from m365_identity._network.proxies import Proxy
from m365_identity._text import duration, listed, one_line, stamp
from m365_identity._tokens.assertion import Assertion
from m365_identity.errors import Advice
from m365_identity.settings import Settings

__all__ = ["Situation", "advice_of", "advise"]

_LEEWAY: Final = 300.0  # seconds by which Entra lets times be off


@dataclass(frozen=True, kw_only=True)
class Situation:
    """Who tried to sign in, with what, and when.

    tenant_id: the one of the call. assertion: what the token says about itself, None if it could not be read. now:
    seconds since the epoch, by the clock here. proxy: on the way to the login host.
    """

    settings: Settings
    tenant_id: str
    scope: str
    assertion: Assertion | None
    now: float
    proxy: Proxy | None = None


def advise(failure: Failure, situation: Situation) -> Advice:
    """The advice for a failed exchange: by its AADSTS code, else by how it failed."""
    barred = no_answer(failure, Way(url=situation.settings.authority, proxy=situation.proxy))
    if barred is not None:
        return advice_of(barred)
    kind = next((BY_CODE[code] for code in failure.codes if code in BY_CODE), None) or general(failure)
    kind = _seen(kind, failure, situation)
    values = _values(situation) | _said(failure, situation)
    explained = message(kind, **values)
    seen = (*_differences(situation), *(_observations(situation, kind) if kind in ABOUT_THE_TOKEN else ()))
    # A guess can be the same as what was seen: it is there once.
    causes = dict.fromkeys((*map(one_line, seen), *explained.causes))
    return Advice(code=explained.code, meaning=explained.text, causes=tuple(causes), fix=explained.fix)


def advice_of(found: Message) -> Advice:
    """A message as advice."""
    return Advice(code=found.code, meaning=found.text, causes=found.causes, fix=found.fix)


def _values(situation: Situation) -> dict[str, str]:
    settings, assertion = situation.settings, situation.assertion
    unknown = "(not known: the token could not be read)"
    account = assertion.account if assertion else None
    return {
        "client": settings.client_id,
        "tenant": situation.tenant_id,
        "cloud": settings.cloud.name,
        "consent": consent(settings),
        "expected": settings.cloud.audience,
        "login": settings.authority,
        "graph": settings.graph,
        "graph_scope": settings.scope,
        "file": str(settings.token_file),
        "scope": situation.scope,
        "issuer": assertion.issuer if assertion else unknown,
        "discovery": f"{assertion.issuer.rstrip('/') if assertion else unknown}/.well-known/openid-configuration",
        "subject": assertion.subject if assertion else unknown,
        "audience": assertion.audience if assertion else unknown,
        "account": "/".join(account) if account else "of the pod",
        "slash": _slash(assertion),
        "valid": _validity(situation),
        "now": stamp(situation.now),
        **commands(settings.client_id, assertion, settings.cloud.audience),
    }


def _said(failure: Failure, situation: Situation) -> dict[str, str]:
    """What the answer says."""
    wait, skew = "", failure.skew or 0.0
    if failure.retry_after:
        until = stamp(situation.now + failure.retry_after)
        wait = f"; Entra wants no request for {duration(failure.retry_after)}, until {until}"
    return {
        "failure": failure.description,
        "status": str(failure.http_status),
        "wait": wait,
        "skew": duration(skew),
        "direction": "behind" if skew > 0 else "ahead of",
    }


def _seen(kind: Kind, failure: Failure, situation: Situation) -> Kind:
    """What can be seen to be wrong with the token, by the login host's clock if that is known; `kind` if nothing is."""
    assertion, skew = situation.assertion, failure.skew or 0.0
    if kind is entra.NO_AUDIENCE and assertion is not None and not assertion.suits_entra:
        return entra.NO_AUDIENCE_OF_API_SERVER
    if kind is not entra.OUT_OF_TIME or assertion is None:
        return kind
    if abs(skew) > _LEEWAY:
        return entra.OUT_OF_TIME_BY_CLOCK
    now, begin, end = situation.now + skew, assertion.issued, assertion.expires
    if end is not None and end <= now:
        return entra.EXPIRED
    return entra.NOT_YET_VALID if begin is not None and begin - now > _LEEWAY else kind


def _differences(situation: Situation) -> Iterator[str]:
    """What the call asks for and the settings do not say."""
    own = situation.settings.tenant_id
    if situation.tenant_id.lower() != own.lower():
        yield f"this call asked for tenant {situation.tenant_id}, and the settings have {own}"


def _observations(situation: Situation, kind: Kind) -> Iterator[str]:
    """What is odd in the token itself, as `doctor` says it. It comes before any guess, since it is certain."""
    assertion, cloud = situation.assertion, situation.settings.cloud
    if assertion is None:
        return
    if not assertion.issuer.startswith("https://"):
        yield message(odd.ISSUER_NOT_HTTPS, issuer=assertion.issuer).text
    elif assertion.issuer.startswith("https://kubernetes.default"):
        yield message(odd.ISSUER_OF_CLUSTER, issuer=assertion.issuer).text
    if not assertion.suits_entra:
        yield message(odd.FOR_API_SERVER, audiences=listed(assertion.audiences) or "no one named").text
    elif assertion.audience != cloud.audience:
        yield (
            f'the audience of this token is "{assertion.audience}", '
            f'and the usual one in the cloud {cloud.name} is "{cloud.audience}"'
        )
    if assertion.issuer.endswith("/") and kind in ABOUT_THE_ISSUER:
        yield _slash(assertion)
    if assertion.expires is not None and assertion.expires <= situation.now:
        yield f"this token expired at {stamp(assertion.expires)}"


def _slash(assertion: Assertion | None) -> str:
    """How the issuer of a credential may differ from that of the token in its last character."""
    if assertion is None:
        return "the slash at the issuer's end is missing, or is one too many"
    if assertion.issuer.endswith("/"):
        return f'the issuer of this token ends with a slash, "{assertion.issuer}": the credential must have it too'
    return "the credential's issuer ends with a slash, and that of this token does not"


def _validity(situation: Situation) -> str:
    assertion = situation.assertion
    if assertion is None or assertion.expires is None:
        return "of a time that is not known"
    start = f"from {stamp(assertion.issued)} " if assertion.issued is not None else ""
    return f"{start}until {stamp(assertion.expires)}"
