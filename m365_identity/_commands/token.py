"""`m365-identity token`: the only command that prints a token."""

import argparse
import json
import time
from collections.abc import Mapping

from m365_identity._commands.options import add_patience, add_settings, settings_from
from m365_identity._commands.output import put
from m365_identity._messages import message
from m365_identity._messages import usage as messages
from m365_identity.credential import WorkloadIdentityCredential
from m365_identity.errors import SettingsError
from m365_identity.retry import Retry

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.description = (
        "Exchanges the pod's token for an access token, and prints it on standard output. Its reader may do all that\n"
        "the application may, until it expires: keep it out of logs and of the arguments of processes, as in\n\n"
        "  m365-identity token -o header | curl -H @- https://graph.microsoft.com/v1.0/organization\n\n"
        "-o json prints access_token, token_type (Bearer), scope, expires_on (seconds since the epoch) and expires\n"
        "(RFC 3339).\n\n"
        "Exit codes: 0 a token was printed; 1 signing in failed, and standard error has the reason and the fix;\n"
        "2 wrong usage or settings."
    )
    parser.add_argument(
        "--scope", metavar="SCOPE", help="what the token is for, a resource with /.default (Microsoft Graph's)"
    )
    parser.add_argument(
        "-o",
        "--output",
        choices=("raw", "json", "header"),
        default="raw",
        help="the token alone, a JSON object, or the header Authorization (%(default)s)",
    )
    add_settings(parser)
    add_patience(parser, default=Retry().bound)


def run(flags: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Prints a token. Raises M365IdentityError."""
    settings = settings_from(flags, environ)
    scope = settings.scope if flags.scope is None else flags.scope.strip()
    if not scope or len(scope.split()) > 1:
        raise SettingsError([message(messages.SCOPE_WRONG, value=flags.scope, scope=settings.scope)])
    with WorkloadIdentityCredential(
        settings=settings, retry=Retry(bound=flags.patience), environ=environ
    ) as credential:
        token = credential.get_token(scope)
    if flags.output == "json":
        put(
            json.dumps(
                {
                    "access_token": token.token,
                    "token_type": "Bearer",
                    "scope": scope,
                    "expires_on": token.expires_on,
                    "expires": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(token.expires_on)),
                },
                indent=2,
            )
        )
    else:
        put(f"Authorization: Bearer {token.token}" if flags.output == "header" else token.token)
    return 0
