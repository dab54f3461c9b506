"""What the commands that read manifests share: their flags, and the policy of the webhook's own settings."""

import argparse
import sys
from collections.abc import Mapping

from webhook.core.messages import Message
from webhook.core.policy import Policy
from webhook.documents.files import STANDARD_INPUT, ManifestFiles, read_manifests
from webhook.settings import SettingsError, add_flags, read_settings


def add_manifest_flags(parser: argparse.ArgumentParser) -> None:
    """-f, -n and the settings that a decision depends on."""
    parser.add_argument(
        "-f",
        "--filename",
        metavar="FILE",
        action="append",
        default=[],
        help=f"manifests: a file, a folder, or {STANDARD_INPUT} for standard input; may be repeated",
    )
    parser.add_argument(
        "-n", "--namespace", metavar="NAMESPACE", default="default", help="of objects without one (default)"
    )
    add_flags(parser, policy_only=True)


def read_all(
    flags: argparse.Namespace, environ: Mapping[str, str], problems: list[Message]
) -> tuple[Policy, ManifestFiles]:
    """The policy and the files. Raises SettingsError with `problems`, and all that is wrong with these two."""
    policy = policy_of(flags, environ, problems)
    files = read_manifests(flags.filename, sys.stdin.buffer)
    problems += files.problems
    if problems:
        raise SettingsError(problems)
    return policy, files


def policy_of(flags: argparse.Namespace, environ: Mapping[str, str], problems: list[Message]) -> Policy:
    """The policy. problems: grows by what is wrong with the settings."""
    try:
        return read_settings(flags, environ).policy
    except SettingsError as error:
        problems += error.problems
        return Policy()
