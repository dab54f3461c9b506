"""Keys to sign with, as `cosign generate-key-pair` makes them."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from tools.release import programs


@dataclass(frozen=True)
class Keys:
    """Two private keys with one password. Each has its public key beside it, as NAME.pub."""

    ours: Path
    strangers: Path
    password: str

    @property
    def public(self) -> Path:
        """Our public key."""
        return self.ours.with_suffix(".pub")


def make_keys(folder: Path) -> Keys:
    """Makes both."""
    password = secrets.token_hex(8)
    for name in ("ours", "strangers"):
        environ = {**os.environ, "COSIGN_PASSWORD": password}
        programs.run("cosign", "generate-key-pair", "--output-key-prefix", folder / name, environ=environ)
    return Keys(folder / "ours.key", folder / "strangers.key", password)
