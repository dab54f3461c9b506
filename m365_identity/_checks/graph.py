"""One small call to Graph with the access token: does it do what it was got for?"""

from collections.abc import Iterator
from typing import Any

from azure.core.credentials import AccessTokenInfo, TokenRequestOptions

from m365_identity._checks.found import Found
from m365_identity._checks.result import Finding, advised, fail, ok, skip, warn
from m365_identity._graph import ORGANIZATION, get
from m365_identity._text import printable
from m365_identity.errors import GraphError, M365IdentityError
from m365_identity.retry import Retry

__all__ = ["graph"]


def graph(found: Found) -> Iterator[Finding]:
    """Graph takes the token, and lets the application read who the tenant is."""
    settings, token = found.settings, found.token
    if settings is None or token is None:
        yield skip("there is no token")
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
        yield (
            _forbidden(error, found) if error.http_status == 403 and error.code else advised(_told(error), error.advice)
        )
    except M365IdentityError as error:
        yield advised(error.summary, error.advice)
    else:
        yield ok(f"GET {ORGANIZATION} answers{_tenant(answer)}")


class _Held:
    """The token that there is, as a credential."""

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


def _forbidden(error: GraphError, found: Found) -> Finding:
    """With some role, this call alone is not allowed, which need not mean a thing; without any, nothing is."""
    causes = error.advice.causes if error.advice else ()
    if found.claims is not None and found.claims.roles:
        return warn(
            f"Graph takes the token; GET {ORGANIZATION} itself needs a permission such as Organization.Read.All, which "
            "the application does not have",
            fix="nothing, if it does not read the organization: compare the roles above with what your calls need",
        )
    return fail(_told(error), *causes, fix=error.advice.fix if error.advice else "")


def _told(error: GraphError) -> str:
    identifier = f" (request id {error.request_id})" if error.request_id else ""
    return f"{error.summary}{identifier}"


def _tenant(answer: dict[str, Any]) -> str:
    entries = answer.get("value")
    first = entries[0] if isinstance(entries, list) and entries and isinstance(entries[0], dict) else {}
    name = printable(first.get("displayName") or "")
    return f": tenant {name}" if name else ""
