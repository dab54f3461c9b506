"""`m365-identity COMMAND`, or `python -m m365_identity COMMAND`.

Exit codes: 0 done; 1 signing in failed, or what came after it; 2 wrong usage or settings, all of them reported at once.
`exec` ends with the code of the command that it became, or with 126 and 127 if that cannot be run, as shells do. A
signal ends every command as it ends any program, also as process 1 of a container, where the kernel ignores most
signals; SIGTERM is the usual end of `serve` and `canary`.

Standard output has the result, standard error everything else. Only `token` prints a token.
"""

import argparse
import importlib
import logging
from collections.abc import Mapping, Sequence
from typing import Final

from m365_identity import M365IdentityError, SettingsError, __version__
from m365_identity._commands import unknown
from m365_identity._commands.output import OutputError, tell
from m365_identity._commands.signals import interruptible
from m365_identity._commands.termination import explain
from m365_identity._commands.unknown import Unknown, Word
from m365_identity._messages import message, usage

__all__ = ["main"]

PROGRAM: Final = "m365-identity"

# Imported only if it is run.
_COMMANDS: Final[Mapping[str, str]] = {
    "token": "print one access token",
    "whoami": "show what the access token says: tenant, application, roles, expiry",
    "doctor": "check every link from the token file to Graph, and show the fix for what is broken",
    "preflight": "wait until signing in and calling Graph work, or show why they do not",
    "exec": "preflight, and then become a command",
    "serve": "answer clients of managed identities on the loopback interface",
    "canary": "sign in again and again, with metrics of it",
}

# What is said of a word, and what if another was meant.
_KINDS: Final = {
    Word.COMMAND: (usage.UNKNOWN_COMMAND, usage.MISSPELT_COMMAND),
    Word.FLAG: (usage.UNKNOWN_FLAG, usage.MISSPELT_FLAG),
    Word.ARGUMENT: (usage.UNKNOWN_ARGUMENT, usage.UNKNOWN_ARGUMENT),
}
_HANDLE_SIGNALS: Final = ("exec", "serve", "canary")
_OF_CONTAINERS: Final = ("exec", "preflight", "serve", "canary")  # may be what a container runs


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command that `arguments` name. Returns the exit code."""
    given = list(arguments)
    # By hand, since releases of argparse differ in which "--" they keep.
    end = given.index("--") if "--" in given else len(given)
    given, program = given[:end], given[end + 1 :] if end < len(given) else None
    wrong = unknown.of_program(given, _COMMANDS)
    if wrong:
        return _fail("", [_told(wrong, PROGRAM)], 2)
    flags, rest = _parse(given)
    if rest:
        parser = flags.parser
        return _fail(flags.command, [_told(each, parser.prog) for each in unknown.leftover(rest, parser)], 2)
    if program is not None and flags.command != "exec":
        return _fail(flags.command, [str(message(usage.ONLY_EXEC))], 2)
    flags.program = program or []
    module = importlib.import_module(f"m365_identity._commands.{flags.command}")
    # This program reports each failure once: libraries that log it too would do so on standard error.
    logging.basicConfig(handlers=[logging.NullHandler()])
    try:
        if flags.command in _HANDLE_SIGNALS:
            return int(module.run(flags, environ))
        return int(interruptible(lambda: module.run(flags, environ)))
    except M365IdentityError as error:
        if flags.command in _OF_CONTAINERS:
            explain(error)
        is_usage = isinstance(error, SettingsError)
        return _fail(flags.command, str(error).splitlines() if is_usage else [str(error)], 2 if is_usage else 1)
    except OutputError as error:
        return _fail(flags.command, [str(error)] if str(error) else [], 1)


def _told(found: Unknown, program: str) -> str:
    plain, misspelt = _KINDS[found.kind]
    kind = misspelt if found.meant else plain
    return str(message(kind, word=found.word, meant=found.meant, program=program))


def _parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """The flags, and the words that the command does not know."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Signs a pod in to Microsoft 365 with its ServiceAccount's token and no secret.",
        epilog="Exit codes: 0 done; 1 signing in failed; 2 wrong usage or settings. "
        f"`{PROGRAM} COMMAND --help` explains each command.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=__version__)
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    name = next((argument for argument in arguments if not argument.startswith("-")), "")
    for command, summary in _COMMANDS.items():
        subparser = subparsers.add_parser(command, help=summary, allow_abbrev=False)
        if command == name:
            module = importlib.import_module(f"m365_identity._commands.{command}")
            subparser.description = f"{summary.capitalize()}."
            subparser.formatter_class = argparse.RawDescriptionHelpFormatter
            module.add_arguments(subparser)
            subparser.set_defaults(parser=subparser)
    return parser.parse_known_args(arguments)


def _fail(command: str, problems: Sequence[str], code: int) -> int:
    for problem in problems:
        tell(command, problem)
    return code
