"""The Go programs that the benchmark needs, built once into the cache of the test cluster.

`reference/` is the webhook that ours is measured against; `load/` pins bombardier, the load generator; `rate/` posts at
a fixed rate.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from testbed.cluster import toolchain
from testbed.cluster.build import ARCHITECTURES, FLAGS, Report, cache_root, one_at_a_time, to_stderr

__all__ = ["GENERATOR", "PROGRAMS", "RATE", "REFERENCE", "Program", "binary", "missing"]

HERE = Path(__file__).parent
LINKER_FLAGS = "-s -w"


@dataclass(frozen=True)
class Program:
    """A command of one of our Go modules, or of a module that it requires."""

    name: str
    directory: Path
    package: str

    @property
    def place(self) -> Path:
        """Its path in the cache, built or not. The name changes with everything that the build depends on."""
        digest = hashlib.sha256(" ".join([*FLAGS, LINKER_FLAGS, self.package]).encode())
        for source in sorted([*self.directory.glob("go.*"), *self.directory.glob("*.go")]):
            digest.update(source.read_bytes())
        machine = platform.machine().lower()
        key = f"{digest.hexdigest()[:12]}-{sys.platform}-{ARCHITECTURES.get(machine, machine)}"
        return cache_root() / f"bench-{key}" / self.name

    def version(self, module: str) -> str:
        """The version of `module` that go.mod pins."""
        return _found(rf"^\s*(?:require )?{re.escape(module)} (v\S+)", self.directory)

    @property
    def go(self) -> tuple[int, ...]:
        """The oldest Go that builds it."""
        return tuple(int(part) for part in _found(r"^go (\S+)", self.directory).split("."))


REFERENCE = Program("reference", HERE / "reference", ".")
GENERATOR = Program("bombardier", HERE / "load", "github.com/codesenberg/bombardier")
RATE = Program("rate", HERE / "rate", ".")
PROGRAMS = (REFERENCE, GENERATOR, RATE)


def missing() -> list[str]:
    """The programs that are missing in the cache."""
    return [program.name for program in PROGRAMS if not program.place.exists()]


def binary(program: Program, *, report: Report = to_stderr) -> Path:
    """The path of `program`, which is built first if it is missing in the cache. Raises toolchain.BuildError."""
    place = program.place
    if place.exists():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with one_at_a_time(cache_root() / "build.lock", report=report):
        if not place.exists():  # another process may have built it while this one waited
            _build(program, place, report)
    return place


def _build(program: Program, place: Path, report: Report) -> None:
    go = toolchain.find_go(at_least=program.go, cache=cache_root(), report=report)
    staging = place.with_name(f".{program.name}.{os.getpid()}")
    command = [str(go), "build", *FLAGS, "-ldflags", LINKER_FLAGS, "-o", str(staging), program.package]
    report(f"{program.name}: building with {go}; the first time takes up to 2 minutes on 2 cores")
    fix = f"run it by hand in bench/{program.directory.name} (go.mod, go.sum and the module proxy are what it needs)"
    try:
        toolchain.run(program.name, command, fix=fix, env=toolchain.environment(go), cwd=program.directory)
        staging.replace(place)
    finally:
        staging.unlink(missing_ok=True)


def _found(pattern: str, directory: Path) -> str:
    found = re.search(pattern, (directory / "go.mod").read_text(encoding="utf-8"), re.MULTILINE)
    assert found, f"{directory / 'go.mod'}: nothing matches {pattern}"
    return found[1]
