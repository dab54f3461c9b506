"""The program `m365wi`, which is also `python -m webhook`, `kubectl m365wi`, and `m365-webhook` in the image.

Exit codes: 0 done, 1 refused, 2 wrong usage or no output possible, 130 stopped by Ctrl-C.

    serve, mutate, lint, explain, issuer, certs, onboard, offboard, completion
                           the command of that name
    check                  `check`, with `check_all` for -A and `check_pre` for --pre
    entra_side, entra_all  Entra's side for `check --entra`, of one ServiceAccount and of a whole cluster
    fic                    `fic`, with `fic_plan` for `plan`, `apply` and `prune`
    fic_kinds              which client ids are a managed identity's
    fic_report             how a plan is shown

    clusters, reports      what the commands for a live cluster share
    entra_flags            what the commands that sign in to Entra share
    manifest_flags         what the commands that read manifests share
    steps                  what `onboard` and `offboard` share
    printed, progress      standard output and standard error; a line while something takes time
    suggestions            what a shell offers at Tab
"""

import argparse
import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import PureWindowsPath
from types import ModuleType

from m365_identity._commands import unknown
from m365_identity._commands.unknown import Unknown, Word
from webhook import __version__
from webhook.core.messages import Message, Place, message
from webhook.core.messages import settings as kinds
from webhook.settings import SettingsError

# Each is imported only if it is used: `mutate` does not wait for the server's libraries.
COMMANDS: Mapping[str, str] = {
    "serve": "answer kube-apiserver",
    "mutate": "show what the webhook would do with manifests, without a cluster",
    "explain": "say what the webhook would do with manifests, and why: as text, or on a page in the browser",
    "lint": "say what is wrong with manifests, before they reach a cluster",
    "check": "check a live cluster: whether pods are injected, what is wrong, and how to fix it",
    "fic": "print the federated identity credential that Entra needs for a ServiceAccount",
    "onboard": "take a ServiceAccount from nothing to a pod that signs in: application, permissions, credential, proof",
    "offboard": "undo what onboard made for a ServiceAccount, and nothing else",
    "issuer": "check whether Entra can use the cluster's issuer, or write the documents to publish",
    "certs": "show the state of the certificates of a cluster, or rotate them",
    "completion": "print what makes a shell complete the commands and flags",
}
# What is said of a word, and what if another was meant.
_KINDS = {
    Word.COMMAND: (kinds.UNKNOWN_COMMAND, kinds.MISSPELT_COMMAND),
    Word.FLAG: (kinds.UNKNOWN_FLAG, kinds.MISSPELT_FLAG),
    Word.ARGUMENT: (kinds.UNKNOWN_ARGUMENT, kinds.UNKNOWN_ARGUMENT),
}
_MODULE = "python -m webhook"
_INTERRUPTED = 128 + signal.SIGINT  # as a shell says it
_EXPLAIN = "m365wi lint --explain CODE says what a code such as WI101 means, and what to do."


def program(path: str) -> str:
    """The words that started this program, by the path that it was started as: sys.argv[0]."""
    place = PureWindowsPath(path)  # which takes slashes, too
    name = place.name.removesuffix(".exe").removesuffix("-script.py")
    if name == "__main__.py":
        return f"python -m {place.parent.name}"
    return f"kubectl {name.removeprefix('kubectl-')}" if name.startswith("kubectl-") else name


def main(arguments: Sequence[str], name: str = _MODULE) -> int:
    """Runs the command that `arguments` name. name: how the program was called. Returns the exit code."""
    try:
        completing = "_ARGCOMPLETE" in os.environ
        wrong = None if completing else unknown.of_program(arguments, COMMANDS)
        if wrong:
            raise SettingsError([_told(wrong, name)])
        found = parser(arguments, name, every=completing)
        if completing:
            from webhook.commands.suggestions import complete

            complete(found)  # ends the process
        flags, rest = found.parse_known_args(arguments)
        if rest:
            raise SettingsError(_told(each, flags.program) for each in unknown.leftover(rest, flags.parser))
        code: int = _module(flags.command).run(flags, os.environ)
    except SettingsError as error:
        called = next((argument for argument in arguments if argument in COMMANDS), "")
        for problem in error.problems:
            print(f"{f'{name} {called}'.rstrip()}: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\n{name}: stopped", file=sys.stderr)
        return _INTERRUPTED
    return code


def _told(found: Unknown, program: str) -> Message:
    plain, misspelt = _KINDS[found.kind]
    return message(misspelt if found.meant else plain, Place(found.word), meant=found.meant, program=program)


def complete_for_kubectl(words: Sequence[str]) -> int:
    """The program `kubectl_complete-m365wi`: prints what kubectl offers at Tab. Returns the exit code."""
    from webhook.commands.suggestions import for_kubectl

    sys.stdout.write(for_kubectl(parser((), "kubectl m365wi", every=True), words))
    return 0


def parser(arguments: Sequence[str], name: str, *, every: bool = False) -> argparse.ArgumentParser:
    """The parser of the command that `arguments` name. every: of every command, for the completion of a shell.

    Raises SettingsError if the command needs a library that is not installed.
    """
    found = argparse.ArgumentParser(
        prog=name,
        description="Pods of an annotated ServiceAccount sign in to Microsoft 365 without a secret.",
        allow_abbrev=False,
    )
    found.add_argument("--version", action="version", version=__version__)
    subparsers = found.add_subparsers(dest="command", metavar="COMMAND", required=True)
    called = next((argument for argument in arguments if not argument.startswith("-")), "")
    for command, summary in COMMANDS.items():
        subparser = subparsers.add_parser(
            command, help=summary, description=summary, epilog=_EXPLAIN, allow_abbrev=False
        )
        subparser.set_defaults(program=f"{name} {command}", parser=subparser)
        if every:
            with contextlib.suppress(SettingsError):  # what is not installed is not completed
                _module(command).add_arguments(subparser)
        elif command == called:
            _module(command).add_arguments(subparser)
    return found


def _module(command: str) -> ModuleType:
    try:
        return importlib.import_module(f"webhook.commands.{command}")
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library in ("webhook", "certs"):
            raise
        raise SettingsError([message(kinds.LIBRARY_MISSING, command=command, library=library, extra="")]) from None
