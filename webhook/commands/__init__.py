"""The commands of `python -m webhook`. Exit codes: 0 done, 1 refused, 2 wrong usage or no output possible."""

import argparse
import importlib
import os
import sys
from collections.abc import Mapping, Sequence

from webhook import __version__
from webhook.settings import SettingsError

# Each is imported only if it is used: `mutate` does not wait for the server's libraries.
_COMMANDS: Mapping[str, str] = {
    "serve": "answer kube-apiserver",
    "mutate": "show what the webhook would do with manifests, without a cluster",
    "check": "check a live cluster: whether pods are injected, what is wrong, and how to fix it",
    "fic": "print the federated identity credential that Entra needs for a ServiceAccount",
    "issuer": "check whether Entra can use the cluster's issuer, or write the documents to publish",
    "certs": "show the state of the certificates of a cluster, or rotate them",
}


def main(arguments: Sequence[str]) -> int:
    """Runs the command that `arguments` name. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m webhook",
        description="Pods of an annotated ServiceAccount sign in to Microsoft 365 without a secret.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=__version__)
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    name = next((argument for argument in arguments if not argument.startswith("-")), "")
    for command, summary in _COMMANDS.items():
        subparser = subparsers.add_parser(command, help=summary, description=summary, allow_abbrev=False)
        if command == name:
            module = importlib.import_module(f"webhook.commands.{command}")
            module.add_arguments(subparser)
    flags = parser.parse_args(arguments)
    module = importlib.import_module(f"webhook.commands.{flags.command}")
    try:
        code: int = module.run(flags, os.environ)
    except SettingsError as error:
        for problem in error.problems:
            print(f"python -m webhook {flags.command}: {problem}", file=sys.stderr)
        return 2
    return code
