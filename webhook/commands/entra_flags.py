"""What the commands that sign in to Entra share: their flags, the caller's credential, and the lines of --debug."""

import argparse
from collections.abc import Callable, Iterator, Mapping

from webhook.commands.printed import write_stderr
from webhook.core.clouds import CLOUDS
from webhook.core.formats import is_tenant
from webhook.core.messages import Message
from webhook.core.names import NAMESPACE_NAME
from webhook.entra import sign_in
from webhook.entra.failures import NotSignedIn
from webhook.entra.sign_in import Credential
from webhook.settings import ServeSettings, SettingsError, bad_value


def add_entra_flags(parser: argparse.ArgumentParser, *, changes: bool = False, removes: bool = False) -> None:
    """--auth, --tenant and --debug. changes: --dry-run, too. removes: --yes as well.

    The cloud is that of the settings: `add_flags(parser, only=("cloud", …))`.
    """
    parser.add_argument(
        "--auth",
        metavar="METHOD",
        default=sign_in.AUTO,
        help=f"how to sign in to Entra: {', '.join(sign_in.METHODS)} ({sign_in.AUTO})",
    )
    parser.add_argument("--tenant", metavar="TENANT", default="", help="where to sign in (that of the sign-in)")
    parser.add_argument("--debug", action="store_true", help="show each request to Microsoft on standard error")
    if changes or removes:
        parser.add_argument("--dry-run", action="store_true", help="change nothing, and print the az commands instead")
    if removes:
        parser.add_argument("--yes", action="store_true", help="really remove: without it nothing is removed")


def add_past_flags(parser: argparse.ArgumentParser, where: str) -> None:
    """--cluster-name and --former-issuer, by which a cluster knows credentials from before it was rebuilt."""
    parser.add_argument(
        "--cluster-name", metavar="NAME", default="", help=f"{where}: in the marks, so that it outlives a rebuild"
    )
    parser.add_argument(
        "--former-issuer",
        metavar="URL",
        action="append",
        default=[],
        help=f"{where}: an issuer that this cluster had, or of a cluster that is gone; may be repeated",
    )


def past_problems(flags: argparse.Namespace) -> Iterator[Message]:
    """What is wrong with the values of these two."""
    if flags.cluster_name and not NAMESPACE_NAME.fullmatch(flags.cluster_name):
        yield bad_value("--cluster-name", flags.cluster_name, "at most 63 small letters, digits and hyphens")
    for issuer in flags.former_issuer:
        yield from issuer_problems("--former-issuer", issuer)


def issuer_problems(flag: str, issuer: str) -> Iterator[Message]:
    """What is wrong with an issuer."""
    if not issuer.startswith("https://") or not issuer.isprintable() or " " in issuer:
        yield bad_value(flag, issuer, "an https URL")


def problems(flags: argparse.Namespace) -> Iterator[Message]:
    """What is wrong with the values of these flags."""
    if flags.auth not in sign_in.METHODS:
        yield bad_value("--auth", flags.auth, f"one of {', '.join(sign_in.METHODS)}")
    if flags.tenant and not is_tenant(flags.tenant):
        yield bad_value("--tenant", flags.tenant, "a tenant: its GUID or a domain")


def credential(flags: argparse.Namespace, settings: ServeSettings, environ: Mapping[str, str]) -> Credential:
    """The caller's credential, which has not asked for anything yet. Raises SettingsError if something is missing."""

    def tell(line: str) -> None:
        write_stderr([f"{flags.program}: {line}"])

    try:
        cloud = CLOUDS[settings.policy.cloud]
        return sign_in.credential(flags.auth, cloud, tenant=flags.tenant, environ=environ, tell=tell)
    except NotSignedIn as error:
        raise SettingsError([error.problem]) from None


def debug(flags: argparse.Namespace) -> Callable[[str], None] | None:
    """Shows a line of --debug; None without the flag."""
    return (lambda line: write_stderr([f"{flags.program}: {line}"])) if flags.debug else None
