"""`m365-identity preflight`: exit 0 once signing in and Microsoft Graph work, as an init container waits for."""

import argparse
import time
from collections.abc import Mapping
from typing import Final

from m365_identity._commands.options import add_patience, add_settings, settings_from
from m365_identity._commands.output import put, tell
from m365_identity._commands.readiness import progress, wait_until_ready

__all__ = ["PATIENCE", "add_arguments", "run"]

PATIENCE: Final = 300.0  # seconds; a new federated credential takes some minutes to reach all of Entra's servers


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.description = (
        "Exchanges the pod's token, and asks Microsoft Graph who the tenant is. What can heal is tried again: a\n"
        "federated credential that is new, throttling, 5xx, the network. Graph may refuse to say who the tenant is,\n"
        "if the application does not have the permission: that is an answer, too.\n\n"
        "Exit codes: 0 all of it works, and a line on standard output says so; 1 it does not, and standard error has\n"
        "the reason and the fix; 2 wrong usage or settings."
    )
    add_settings(parser)
    add_patience(parser, default=PATIENCE)


def run(flags: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Waits until all works. Raises M365IdentityError."""
    settings = settings_from(flags, environ)
    ready = wait_until_ready(settings, patience=flags.patience, environ=environ, on_retry=progress("preflight"))
    if ready.warning:
        tell("preflight", ready.warning)
    until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ready.expires_on))
    answer = "answers" if ready.may_read_organization else "answers (the application may not read the organization)"
    put(
        f"application {settings.client_id} of tenant {settings.tenant_id} is signed in until {until}, "
        f"and {settings.graph} {answer}"
    )
    return 0
