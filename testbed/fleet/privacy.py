"""Searches all that a replica leaves behind for the keys that were ever in a Secret."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from testbed.fleet.watching import decode

__all__ = ["exposures", "private_in", "private_in_files", "stored_keys"]

KEY_FILES = ("pair", "m365wi-pair-")  # the names in certs.serving of the files that OpenSSL needs for a millisecond


def stored_keys(documents: Iterable[dict[str, Any] | None]) -> set[str]:
    """Every key that a Secret ever held, as base64: the lines of the PEM text, and the value in the API."""
    found: set[str] = set()
    for document in documents:
        for name, content in decode(document).items():
            if name.endswith(".key") and b"PRIVATE KEY" in content:
                found.update(line for line in content.decode().splitlines() if line and not line.startswith("-----"))
                found.add((document or {})["data"][name])
    return found


def private_in(text: str, keys: Iterable[str]) -> list[str]:
    """The lines of a text that have something private, shortened."""
    return [
        line[:200]
        for line in text.splitlines()
        if "PRIVATE KEY" in line or any(key[:40] in line for key in keys if len(key) >= 40)
    ]


def private_in_files(folder: Path, keys: Iterable[str]) -> list[str]:
    """The files below a folder that hold something private."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return [str(path) for path in files if private_in(path.read_text("utf-8", "replace"), keys)]


def exposures(group: int, keys: Iterable[str]) -> list[str]:
    """Where a running process group shows keys (arguments, environment, open files), and whether it may dump core."""
    keys, found = list(keys), []
    for process in processes(group):
        for name in ("cmdline", "environ"):
            text = (process / name).read_text("utf-8", "replace").replace("\0", "\n")
            found += [f"{name} of {process.name}"] if private_in(text, keys) else []
        for descriptor in (process / "fd").iterdir():
            with suppress(FileNotFoundError):  # closed while we look
                name = descriptor.readlink().name.removeprefix("memfd:")
                found += [f"{name} held open by {process.name}"] if name.startswith(KEY_FILES) else []
        limits = (process / "limits").read_text().splitlines()
        (core,) = (line for line in limits if line.startswith("Max core file size"))
        found += [f"a core file of {process.name}"] if core.split()[4:6] != ["0", "0"] else []
    return found


def processes(group: int) -> Iterator[Path]:
    """The entries in /proc of a process group, without zombies."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):  # the process has ended
                state, _parent, its_group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
                if int(its_group) == group and state not in "ZX" and os.access(entry / "environ", os.R_OK):
                    yield entry
