"""The login host as Entra: it knows the tenant, and its clock and ours agree."""

import json
from collections.abc import Iterator
from typing import Any, Final

from azure.core.exceptions import AzureError

from m365_identity import _failures
from m365_identity._advice.advise import Situation, advise
from m365_identity._checks.found import Found
from m365_identity._checks.result import LinkFinding, LinkStatus, finding
from m365_identity._failures import Failure, FailureKind
from m365_identity._messages import graph as messages
from m365_identity._text import duration, shown

__all__ = ["clock", "discovery"]

_TOLERATED: Final = 300.0  # seconds by which Entra lets times be off
_NOTICED: Final = 30.0  # seconds: the least that is reported, since answers and dates are not exact


def discovery(found: Found) -> Iterator[LinkFinding]:
    """The tenant's OpenID configuration, which Terraform's provider reads before it asks for a token."""
    settings = found.settings
    if settings is None:
        yield finding(messages.NO_TENANT)
        return
    answer = _get(f"{settings.authority}{settings.tenant_id}/v2.0/.well-known/openid-configuration", found)
    failure = answer if isinstance(answer, Failure) else _judge(answer, found)
    if failure is None:
        yield finding(messages.TENANT, tenant=settings.tenant_id, login=settings.authority)
        return
    situation = Situation(
        settings=settings,
        tenant_id=settings.tenant_id,
        scope=settings.scope,
        assertion=found.assertion,
        now=found.now,
        proxy=found.sites["login"].proxy,
    )
    advice = advise(failure, situation)
    yield LinkFinding(
        status=LinkStatus.FAIL,
        code=advice.code,
        detail=f"{failure}: {advice.meaning}",
        causes=advice.causes,
        fix=advice.fix,
    )


def clock(found: Found) -> Iterator[LinkFinding]:
    """This clock and the login host's: Entra lets times be off by five minutes."""
    if found.settings is None and found.place is not None:
        # No request was made yet: without an application the tenant's configuration was not looked at.
        _get(f"{found.place.authority}common/v2.0/.well-known/openid-configuration", found)
    if found.skew is None:
        yield finding(messages.NO_DATE)
        return
    values = {"skew": duration(found.skew), "direction": "behind" if found.skew > 0 else "ahead of"}
    if abs(found.skew) > _TOLERATED:
        yield finding(messages.CLOCK_WRONG, **values)
    elif abs(found.skew) > _NOTICED:
        yield finding(messages.CLOCK_OFF, **values, tolerated=duration(_TOLERATED))
    else:
        yield finding(messages.CLOCK)


def _get(url: str, found: Found) -> Any:
    """The answer to GET `url`, or the Failure to get one."""
    from azure.core import PipelineClient
    from azure.core.pipeline.policies import UserAgentPolicy
    from azure.core.rest import HttpRequest

    from m365_identity._network.requests_transport import transport

    policies = [UserAgentPolicy("m365-identity")]
    wires = transport(trust=found.trust, proxy=found.sites["login"].proxy)
    with PipelineClient[Any, Any](url, policies=policies, transport=wires) as client:
        before = found.clock.wall()
        try:
            answer = client.send_request(
                HttpRequest("GET", url, headers={"Accept": "application/json"}),
                connection_timeout=found.silence,
                read_timeout=found.silence,
            )
        except AzureError as error:
            return _failures.from_exception(error)
        found.skew = _failures.clock_skew(answer.headers, (before + found.clock.wall()) / 2)
        return answer


def _judge(answer: Any, found: Found) -> Failure | None:
    """What is wrong with the answer, None if it is a tenant's configuration."""
    try:
        document = json.loads(answer.content)
    except (ValueError, RecursionError):
        document = None
    if answer.status_code == 200:
        if isinstance(document, dict) and isinstance(document.get("token_endpoint"), str):
            return None
        content_type = shown(answer.headers.get("Content-Type", "")) or "none"
        return Failure(
            kind=FailureKind.STRANGE,
            description=f"content of type {content_type} instead of a configuration",
            http_status=200,
        )
    return _failures.from_answer(
        status=answer.status_code, headers=answer.headers, body=answer.content, now=found.clock.wall()
    )
