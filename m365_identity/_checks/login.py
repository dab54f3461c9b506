"""The login host as Entra: it knows the tenant, and its clock and ours agree."""

import json
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any, Final

from azure.core.exceptions import AzureError

from m365_identity import _failures
from m365_identity._advice.advise import Situation, advise
from m365_identity._checks.found import Found
from m365_identity._checks.result import Finding, advised, fail, ok, skip, warn
from m365_identity._failures import Failure, FailureKind
from m365_identity._text import duration, printable

__all__ = ["clock", "discovery"]

_TOLERATED: Final = 300.0  # seconds by which Entra lets times be off
_NOTICED: Final = 30.0
_SYNCHRONISE: Final = "have the clock of this node synchronised (chrony, NTP); compare with `date -u`"


def discovery(found: Found) -> Iterator[Finding]:
    """The tenant's OpenID configuration, which Terraform's provider reads before it asks for a token."""
    settings = found.settings
    if settings is None:
        yield skip("the tenant is not known")
        return
    answer = _get(f"{settings.authority}{settings.tenant_id}/v2.0/.well-known/openid-configuration", found)
    failure = answer if isinstance(answer, Failure) else _judged(answer, found)
    if failure is None:
        yield ok(f"tenant {settings.tenant_id} is known at {settings.authority}")
        return
    situation = Situation(
        settings=settings,
        tenant_id=settings.tenant_id,
        scope=settings.scope,
        assertion=found.assertion,
        now=found.now,
    )
    advice = advise(failure, situation)
    yield advised(f"{failure}: {advice.meaning}", advice)


def clock(found: Found) -> Iterator[Finding]:
    """This clock and the login host's: Entra lets times be off by five minutes."""
    if found.settings is None and found.place is not None:
        # Nobody has asked so far: without an application the tenant's configuration was not looked at.
        _get(f"{found.place.authority}common/v2.0/.well-known/openid-configuration", found)
    if found.skew is None:
        yield skip("the login host did not say what time it is")
        return
    direction = "behind" if found.skew > 0 else "ahead of"
    detail = f"this clock is {duration(found.skew)} {direction} that of the login host"
    if abs(found.skew) > _TOLERATED:
        yield fail(
            f"{detail}: tokens count as valid or expired at the wrong time",
            "the node's clock is not synchronised, or a virtual machine was suspended",
            "the answer comes from a cache or proxy and not from the login host",
            fix=_SYNCHRONISE,
        )
    elif abs(found.skew) > _NOTICED:
        yield warn(f"{detail}; Entra lets it be off by {duration(_TOLERATED)}", fix=_SYNCHRONISE)
    else:
        yield ok("it agrees with the login host's")


def _get(url: str, found: Found) -> Any:
    """The answer to GET `url`, or the Failure that kept it away."""
    from azure.core import PipelineClient
    from azure.core.pipeline.policies import UserAgentPolicy
    from azure.core.rest import HttpRequest

    from m365_identity._network.requests_transport import transport

    policies = [UserAgentPolicy("m365-identity")]
    with PipelineClient[Any, Any](url, policies=policies, transport=transport(verify=found.verify)) as client:
        before = found.clock.wall()
        try:
            answer = client.send_request(
                HttpRequest("GET", url, headers={"Accept": "application/json"}),
                connection_timeout=found.silence,
                read_timeout=found.silence,
            )
        except AzureError as error:
            return _failures.from_exception(error)
        found.skew = _skew(answer.headers.get("Date", ""), (before + found.clock.wall()) / 2)
        return answer


def _skew(date: str, here: float) -> float | None:
    """Seconds by which the other clock is ahead; None if it does not say. Its seconds are whole ones, cut off."""
    try:
        return parsedate_to_datetime(date).timestamp() + 0.5 - here
    except (ValueError, TypeError, OverflowError):
        return None


def _judged(answer: Any, found: Found) -> Failure | None:
    """What is wrong with the answer, None if it is a tenant's configuration."""
    try:
        document = json.loads(answer.content)
    except (ValueError, RecursionError):
        document = None
    if answer.status_code == 200:
        if isinstance(document, dict) and isinstance(document.get("token_endpoint"), str):
            return None
        content_type = printable(answer.headers.get("Content-Type", "")) or "none"
        return Failure(
            kind=FailureKind.STRANGE,
            description=f"content of type {content_type} instead of a configuration",
            http_status=200,
        )
    return _failures.from_answer(
        status=answer.status_code, headers=answer.headers, body=answer.content, now=found.clock.wall()
    )
