"""SHA256SUMS, as `sha256sum --check` reads it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

__all__ = ["NAME", "sha256", "write"]

NAME: Final = "SHA256SUMS"


def sha256(path: Path) -> str:
    """The digest of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write(out: Path) -> None:
    """Lists every file in `out`, also those of the layouts, by name."""
    paths = sorted(path for path in out.rglob("*") if path.is_file() and path.name != NAME)
    lines = [f"{sha256(path)}  {path.relative_to(out).as_posix()}\n" for path in paths]
    (out / NAME).write_text("".join(lines), encoding="utf-8")
