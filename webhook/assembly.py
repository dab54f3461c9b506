"""What a worker serves, put together from the settings."""

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

from flask import Blueprint, request

from certs.clients import ClientAuthorities
from certs.development import DevelopmentSource
from certs.files import FilesSource
from certs.managed.self_dial import Dialler
from certs.managed.source import SelfManagedSource
from certs.source import CertificateSource
from webhook import __version__
from webhook.accounts.cache import CachedAccounts
from webhook.accounts.cluster import ClusterAccounts
from webhook.accounts.source import AccountSource
from webhook.cluster.certificate_objects import KubeConfiguration, KubeSecret
from webhook.cluster.kube import Kube
from webhook.core.review import without_record
from webhook.logs import Log
from webhook.metrics import Metrics
from webhook.reviewer import Reviewer
from webhook.server.application import Application
from webhook.server.background import running
from webhook.server.callers import Callers
from webhook.server.freed_memory import give_back
from webhook.server.lifecycle import Lifecycle
from webhook.server.operations import Check, create_operations, is_ready
from webhook.server.spans import ReviewSpans
from webhook.server.startup import held
from webhook.server.worker_parts import WorkerParts
from webhook.server.wsgi import on_event_loop
from webhook.settings import SELF_MANAGED, ServeSettings

# Bytes of a text for /explain: half a second of one thread at most, and a pod with forty containers has 40 KiB.
_LARGEST_EXPLAINED: Final = 64 * 1024
_log = logging.getLogger("webhook")


def assemble(settings: ServeSettings, log: Log) -> WorkerParts:
    """Everything that a worker serves."""
    metrics, lifecycle = Metrics(version=__version__), Lifecycle()
    background: list[AbstractAsyncContextManager[object]] = []
    kube, spans = _traced(settings, metrics, background)
    checks: dict[str, Check] = {}
    if settings.accounts is None or settings.certificates == SELF_MANAGED:
        background.append(kube)
    certificates = _certificates(settings, kube)
    background.append(_certificate_task(certificates))
    background.append(running("freed memory", give_back))
    checks["certificate"] = lambda: _certificate(certificates)
    callers, clients = None, None
    if settings.client_ca is not None:
        callers = Callers(names=settings.client_names, log=log)
        clients = _clients(settings.client_ca, certificates, callers)
        checks["client CA"] = clients.health
        background.append(running("client CA", clients.run))
    source: AccountSource
    if settings.accounts is not None:
        source = files = settings.accounts
        checks["accounts"] = lambda: (True, f"{len(files)} from files")
    else:
        source = cluster = ClusterAccounts(kube)
        checks["API server"] = lambda: cluster.health
        background.append(running("API server", cluster.ask_until_allowed))
    operations = create_operations(lifecycle, metrics, checks, _pages(settings))

    @operations.before_request
    def measure() -> None:
        if request.path == "/metrics":
            _measure(certificates, clients, metrics)

    reviews = partial(Application, metrics=metrics, log=log, lifecycle=lifecycle, spans=spans)
    return WorkerParts(
        reviews=_reviewing(reviews, source, settings, metrics),
        operations=held(on_event_loop(operations), lambda: is_ready(lifecycle, checks)),
        background=background,
        context=lambda: certificates.serving.listening_context,
        lifecycle=lifecycle,
        metrics=metrics,
        callers=callers,
    )


def _traced(
    settings: ServeSettings, metrics: Metrics, background: list[AbstractAsyncContextManager[object]]
) -> tuple[Kube, ReviewSpans | None]:
    """The API server, and the spans of reviews if they are traced. Otherwise OpenTelemetry is not even loaded."""
    if settings.tracing is None:
        return Kube(settings.kubeconfig), None
    from webhook.server.tracing.export import Exporting
    from webhook.server.tracing.reviews import TracedKube

    exporting = Exporting(settings.tracing)
    background.append(exporting)
    metrics.spans(exporting.counts)
    return TracedKube(settings.kubeconfig), exporting.reviews


def _pages(settings: ServeSettings) -> Sequence[Blueprint]:
    """The page of `explain`, if it is switched on. It needs YAML and templates, which take memory."""
    if not settings.explain_page:
        return ()
    from webhook.offline.explain.pages import create_explain

    return (create_explain(settings.policy, largest=_LARGEST_EXPLAINED),)


def _reviewing(
    make: Callable[..., Application], source: AccountSource, settings: ServeSettings, metrics: Metrics
) -> Application:
    accounts = CachedAccounts(source, counter=metrics.lookup)
    reviewer = Reviewer(accounts, settings.policy, kept=accounts.kept)
    return make(reviewer.review, large=reviewer.review_apart, lean=without_record)


def _clients(file: Path, certificates: CertificateSource, callers: Callers) -> ClientAuthorities:
    """Ask clients for a certificate, and have `callers` know what becomes of it."""
    certificates.serving.client_refused = callers.handshake_refused
    return ClientAuthorities(file, serving=certificates.serving, removed=callers.renew)


def _certificates(settings: ServeSettings, kube: Kube) -> CertificateSource:
    if settings.certificates == SELF_MANAGED:
        namespace, rotation = settings.policy.own_namespace, settings.rotation
        host = settings.listen.host
        return SelfManagedSource(
            secrets=KubeSecret(kube, namespace, rotation.secret),
            trust=KubeConfiguration(kube, rotation.configuration),
            settings=rotation.certs(namespace),
            dial=Dialler({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), settings.listen.port),
        )
    if settings.tls_cert:
        return FilesSource(certificate=settings.tls_cert, key=settings.tls_key, names=_expected_names(settings))
    development = DevelopmentSource(names=settings.rotation.extra_names)
    _log.warning("serving a certificate that was made for development", extra={"authority": development.authority_pem})
    return development


def _expected_names(settings: ServeSettings) -> tuple[str, ...]:
    """In a pod the name that kube-apiserver asks for. Elsewhere it calls a URL, whose name is not known here."""
    in_pod = settings.kubeconfig is None and settings.accounts is None
    return (settings.rotation.certs(settings.policy.own_namespace).name,) if in_pod else ()


@asynccontextmanager
async def _certificate_task(certificates: CertificateSource) -> AsyncIterator[None]:
    """Keep the certificate current during the block."""
    await certificates.start()
    async with running("certificates", certificates.run):
        yield


def _measure(certificates: CertificateSource, clients: ClientAuthorities | None, metrics: Metrics) -> None:
    """Set the metrics of certificates to what they are now."""
    description = certificates.describe()
    if description.not_after:
        metrics.serving_not_after(description.not_after.timestamp())
    if description.authority_not_after:
        metrics.authority_not_after(description.authority_not_after.timestamp())
    if description.trust_published is not None:
        metrics.trust_published(published=description.trust_published)
    if description.dialled is not None:
        metrics.self_dial(ok=description.dialled == "ok")
    if clients is not None and clients.not_after is not None:
        metrics.client_ca_not_after(clients.not_after.timestamp())
    metrics.certificate_events({**description.counts, **(clients.counts if clients else {})})


def _certificate(certificates: CertificateSource) -> tuple[bool, str]:
    description = certificates.describe()
    dialled = f"; a new connection to itself: {description.dialled}" if description.dialled else ""
    if not description.healthy:
        problems = [str(problem) for problem in description.problems] or [
            description.waits or "no certificate is served"
        ]
        return False, "; ".join(problems) + dialled
    return True, f"good until {description.not_after:%Y-%m-%d %H:%M} UTC ({description.mode}){dialled}"
