"""Where an emulator listens, and with which certificate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ANY_PORT", "Listening"]


@dataclass(frozen=True, kw_only=True)
class Listening:
    """Where an emulator listens, and with which certificate. Port 0 is any free port.

    names: further names and addresses in the certificate. tls: certificate and key (PEM files) to serve with instead
    of the emulator's own.
    """

    host: str = "127.0.0.1"
    login_port: int = 0
    graph_port: int = 0
    issuer_port: int = 0
    arm_port: int = 0
    names: Sequence[str] = ()
    tls: tuple[Path, Path] | None = None


ANY_PORT = Listening()
"""On loopback, with the emulator's own certificate."""
