"""Keeps the version of a release the same in every place that has it.

    python -m tools.version          prints the version; names the places that differ, with exit status 1
    python -m tools.version 1.2.3    writes this version everywhere; then run `make manifests`

The source is `m365_identity/__init__.py`, from which the wheel takes it. The webhook cannot import it from there: the
helper brings libraries that the webhook does not load. A Dockerfile and a chart cannot import anything.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

__all__ = ["PLACES", "SOURCE", "differences", "main"]

ROOT: Final = Path(__file__).parent.parent
_VERSION: Final = r"[0-9]+\.[0-9]+\.[0-9]+(?:-[0-9A-Za-z.]+)?"
_MODULE: Final = rf'^__version__ = "({_VERSION})"$'
_IMAGE: Final = rf"m365-workload-identity:({_VERSION})"
SOURCE: Final = "m365_identity/__init__.py"
# Globs of files, each with the pattern that finds the version there; every file must have at least one.
PLACES: Final = (
    (SOURCE, _MODULE),
    ("webhook/__init__.py", _MODULE),
    ("cli/pyproject.toml", rf'^version = "({_VERSION})"$'),
    ("Dockerfile", rf"^ARG VERSION=({_VERSION})$"),
    ("manifests/chart/Chart.yaml", rf"^version: ({_VERSION})$"),
    ("manifests/chart/Chart.yaml", rf"^appVersion: ({_VERSION})$"),
    ("docs/README.md", rf"\| m365-workload-identity ({_VERSION}) \|"),
    ("examples/argo-cd/application.yaml", rf"^    targetRevision: v({_VERSION})$"),
    ("examples/argo-cd/webhook.yaml", rf"^    targetRevision: v({_VERSION})$"),
    ("examples/flux/webhook.yaml", rf"^    tag: v({_VERSION})$"),
    ("examples/graph-python/report.yaml", _IMAGE),
    ("examples/tekton/task.yaml", _IMAGE),
    ("examples/cli-microsoft365/README.md", _IMAGE),
    ("docs/image.md", _IMAGE),
    ("docs/install.md", _IMAGE),
)


def _found(name: str, pattern: str) -> Iterator[re.Match[str]]:
    yield from re.finditer(pattern, (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE)


def source() -> str:
    """The version of this tree. Raises SystemExit if its source has none."""
    for match in _found(SOURCE, _MODULE):
        return match[1]
    sys.exit(f"{SOURCE}: __version__ is missing")


def differences() -> list[str]:
    """One line for each place with another version, or without one."""
    version = source()
    lines = []
    for name, pattern in PLACES:
        found = {match[1] for match in _found(name, pattern)}
        lines += [f"{name}: version {other}, expected {version} as in {SOURCE}" for other in sorted(found - {version})]
        if not found:
            lines.append(f"{name}: the version is missing, expected {version} as in {SOURCE}")
    return lines


def _write(version: str) -> None:
    for name, pattern in PLACES:
        path = ROOT / name
        text = path.read_text(encoding="utf-8")
        for match in reversed([*_found(name, pattern)]):
            text = text[: match.start(1)] + version + text[match.end(1) :]
        path.write_text(text, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command of the module's docstring. Returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.version", description="Keep the version the same everywhere."
    )
    parser.add_argument("version", nargs="?", help="the version to write, such as 1.2.3")
    options = parser.parse_args(arguments)
    if options.version is not None:
        if not re.fullmatch(_VERSION, options.version):
            parser.error(f"{options.version} is not a version such as 1.2.3")
        _write(options.version)
    wrong = differences()
    print(*wrong or [source()], sep="\n")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
