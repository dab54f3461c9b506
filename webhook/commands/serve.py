"""`m365wi serve`: answers kube-apiserver until SIGTERM."""

import argparse
import importlib.util
from collections.abc import Mapping, Sequence
from typing import Final

from webhook import __version__
from webhook.core.messages import message
from webhook.core.messages.settings import LIBRARY_MISSING
from webhook.logs import configure
from webhook.settings import SettingsError, add_flags, read_settings, unknown_variables

# What only this command needs: an environment with the other commands alone does not have them.
_LIBRARIES: Final = ("flask", "gunicorn", "httptools", "prometheus_client", "uvloop")
_OF_TRACING: Final = "opentelemetry.exporter.otlp.proto.http"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    add_flags(parser)


def _check_libraries(command: str, names: Sequence[str], extra: str) -> None:
    """Raises SettingsError if one is missing."""
    missing = ", ".join(name for name in names if not _is_installed(name))
    if missing:
        raise SettingsError([message(LIBRARY_MISSING, command=command, library=missing, extra=extra)])


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # what it is in is missing, too
        return False


def run(flags: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Serves until SIGTERM. Raises SettingsError."""
    _check_libraries("serve", _LIBRARIES, "[serve]")
    settings = read_settings(flags, environ)
    if settings.tracing is not None:
        _check_libraries("serve --tracing true", (_OF_TRACING,), "[serve,tracing]")
    # Not before: an environment without the server may not have them, and Windows has no `resource`.
    import resource

    from webhook.server.process import run as run_worker
    from webhook.server.worker_parts import WorkerParts

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
