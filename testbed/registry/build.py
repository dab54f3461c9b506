"""Builds cosign and crane from their Go modules, once for each user and version, into the test cluster's cache.

python -m testbed.registry.build    prints the paths of both
"""

from __future__ import annotations

import sys
from pathlib import Path

from testbed.cluster import build
from testbed.cluster.build import BuildError, Module, Report, to_stderr

__all__ = ["TOOLS", "BuildError", "binary", "main", "place"]

TOOLS = {
    "cosign": Module(build.MODULES / "cosign", "github.com/sigstore/cosign/v3"),
    "crane": Module(build.MODULES / "crane", "github.com/google/go-containerregistry"),
}


def place(tool: str) -> Path:
    """Where the cache keeps `tool`, built or not."""
    return build.folder_of(tool, TOOLS[tool]) / tool


def binary(tool: str, *, report: Report = to_stderr) -> Path:
    """The path of `tool`, one of TOOLS, which is built first if the cache does not have it. Raises BuildError."""
    return build.cached(tool, TOOLS[tool], place(tool), report=report)


def main() -> int:
    """Builds both and prints their paths. Exit status 1 if a build fails."""
    return build.show(lambda: map(binary, TOOLS))


if __name__ == "__main__":
    sys.exit(main())
