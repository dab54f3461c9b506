"""`python -m webhook serve`: answers kube-apiserver until it is told to stop."""

import argparse
import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from certs.description import Source
from certs.sources import DevelopmentSource, FilesSource
from webhook import __version__
from webhook.accounts import AccountSource, CachedAccounts, FileAccounts
from webhook.kube import ClusterAccounts
from webhook.logs import Log, configure
from webhook.metrics import Metrics
from webhook.operations import Check, create_operations, on_event_loop
from webhook.reviewer import Reviewer
from webhook.server import Application, State, running
from webhook.settings import Settings, SettingsError, add_flags, read_settings
from webhook.worker import Service
from webhook.worker import run as run_worker

_log = logging.getLogger("webhook")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    add_flags(parser, policy_only=False)


def run(flags: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Serves until SIGTERM. Raises SettingsError, with the mistakes in the files of `--accounts` too."""
    settings = read_settings(flags, environ)
    files = None
    if settings.accounts:
        try:
            files = FileAccounts.read(settings.accounts)
        except ValueError as error:
            raise SettingsError(str(error).split("; ")) from None
    elif not settings.kubeconfig and not environ.get("KUBERNETES_SERVICE_HOST"):
        raise SettingsError(
            ["where do ServiceAccounts come from? This is no pod: give --accounts PATH or --kubeconfig PATH"]
        )
    log = configure(level=settings.log_level)
    log.line("info", "starting", version=__version__, settings=settings.effective())
    run_worker(lambda: _service(settings, files, log), listen=str(settings.listen), ops_listen=str(settings.ops_listen))
    return 0


def _service(settings: Settings, files: FileAccounts | None, log: Log) -> Service:
    """Everything that a worker serves, put together in it."""
    metrics, state = Metrics(version=__version__), State()
    certificates = _certificates(settings)
    checks: dict[str, Check] = {"certificate": lambda: _certificate(certificates)}
    services = [_certificate_task(certificates, metrics)]
    source: AccountSource
    if files:
        source = files
        checks["accounts"] = lambda: (True, f"{len(files)} from files")
    else:
        cluster = ClusterAccounts(settings.kubeconfig)
        source = cluster
        checks["api-server"] = lambda: cluster.health
        services += [cluster.connected(), running("API server", cluster.ask_until_allowed)]
    reviewer = Reviewer(CachedAccounts(source, counter=metrics.lookup), settings.policy)
    return Service(
        reviews=Application(reviewer.review, metrics=metrics, log=log, state=state, services=services),
        operations=on_event_loop(create_operations(state, metrics, checks)),
        context=lambda: certificates.serving.listening_context,
        state=state,
        metrics=metrics,
    )


def _certificates(settings: Settings) -> Source:
    if settings.tls_cert:
        return FilesSource(certificate=settings.tls_cert, key=settings.tls_key)
    development = DevelopmentSource()
    _log.warning("serving a certificate of its own, for development", extra={"authority": development.authority_pem})
    return development


@asynccontextmanager
async def _certificate_task(certificates: Source, metrics: Metrics) -> AsyncIterator[None]:
    """Keeps the certificate current and its metrics true."""

    async def tell() -> None:
        while True:
            description = certificates.describe()
            if description.not_after:
                metrics.serving_not_after(description.not_after.timestamp())
            if description.authority_not_after:
                metrics.authority_not_after(description.authority_not_after.timestamp())
            if description.trust_published is not None:
                metrics.trust_published(published=description.trust_published)
            await asyncio.sleep(10)

    await certificates.start()
    async with running("certificates", certificates.run), running("certificate metrics", tell):
        yield


def _certificate(certificates: Source) -> tuple[bool, str]:
    description = certificates.describe()
    if not description.healthy:
        return False, "; ".join(str(problem) for problem in description.problems) or "none is served"
    return True, f"good until {description.not_after:%Y-%m-%d %H:%M} UTC ({description.mode})"
