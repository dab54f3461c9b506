"""`python -m webhook serve`: answers kube-apiserver until SIGTERM."""

import argparse
import resource
from collections.abc import Mapping

from webhook import __version__
from webhook.logs import configure
from webhook.server.process import WorkerParts
from webhook.server.process import run as run_worker
from webhook.settings import add_flags, read_settings, unknown_variables


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    add_flags(parser)


def run(flags: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Serves until SIGTERM. Raises SettingsError."""
    settings = read_settings(flags, environ)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold the private key that is served
    log = configure(level=settings.log_level)
    log.line("info", "starting", version=__version__, settings=settings.effective())
    for warning in unknown_variables(environ):
        log.line("warning", str(warning), code=warning.code, variable=warning.place.object)
    for warning in settings.accounts.warnings if settings.accounts else ():
        log.line("warning", str(warning), code=warning.code)

    def make_parts() -> WorkerParts:
        # Imported in the worker alone: the parent process only watches it, and this takes 30 MB.
        from webhook.assembly import assemble

        return assemble(settings, log)

    run_worker(make_parts, listen=str(settings.listen), ops_listen=str(settings.ops_listen))
    return 0
