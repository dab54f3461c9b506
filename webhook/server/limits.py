"""How much a client may ask of us; `webhook.server.connection` has what happens beyond."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a client may ask of us: seconds, and connections at a time."""

    handshake: float = 10.0
    request: float = 10.0
    # Above the 90 s after which Go closes an idle connection itself: the race over one is then never ours to lose.
    keep_alive: float = 120.0
    # For a client to take the rest of the last answer, and to say good-bye in TLS.
    shutdown: float = 2.0
    connections: int = 512
