"""The flags that several commands have: who signs in and where, and how long it tries."""

import argparse
import math
import os
import re
from collections.abc import Mapping
from typing import Final

from m365_identity._messages import Message, message
from m365_identity._messages import usage as messages
from m365_identity._network import trusted_authorities
from m365_identity._network.proxies import usable
from m365_identity.clouds import CLOUDS
from m365_identity.errors import SettingsError
from m365_identity.settings import Settings, settings

__all__ = ["add_patience", "add_settings", "port_number", "settings_from"]

_LONGEST: Final = 24 * 3600.0  # seconds; a longer wait is a mistake in the flag

_FLAGS: Final = {
    "tenant_id": ("ID", "the tenant, its GUID or domain (M365_TENANT_ID, AZURE_TENANT_ID)"),
    "client_id": ("GUID", "the application (M365_CLIENT_ID, AZURE_CLIENT_ID)"),
    "token_file": (
        "PATH",
        "the ServiceAccount's token, read at every exchange (M365_OIDC_TOKEN_FILE_PATH, AZURE_FEDERATED_TOKEN_FILE)",
    ),
    "cloud": (
        "NAME",
        f"one of {', '.join(CLOUDS)} (M365_CLOUD, AZURE_CLOUD; otherwise that of the login host, or public)",
    ),
    "authority": ("URL", "the login host (AZURE_AUTHORITY_HOST; otherwise the cloud's own)"),
    "graph": ("URL", "where Microsoft Graph is called (M365_GRAPH_HOST; otherwise the cloud's own)"),
}


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that say who signs in, with what, and where."""
    group = parser.add_argument_group(
        "who signs in, and where", "Each from the flag, else from the first variable that is set."
    )
    for name, (metavar, description) in _FLAGS.items():
        group.add_argument(_flag(name), metavar=metavar, help=description)


def settings_from(flags: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings in force. Raises SettingsError with every problem, also those of trusted authorities and proxies."""
    given = {name: getattr(flags, name) for name in _FLAGS}
    problems = [
        message(messages.FLAG_EMPTY, flag=_flag(name))
        for name, value in given.items()
        if value is not None and not value.strip()
    ]
    found: Settings | None = None
    known = CLOUDS["public"].authority
    checks = (
        lambda: settings(**given, environ=environ),
        lambda: trusted_authorities.check(environ),
        lambda: usable(found.authority if found else known, environ, socks=True),
    )
    for check in checks:
        try:
            answer = check()
        except SettingsError as error:
            problems += map(_with_flag, error._messages)
        else:
            found = answer if isinstance(answer, Settings) else found
    if problems or found is None:
        raise SettingsError(problems)
    return found


def add_patience(parser: argparse.ArgumentParser, *, default: float) -> None:
    """Adds `--patience`: how long a failure that can heal is tried again."""
    parser.add_argument(
        "--patience",
        type=_seconds,
        default=default,
        metavar="SECONDS",
        help="how long to try again what can heal: a federated credential that is new, throttling, 5xx, the network; "
        "0 for one attempt (%(default)g)",
    )


def port_number(text: str) -> int:
    """The type of a flag for a port to listen on; 0: any free one."""
    if not re.fullmatch("[0-9]{1,5}", text) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f'"{text}" is not a port from 0 to 65535')
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= _LONGEST:
        raise argparse.ArgumentTypeError(f'"{text}" is not a number of seconds from 0 to {_LONGEST:g}')
    return value


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _with_flag(problem: Message) -> Message:
    """A problem of an argument of the library, with the flag that it comes from as its place."""
    place = problem.values.get("place", "")
    return message(problem.kind, **{**problem.values, "place": _flag(place)}) if place in _FLAGS else problem
