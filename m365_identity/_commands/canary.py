"""`m365-identity canary`: signs in again and again, so that an alert says that sign-ins fail before users do."""

import argparse
import os
import re
import threading
from collections.abc import Mapping
from types import FrameType
from typing import Final, NoReturn

from m365_identity._commands.metrics_port import MetricsPort
from m365_identity._commands.options import add_settings, port_number, settings_from
from m365_identity._commands.output import tell
from m365_identity._commands.signals import interruptible
from m365_identity._messages import message
from m365_identity._messages import usage as messages
from m365_identity.errors import SettingsError

__all__ = ["add_arguments", "run"]

_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0}
_LONGEST: Final = 24 * 3600.0  # seconds
_PORT: Final = 9464


class _Stopped(BaseException):
    """A signal came."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.description = (
        "Exchanges the pod's token at Entra in every interval, with nothing kept from the time before, until SIGTERM.\n"
        "The token that it gets is thrown away. Standard error has a line for each failure, with the fix.\n\n"
        "The port answers without TLS and without a password:\n\n"
        "  /metrics   m365_identity_exchanges_total and the other metrics of the helper, and two of its own:\n"
        "             m365_identity_canary_last_success_timestamp_seconds, m365_identity_canary_interval_seconds\n"
        "  /readyz    200 from the first attempt on, whatever became of it\n"
        "  /livez     200 if the attempt that is due is not overdue by minutes\n\n"
        "It needs prometheus-client.\n\n"
        "Exit codes: 0 ended by SIGTERM, SIGINT or SIGHUP; 1 the port cannot be used; 2 wrong usage or settings."
    )
    parser.add_argument(
        "--every", type=_interval, default=300.0, metavar="DURATION", help="how often, such as 30s, 5m or 1h (5m)"
    )
    parser.add_argument(
        "--metrics-port",
        type=port_number,
        default=_PORT,
        metavar="PORT",
        help="where metrics and probes are answered (%(default)d); 0: any free one",
    )
    add_settings(parser)


def run(flags: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Signs in until a signal."""
    settings = settings_from(flags, environ)
    try:
        from m365_identity._commands.canary_rounds import Canary
    except ImportError:
        raise SettingsError([message(messages.METRICS_WITHOUT_CLIENT, place="canary")]) from None
    canary = Canary(settings, every=flags.every, environ=environ, tell=lambda line: tell("canary", line))
    checks = {"/livez": lambda: canary.is_alive, "/readyz": lambda: canary.is_ready}
    try:
        port = MetricsPort(port=flags.metrics_port, exposition=canary.exposition, checks=checks)
    except OSError as error:
        tell("canary", f"cannot listen on port {flags.metrics_port}: {os.strerror(error.errno or 0)}")
        return 1
    threading.Thread(target=port.serve_forever, name="metrics", daemon=True).start()
    where = f"metrics at port {port.server_address[1]}"
    tell("canary", f"application {settings.client_id}, tenant {settings.tenant_id}, every {flags.every:g} s; {where}")
    try:
        interruptible(canary.run, handler=_stop)
    except _Stopped:
        return 0


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise _Stopped


def _interval(text: str) -> float:
    found = re.fullmatch(r"([0-9]{1,6})([smh])", text)
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0.0
    if not 1 <= seconds <= _LONGEST:
        raise argparse.ArgumentTypeError(f'"{text}" is not a duration from 1s to 24h')
    return seconds
