"""`python -m webhook serve`: answers kube-apiserver until it is told to stop."""

import argparse
import resource
from collections.abc import Mapping

from webhook import __version__
from webhook.accounts import FileAccounts
from webhook.logs import configure
from webhook.settings import DEVELOPMENT, FILES, SELF_MANAGED, Settings, SettingsError, add_flags, is_pod, read_settings
from webhook.worker import Service
from webhook.worker import run as run_worker


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    add_flags(parser)


def run(flags: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Serves until SIGTERM. Raises SettingsError, with the mistakes in the files of `--accounts` too."""
    settings = read_settings(flags, environ)
    files = None
    if settings.accounts:
        try:
            files = FileAccounts.read(settings.accounts)
        except ValueError as error:
            raise SettingsError(str(error).split("; ")) from None
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold the private key that is served
    mode = _mode(settings, environ)
    log = configure(level=settings.log_level)
    log.line("info", "starting", version=__version__, settings=settings.effective() | {"certificates": mode})

    def make_service() -> Service:
        # Imported in the worker alone: its parent only watches it, and would hold 30 MB more for nothing.
        from webhook.service import service

        return service(settings, mode, files, log)

    run_worker(make_service, listen=str(settings.listen), ops_listen=str(settings.ops_listen))
    return 0


def _mode(settings: Settings, environ: Mapping[str, str]) -> str:
    """Where the certificate comes from when nobody says: given files, else the cluster of this pod, else nowhere."""
    if settings.certificates:
        return settings.certificates
    if settings.tls_cert:
        return FILES
    return SELF_MANAGED if is_pod(environ) and not settings.accounts else DEVELOPMENT
