"""What the access token says: for which API, of which application, with which permissions. Read, not verified."""

from collections.abc import Iterator
from typing import Final

from m365_identity._checks.found import Found
from m365_identity._checks.result import Finding, fail, ok, skip, warn
from m365_identity._text import duration, listed, printable, stamp
from m365_identity._tokens.access_token import decode

__all__ = ["access_token", "roles"]

_GRAPH: Final = "00000003-0000-0000-c000-000000000000"
"""Graph's own application id, which may stand for its address."""


def access_token(found: Found) -> Iterator[Finding]:
    """It is for Graph, of this application, and valid now."""
    settings, token = found.settings, found.token
    if settings is None or token is None:
        yield skip("there is no token")
        return
    try:
        found.claims = claims = decode(token.token)
    except ValueError:
        yield ok("it cannot be read, as Entra is free to have it")
        return
    left = None if claims.expires is None else claims.expires - found.now
    wanted = settings.scope.removesuffix("/.default")
    if claims.audience.rstrip("/") not in (wanted, _GRAPH):
        yield fail(
            f"it is for {printable(claims.audience) or 'nobody'}, and not for {wanted}: Graph answers 401",
            fix="see the cloud, and whether the login host is the right one",
        )
    elif claims.client_id and claims.client_id.lower() != settings.client_id.lower():
        yield fail(
            f"it is of application {printable(claims.client_id)}, and {settings.client_id} was asked for",
            fix="see whether the login host is the right one",
        )
    elif left is not None and left <= 0:
        yield fail(
            f"it expired at {stamp(claims.expires or 0)}, {duration(left)} ago, by the login host's clock",
            fix="see the clock check; if that is good, see whether a cache answers in the login host's place",
        )
    else:
        named = f' "{printable(claims.application)}"' if claims.application else ""
        until = f", until {stamp(claims.expires)}" if claims.expires is not None else ""
        yield ok(f"for {printable(claims.audience)}, of application {settings.client_id}{named}{until}")


def roles(found: Found) -> Iterator[Finding]:
    """The application permissions that an administrator has consented to."""
    if found.claims is None or found.settings is None:
        yield skip("the access token cannot be read")
        return
    if found.claims.roles:
        yield ok(listed([printable(role) for role in sorted(found.claims.roles)]))
        return
    client = found.settings.client_id
    yield warn(
        "none: the token is good, and Graph answers 403 to nearly everything",
        "no application permission was added (delegated permissions do not count)",
        "a permission was added, and no administrator has consented to it",
        "the application has a directory role instead, which the token does not show here",
        fix=f"az ad app permission add --id {client} --api {_GRAPH} --api-permissions PERMISSION_ID=Role; "
        f"az ad app permission admin-consent --id {client}",
    )
