"""What the access token says: for which API, of which application, with which permissions. Read, not verified."""

from collections.abc import Iterator

from m365_identity._advice.consent import consent
from m365_identity._checks.found import Found
from m365_identity._checks.result import LinkFinding, finding
from m365_identity._messages import graph as messages
from m365_identity._text import duration, listed, shown, stamp
from m365_identity._tokens.access_token import decode

__all__ = ["access_token", "roles"]


def access_token(found: Found) -> Iterator[LinkFinding]:
    """It is for Graph, of this application, and valid now."""
    settings, token = found.settings, found.token
    if settings is None or token is None:
        yield finding(messages.NO_TOKEN)
        return
    try:
        found.claims = claims = decode(token.token)
    except ValueError:
        yield finding(messages.OPAQUE)
        return
    left = None if claims.expires is None else claims.expires - found.now
    wanted = settings.scope.removesuffix("/.default")
    audience = shown(claims.audience)
    if claims.audience.rstrip("/") not in (wanted, messages.API_ID):
        yield finding(messages.FOR_ANOTHER_API, audience=audience or "no API", expected=wanted)
    elif claims.client_id and claims.client_id.lower() != settings.client_id.lower():
        yield finding(messages.OF_ANOTHER_APPLICATION, application=shown(claims.client_id), expected=settings.client_id)
    elif left is not None and left <= 0:
        yield finding(messages.EXPIRED, end=stamp(claims.expires or 0), ago=duration(left))
    else:
        name = f' "{shown(claims.application)}"' if claims.application else ""
        until = f", until {stamp(claims.expires)}" if claims.expires is not None else ""
        yield finding(messages.ACCESS_TOKEN, audience=audience, application=settings.client_id, name=name, until=until)


def roles(found: Found) -> Iterator[LinkFinding]:
    """The application permissions that an administrator has consented to."""
    if found.claims is None or found.settings is None:
        yield finding(messages.OPAQUE_ROLES)
    elif found.claims.roles:
        yield finding(messages.ROLES, roles=listed([shown(role) for role in sorted(found.claims.roles)]))
    else:
        settings = found.settings
        values = {"client": settings.client_id, "graph": settings.graph, "consent": consent(settings)}
        yield finding(messages.NO_ROLES, **values)
