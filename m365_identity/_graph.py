"""One small call to Microsoft Graph for the commands: does the token do what it was got for?"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, Final

from azure.core.credentials import SupportsTokenInfo, TokenCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError

from m365_identity import _failures
from m365_identity._advice.advise import advice_of
from m365_identity._advice.consent import consent
from m365_identity._advice.network import Way, no_answer
from m365_identity._attempts import Attempts, may_heal
from m365_identity._failures import Failure, FailureKind
from m365_identity._messages import Kind, message
from m365_identity._messages import graph as messages
from m365_identity._messages.network import STATE_LOSS
from m365_identity._network import trusted_authorities
from m365_identity._network.proxies import Proxy, usable
from m365_identity.errors import Advice, GraphError, M365IdentityError, NoAnswerError, UnreachableError
from m365_identity.retry import Clock, OnRetry, Retry
from m365_identity.settings import Settings

__all__ = ["ORGANIZATION", "get"]

ORGANIZATION: Final = "/v1.0/organization"
"""Who the tenant is; needs a role such as Organization.Read.All."""


def get(
    path: str,
    *,
    credential: TokenCredential | SupportsTokenInfo,
    settings: Settings,
    retry: Retry = Retry(),  # noqa: B008  # frozen
    on_retry: OnRetry | None = None,
    environ: Mapping[str, str] = os.environ,
    clock: Clock = Clock(),  # noqa: B008  # frozen
) -> dict[str, Any]:
    """Graph's answer to `GET path`, such as "/v1.0/organization".

    Throttling, 5xx and the network are tried again for as long as `retry` says. Raises GraphError, UnreachableError or
    NoAnswerError, and what the credential raises.
    """
    url = f"{settings.graph}{path}"
    attempts = Attempts(retry, clock)
    # With a token, the login host has been reached.
    proxy = usable(settings.graph, os.environ, socks=True)
    way = Way(url=settings.graph, proxy=proxy, consequence=STATE_LOSS)
    with _client(credential, settings, environ, proxy) as client:
        while True:
            answer = _request(client, url, attempts.silence())
            error: M365IdentityError
            if isinstance(answer, Failure):
                failure, error = answer, _network_error(answer, way, attempts)
            else:
                outcome = _judge(answer, path, settings, clock.wall())
                if isinstance(outcome, dict):
                    return outcome
                failure, error = outcome
            pause = attempts.pause(failure)
            if pause is None:
                raise error
            if on_retry:
                on_retry(error, pause)
            clock.sleep(pause)


def _client(
    credential: TokenCredential | SupportsTokenInfo, settings: Settings, environ: Mapping[str, str], proxy: Proxy | None
) -> Any:
    from azure.core import PipelineClient
    from azure.core.pipeline.policies import BearerTokenCredentialPolicy, UserAgentPolicy

    from m365_identity._network.requests_transport import transport

    policies = [UserAgentPolicy("m365-identity"), BearerTokenCredentialPolicy(credential, settings.scope)]
    wires = transport(trust=trusted_authorities.authorities(environ), proxy=proxy)
    return PipelineClient[Any, Any](settings.graph, policies=policies, transport=wires)


def _request(client: Any, url: str, silence: float) -> Any:
    """The answer to GET `url`, or the Failure to get one. Raises what the credential raises."""
    from azure.core.rest import HttpRequest

    request = HttpRequest("GET", url, headers={"Accept": "application/json"})
    try:
        return client.send_request(request, connection_timeout=silence, read_timeout=silence)
    except ClientAuthenticationError:
        raise  # the credential's own, which has tried again itself
    except AzureError as error:
        return _failures.from_exception(error)


def _judge(answer: Any, path: str, settings: Settings, now: float) -> dict[str, Any] | tuple[Failure, GraphError]:
    """The document that Graph sent, or what is wrong with its answer."""
    try:
        document = json.loads(answer.content)
    except (ValueError, RecursionError):
        document = None
    if answer.status_code == 200 and isinstance(document, dict):
        return document
    stated = document.get("error") if isinstance(document, dict) else None
    stated = stated if isinstance(stated, dict) else {}
    code, message = _failures.plain(stated.get("code") or "", 80), _failures.plain(stated.get("message") or "")
    status = answer.status_code
    words = code or ("a body that is not a JSON object" if status == 200 else "not one of Graph's errors")
    failure = Failure(
        kind=FailureKind.REFUSED if code else FailureKind.STRANGE,
        description=words,
        http_status=status,
        error=code,
        retry_after=_failures.retry_after(answer.headers, now),
    )
    error = GraphError(
        f"Graph answered GET {path} with HTTP {status} ({words})",
        details=f"\nGraph: {message}" if message else "",
        http_status=status,
        code=code,
        request_id=_failures.plain(answer.headers.get("request-id", ""), 80),
        advice=_advice(status, code, settings),
        may_heal=may_heal(failure),
    )
    return failure, error


def _advice(status: int, code: str, settings: Settings) -> Advice:
    if status == 403 and code:
        return _explain(messages.FORBIDDEN, settings)
    if status == 401 and code:
        return _explain(messages.UNAUTHORIZED, settings)
    if status == 429 or status >= 500:
        return _explain(messages.BUSY, settings)
    return _explain(messages.NOT_GRAPH, settings)


def _explain(kind: Kind, settings: Settings) -> Advice:
    values = {"client": settings.client_id, "graph": settings.graph, "scope": settings.scope}
    return advice_of(message(kind, consent=consent(settings), **values))


def _network_error(failure: Failure, way: Way, attempts: Attempts) -> M365IdentityError:
    kind = NoAnswerError if failure.kind is FailureKind.NO_ANSWER else UnreachableError
    return kind(
        f"no answer from {way.url} ({failure})",
        host=way.url,
        advice=advice_of(no_answer(failure, way) or message(messages.UNREACHABLE, graph=way.url)),
        attempts=attempts.count,
        may_heal=may_heal(failure),
    )
