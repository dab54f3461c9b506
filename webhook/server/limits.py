"""How much a client may ask of the server; `webhook.server.connection` says what happens beyond that."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a client may ask of the server: seconds, and connections at a time.

    handshake, request: kube-apiserver gives up a call after at most 30 s (timeoutSeconds), by default after 10 s.
    keep_alive: more than the 90 s after which Go closes an idle connection, so that we never close one that
    kube-apiserver is just using. shutdown: for a client to read the rest of the last answer and to end TLS.
    connections: kube-apiserver opens one for each review that it waits for, some tens under load. 512 of them hold
    about 12 MiB when idle and 115 MiB when each sends 200 KB at the same time; the chart's limit of memory is 256 MiB.
    """

    handshake: float = 10.0
    request: float = 10.0
    keep_alive: float = 120.0
    shutdown: float = 2.0
    connections: int = 512
    oldest_leaves: bool = False
    """Whether the connection that is longest in its state makes room, even if an answer to it is under way."""


OPERATIONS_CONNECTIONS: Final = 64
"""Connections to the operations port: probes and a few scrapers need fewer than ten.

The kubelet's probe is a new connection that asks at once, so the newest connections are kept there."""
