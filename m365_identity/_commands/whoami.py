"""`m365-identity whoami`: what the access token for Microsoft Graph says about itself, and never the token."""

import argparse
import json
import time
from collections.abc import Mapping
from typing import Any

from azure.core.credentials import AccessToken

from m365_identity._commands.options import add_patience, add_settings, settings_from
from m365_identity._commands.output import put, tell
from m365_identity._text import one_line
from m365_identity._tokens import access_token
from m365_identity.credential import WorkloadIdentityCredential
from m365_identity.retry import Retry
from m365_identity.settings import Settings

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.description = (
        "Signs in, and shows what the access token for Microsoft Graph says: tenant, application, roles, expiry.\n"
        "Roles are the application permissions that an administrator has consented to.\n\n"
        "-o json prints tenant_id, client_id, application (its name), object_id (of the service principal), roles (a\n"
        "list), audience, issuer, expires_on (seconds since the epoch) and expires (RFC 3339); null stands for what\n"
        "the token does not say, which Microsoft does not promise to keep readable.\n\n"
        "Exit codes: 0 signed in; 1 not, and standard error has the reason and the fix; 2 wrong usage or settings."
    )
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="(%(default)s)")
    add_settings(parser)
    add_patience(parser, default=Retry().bound)


def run(flags: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Shows who signs in. Raises M365IdentityError."""
    settings = settings_from(flags, environ)
    with WorkloadIdentityCredential(
        settings=settings, retry=Retry(bound=flags.patience), environ=environ
    ) as credential:
        token = credential.get_token(settings.scope)
    described = _describe(token, settings)
    put(json.dumps(described, indent=2) if flags.output == "json" else _text(described))
    return 0


def _describe(token: AccessToken, settings: Settings) -> dict[str, Any]:
    """What the JSON output has. Tenant and application are those of the settings if the token cannot be read."""
    known: dict[str, Any] = {"tenant_id": settings.tenant_id, "client_id": settings.client_id}
    try:
        claims = access_token.decode(token.token)
    except ValueError as error:
        tell("whoami", str(error))
        known |= dict.fromkeys(("application", "object_id", "roles", "audience", "issuer"))
    else:
        known = {
            "tenant_id": claims.tenant_id or settings.tenant_id,
            "client_id": claims.client_id or settings.client_id,
            "application": claims.application or None,
            "object_id": claims.object_id or None,
            "roles": list(claims.roles),
            "audience": claims.audience or None,
            "issuer": claims.issuer or None,
        }
    expires = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(token.expires_on))
    return known | {"expires_on": token.expires_on, "expires": expires}


def _text(described: Mapping[str, Any]) -> str:
    unknown = "(the token does not say)"
    roles = described["roles"]
    name = described["application"]
    lines = {
        "tenant": described["tenant_id"],
        "application": described["client_id"] + (f" ({name})" if name else ""),
        "object id": described["object_id"] or unknown,
        "roles": unknown
        if roles is None
        else ", ".join(roles) or "none: Microsoft Graph will refuse nearly everything",
        "audience": described["audience"] or unknown,
        "expires": described["expires"],
    }
    # A name and a role can hold anything that an administrator has typed: they start no line of their own.
    return "\n".join(f"{name:<12} {one_line(value)}" for name, value in lines.items())
