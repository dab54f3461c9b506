"""Builds the OpenTelemetry Collector from its Go modules, once for each user and version, into the tests' cache.

python -m testbed.traces.build    prints its path
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

from testbed.cluster import build
from testbed.cluster.build import BuildError, Module, Report, to_stderr

__all__ = ["BuildError", "binary", "main", "place"]


@dataclass(frozen=True)
class _Program(Module):
    """The folder has our own main.go beside go.mod: the Collector is a library, of which each user makes a program."""

    def package(self, tool: str) -> str:
        """The folder itself."""
        return "."

    @property
    def key(self) -> str:
        """Also changes with the program."""
        program = (self.directory / "main.go").read_bytes()
        return hashlib.sha256(super().key.encode() + program).hexdigest()[:12]


PROGRAM = _Program(build.MODULES / "otelcol", "go.opentelemetry.io/collector/otelcol")


def place() -> Path:
    """Where the cache keeps it, built or not."""
    return build.folder_of("otelcol", PROGRAM) / "otelcol"


def binary(*, report: Report = to_stderr) -> Path:
    """Its path; it is built first if the cache does not have it. Raises BuildError."""
    return build.cached("otelcol", PROGRAM, place(), report=report)


def main() -> int:
    """Builds it and prints its path. Exit status 1 if the build fails."""
    return build.show(lambda: [binary()])


if __name__ == "__main__":
    sys.exit(main())
