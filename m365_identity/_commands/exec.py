"""`m365-identity exec -- CMD`: waits until signing in works, and then becomes CMD.

Becomes, by execve: the process stays, with its id, so CMD gets every signal and its exit code is CMD's. Nothing of this
program remains in it, and its environment, descriptors and signals are those that this program was started with. But
SIGPIPE and SIGXFSZ end it as usual, since Python does not show whether they were ignored before its own start.
"""

import argparse
import os
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from m365_identity._commands.ending import hand_over
from m365_identity._commands.options import add_patience, add_settings, settings_from
from m365_identity._commands.output import tell
from m365_identity._commands.preflight import PATIENCE
from m365_identity._commands.readiness import progress, wait_until_ready
from m365_identity._commands.signals import interruptible
from m365_identity._messages import message
from m365_identity._messages import usage as messages
from m365_identity.errors import SettingsError

__all__ = ["add_arguments", "run"]

_CANNOT_RUN: Final = 126
_NOT_FOUND: Final = 127

# Signals that Python ignores from its start on; a program would inherit that.
_IGNORED_BY_PYTHON: Final = (signal.SIGPIPE, signal.SIGXFSZ)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.usage = "m365-identity exec [flags] -- CMD [ARGUMENT ...]"
    parser.description = (
        "Does what `preflight` does, and then becomes CMD, found as a shell finds it: signals, standard streams,\n"
        "environment and exit code are CMD's own from then on, and nothing of this program stays.\n\n"
        "Exit codes before that: 1 signing in failed, and standard error has the reason and the fix; 2 wrong usage or\n"
        "settings; 126 CMD cannot be run; 127 CMD is not found, which is checked before anything else."
    )
    parser.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    add_settings(parser)
    add_patience(parser, default=PATIENCE)


def run(flags: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Becomes the command. Returns only if it cannot; raises M365IdentityError."""
    if flags.words or not flags.program:
        raise SettingsError([message(messages.NO_COMMAND)])
    command = flags.program[0]
    path = environ.get("PATH", os.defpath)
    found = shutil.which(command, path=path)
    if not found:
        return _not_found(command, path)
    settings = settings_from(flags, environ)
    ready = interruptible(
        lambda: wait_until_ready(settings, patience=flags.patience, environ=environ, on_retry=progress("exec"))
    )
    if ready.warning:
        tell("exec", ready.warning)
    for number in _IGNORED_BY_PYTHON:
        signal.signal(number, signal.SIG_DFL)
    environment = _environment(environ)
    hand_over()
    try:
        os.execve(found, flags.program, environment)  # noqa: S606  # no shell, since the command is a list
    except OSError as error:
        tell("exec", f"{command}: {error.strerror}")
        return _NOT_FOUND if isinstance(error, FileNotFoundError) else _CANNOT_RUN


def _not_found(command: str, path: str) -> int:
    """Reports why the command cannot be run. Returns the exit code."""
    places = [Path(command)] if os.sep in command else [Path(folder, command) for folder in path.split(os.pathsep)]
    if any(place.exists() for place in places):
        tell("exec", f"{command}: it exists, and cannot be run as a program")
        return _CANNOT_RUN
    tell("exec", f"{command}: not found" + ("" if os.sep in command else " on PATH"))
    return _NOT_FOUND


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` without the LC_CTYPE that Python sets for itself, and all that it starts, in the C locale (PEP 538)."""
    variables = dict(environ)
    if environ is os.environ:
        try:
            given = Path("/proc/self/environ").read_bytes()
        except OSError:
            return variables  # not Linux: one variable too many
        if not any(entry.startswith(b"LC_CTYPE=") for entry in given.split(b"\0")):
            variables.pop("LC_CTYPE", None)
    return variables
