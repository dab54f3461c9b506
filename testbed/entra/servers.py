"""The emulator's servers: one for each site, with one certificate, log and set of faults."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed.entra import tls as tls_context
from testbed.entra.api import Api
from testbed.entra.clouds import Place
from testbed.entra.faults import Faults, Site
from testbed.entra.listening import Listening
from testbed.entra.messages import Log
from testbed.entra.portal import PORTAL_HOST
from testbed.entra.server import Server, Service

__all__ = ["Servers", "certificate"]


def certificate(ca_file: Path, listening: Listening, place: Place, apis: Sequence[Api]) -> ssl.SSLContext:
    """The TLS context of all servers, for Microsoft's names and our own. Writes `ca_file`."""
    if listening.tls:
        return tls_context.load(ca_file, *listening.tls)
    hosts = ("localhost", "127.0.0.1", "::1", *place.login_hosts, *place.graph_hosts, place.arm_host, PORTAL_HOST)
    return tls_context.make(ca_file, (*hosts, *(api.host for api in apis), *listening.names))


@dataclass(frozen=True)
class Servers:
    """How servers are started: where, and with what they have in common. date: gives the time for Date headers."""

    listening: Listening
    context: ssl.SSLContext
    faults: Faults
    log: Log
    date: Callable[[], float]
    stack: contextlib.ExitStack

    def start(self, site: Site, service: Service, others: Mapping[str, tuple[Site, Service]] | None = None) -> Server:
        """A server that `stack` stops. others: the services of other hosts that it answers for."""
        port = {
            "login": self.listening.login_port,
            "graph": self.listening.graph_port,
            "issuer": self.listening.issuer_port,
            "arm": self.listening.arm_port,
        }[site]
        server = Server(
            service,
            site=site,
            context=self.context,
            faults=self.faults,
            log=self.log,
            date=self.date,
            host=self.listening.host,
            port=port,
            others=others,
        )
        self.stack.callback(server.stop)
        return server
