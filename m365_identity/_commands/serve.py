"""`m365-identity serve`: tokens for programs in the same pod that know managed identities only."""

from __future__ import annotations

import argparse
import http.client
import re
import resource
import threading
from collections.abc import Mapping
from types import FrameType
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn
from urllib.parse import urlsplit

from m365_identity._commands.endpoint import ADDRESS, HEALTH, Endpoint
from m365_identity._commands.metrics_port import PATH, MetricsPort
from m365_identity._commands.options import add_patience, add_settings, port_number, settings_from
from m365_identity._commands.output import put, tell
from m365_identity._commands.signals import interruptible
from m365_identity._messages import Message, message
from m365_identity._messages import usage as messages
from m365_identity.credential import WorkloadIdentityCredential
from m365_identity.errors import SettingsError
from m365_identity.retry import Retry
from m365_identity.settings import Settings

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from m365_identity.metrics import SignInMetrics

__all__ = ["add_arguments", "run"]

# Seconds. Entra's usual Retry-After is 60, and may come twice; Terraform's provider gives a resource 180, and ends in a
# panic if it sees a 429 or 5xx itself.
_PATIENCE: Final = 150.0
_OF_TERRAFORM: Final = "managed_identity"  # the method by which its provider asks this endpoint
_CHECK_SECONDS: Final = 5.0  # for an answer over loopback
_HEADER: Final = re.compile(r"[!-~]{8,256}")
_PATH: Final = re.compile(r"[A-Za-z0-9/._~-]*")


class _Address(NamedTuple):
    port: int
    path: str

    @property
    def url(self) -> str:
        return f"http://{ADDRESS}:{self.port}{self.path}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.description = (
        "Speaks App Service's managed identity protocol (api-version 2019-08-01) on 127.0.0.1, for the Azure SDKs and\n"
        "MSAL in the pod, until SIGTERM. Both sides have the same two variables:\n\n"
        "  IDENTITY_ENDPOINT   where: http://127.0.0.1:PORT/PATH\n"
        "  IDENTITY_HEADER     the secret that clients send: 8 to 256 visible ASCII characters\n\n"
        f"{HEALTH} on the same port answers 200 without the secret. The kubelet cannot ask it, since it is not in the\n"
        "pod's network: let the probe run `m365-identity serve --check`.\n\n"
        "With --metrics-port, /metrics on a port of its own has the metrics of signing in for Prometheus, on every\n"
        "address of the pod. It never gives a token. If that port is taken, tokens are served all the same.\n\n"
        "Standard error has a line for each request for a token, without the token.\n\n"
        "Exit codes: 0 ended by SIGTERM, SIGINT or SIGHUP, or --check found it healthy; 1 the port cannot be used, or\n"
        "--check found nothing healthy; 2 wrong usage or settings."
    )
    parser.add_argument("--endpoint", metavar="URL", help="in place of IDENTITY_ENDPOINT; port 0: any free one")
    parser.add_argument("--check", action="store_true", help="ask the server of this pod whether it is healthy")
    parser.add_argument(
        "--metrics-port", type=port_number, metavar="PORT", help="serve metrics there; 0: at any free one"
    )
    add_settings(parser)
    add_patience(parser, default=_PATIENCE)


def run(flags: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Serves until a signal."""
    problems: list[Message] = []
    address = _address(flags, environ, problems)
    if flags.check:
        if problems:
            raise SettingsError(problems)
        return _check(address)
    header = environ.get("IDENTITY_HEADER", "")
    if not _HEADER.fullmatch(header):
        problems.append(message(messages.HEADER_WRONG, problem="holds something else" if header else "is not set"))
    settings: Settings | None = None
    try:
        settings = settings_from(flags, environ)
    except SettingsError as error:
        problems += error._messages
    metrics = None if flags.metrics_port is None else _metrics(problems)
    if problems or settings is None:
        raise SettingsError(problems)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold the tokens
    with WorkloadIdentityCredential(
        settings=settings,
        retry=Retry(bound=flags.patience),
        environ=environ,
        metrics=metrics.counts if metrics else None,
    ) as credential:
        try:
            endpoint = Endpoint(
                port=address.port,
                path=address.path,
                header=header,
                client_id=settings.client_id,
                get_token=credential.get_token,
                log=lambda line: tell("serve", line),
                for_terraform=environ.get("M365_AUTH_METHOD", "").strip() == _OF_TERRAFORM,
            )
        except OSError as error:
            tell("serve", f"cannot listen on {address.url}: {error.strerror}")
            return 1
        return _serve(endpoint, settings, metrics and metrics.port(flags.metrics_port))


class _Metrics(NamedTuple):
    """What --metrics-port shows."""

    counts: SignInMetrics
    registry: CollectorRegistry

    def port(self, number: int) -> MetricsPort | None:
        """The server of metrics; None if it cannot listen: tokens are given all the same."""
        from prometheus_client import generate_latest

        try:
            return MetricsPort(port=number, exposition=lambda: generate_latest(self.registry))
        except OSError as error:
            tell("serve", f"no metrics: cannot listen on port {number}: {error.strerror}")
            return None


def _metrics(problems: list[Message]) -> _Metrics | None:
    """What counts; adds to `problems` if prometheus-client is missing."""
    try:
        from prometheus_client import CollectorRegistry

        from m365_identity.metrics import SignInMetrics
    except ImportError:
        problems.append(message(messages.METRICS_WITHOUT_CLIENT, place="--metrics-port"))
        return None
    registry = CollectorRegistry()
    return _Metrics(SignInMetrics(registry), registry)


class _Stopped(BaseException):
    """A signal came."""


def _serve(endpoint: Endpoint, settings: Settings, metrics: MetricsPort | None) -> int:
    """Serves until a signal; requests that are not answered yet end with the process."""

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        raise _Stopped

    where = _Address(endpoint.server_address[1], endpoint.path).url

    def serve() -> None:
        # Reported here, where signals are handled already.
        tell("serve", f"tokens of application {settings.client_id}, tenant {settings.tenant_id}, at {where}")
        if metrics is not None:
            tell("serve", f"metrics at port {metrics.server_address[1]}, {PATH}")
            threading.Thread(target=metrics.serve_forever, name="metrics", daemon=True).start()
        endpoint.serve_forever()

    try:
        interruptible(serve, handler=stop)
    except _Stopped:
        return 0
    tell("serve", "the server has stopped by itself")
    return 1


def _check(address: _Address) -> int:
    connection = http.client.HTTPConnection(ADDRESS, address.port, timeout=_CHECK_SECONDS)
    try:
        connection.request("GET", HEALTH)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        tell("serve", f"nothing healthy at {address.url}: {getattr(error, 'strerror', None) or type(error).__name__}")
        return 1
    finally:
        connection.close()
    if status != http.client.OK:
        tell("serve", f"nothing healthy at {address.url}: HTTP {status}")
        return 1
    put("healthy")
    return 0


def _address(flags: argparse.Namespace, environ: Mapping[str, str], problems: list[Message]) -> _Address:
    """Where to serve; adds to `problems`."""
    name = "IDENTITY_ENDPOINT" if flags.endpoint is None else "--endpoint"
    text = (environ.get(name, "") if flags.endpoint is None else flags.endpoint).strip()
    if not text:
        what = "not set" if flags.endpoint is None else "empty"
        problems.append(message(messages.ENDPOINT_MISSING, place=name, problem=what, address=ADDRESS))
        return _Address(0, "")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    good = parts.scheme == "http" and parts.netloc == f"{ADDRESS}:{port}" and port is not None
    if not good or parts.query or parts.fragment or not _PATH.fullmatch(parts.path) or parts.path == HEALTH:
        problems.append(message(messages.ENDPOINT_WRONG, place=name, value=ascii(text), address=ADDRESS))
        return _Address(0, "")
    return _Address(port or 0, parts.path)
