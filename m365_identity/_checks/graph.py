"""One small call to Graph with the access token: does it do what it was got for?"""

from collections.abc import Iterator
from typing import Any

from azure.core.credentials import AccessTokenInfo, TokenRequestOptions

from m365_identity._checks.found import Found
from m365_identity._checks.result import LinkFinding, failed, finding
from m365_identity._graph import ORGANIZATION, get
from m365_identity._messages import graph as messages
from m365_identity._text import shown
from m365_identity.errors import GraphError, M365IdentityError
from m365_identity.retry import Retry

__all__ = ["graph"]


def graph(found: Found) -> Iterator[LinkFinding]:
    """Graph takes the token, and lets the application read who the tenant is."""
    settings, token = found.settings, found.token
    if settings is None or token is None:
        yield finding(messages.NO_TOKEN)
        return
    try:
        answer = get(
            ORGANIZATION,
            credential=_Held(token),
            settings=settings,
            retry=Retry(bound=0, silence=found.silence),
            environ=found.environ,
            clock=found.clock,
        )
    except GraphError as error:
        if messages.FORBIDDEN.code in error.codes and found.claims is not None and found.claims.roles:
            # With some role, only this call is forbidden, which need not matter; without any role, every call is.
            yield finding(messages.NOT_PERMITTED_HERE, path=ORGANIZATION)
        else:
            yield failed(error, f"{error.summary} (request id {error.request_id})" if error.request_id else "")
    except M365IdentityError as error:
        yield failed(error)
    else:
        yield finding(messages.ORGANIZATION, path=ORGANIZATION, tenant=_tenant(answer))


class _Held:
    """The known token, as a credential."""

    def __init__(self, token: AccessTokenInfo) -> None:
        self._token = token

    def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        return self._token

    def close(self) -> None:
        """There is nothing to close."""

    def __enter__(self) -> "_Held":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _tenant(answer: dict[str, Any]) -> str:
    entries = answer.get("value")
    first = entries[0] if isinstance(entries, list) and entries and isinstance(entries[0], dict) else {}
    name = shown(first.get("displayName") or "")
    return f": tenant {name}" if name else ""
