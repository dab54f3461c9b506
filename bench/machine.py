"""The machine: its cores, the memory that a program uses, and what the report says about it."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.programs import GENERATOR, REFERENCE, binary

__all__ = ["Setup", "Usage", "busy", "kibibytes", "on_core", "processes_of", "setup", "two_cores", "usage_of"]

PROC = Path("/proc")


@dataclass(frozen=True)
class Usage:
    """What a program and its children use.

    resident: memory that all of them hold now, in MiB, each page counted once however many share it: about what
    a container is charged. largest: the most that the largest of them held at any time. seconds: of the processor.
    """

    resident: float
    largest: float
    seconds: float


@dataclass(frozen=True)
class Setup:
    """What the numbers depend on. `load` is the load average before the first measurement; `date` is UTC."""

    date: str
    cores: int
    processor: str
    load: float
    versions: Mapping[str, str]


def two_cores() -> tuple[int, int]:
    """The core for webhooks, and the core for the load generator: the same core if the machine has only one."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[0], cores[-1]


@contextlib.contextmanager
def on_core(core: int) -> Iterator[None]:
    """Programs that start within the block run on `core` only, and so do their children."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def busy() -> str:
    """A warning if the machine has other work to do, else an empty string."""
    load = os.getloadavg()[0]
    return f"the machine is busy (load average {load:.1f}): trust the ratios only" if load > 0.7 else ""


def usage_of(session: int) -> Usage:
    """What all processes of a session use. See Usage."""
    files = ("stat", "status", "smaps_rollup")
    stats, statuses, maps = ([_text(process / name) for process in processes_of(session)] for name in files)
    # Anonymous memory is shared among these processes only, so its proportional sizes add up to the whole.
    anonymous = sum(kibibytes(text, "Pss_Anon") for text in maps)
    in_files = max((kibibytes(text, "RssFile") for text in statuses), default=0)
    largest = max((kibibytes(text, "VmHWM") for text in statuses), default=0)
    ticks = sum(int(ticks) for text in stats for ticks in text.rpartition(")")[2].split()[11:13])
    return Usage(
        resident=round((anonymous + in_files) / 1024, 1),
        largest=round(largest / 1024, 1),
        seconds=ticks / os.sysconf("SC_CLK_TCK"),
    )


def setup(python: str = sys.executable) -> Setup:
    """The machine as it is now, with the interpreter `python`."""
    versions = {"Python": _output(python, "--version").removeprefix("Python ")}
    versions |= {package: importlib.metadata.version(package) for package in ("gunicorn", "uvloop", "orjson")}
    controller_runtime = "sigs.k8s.io/controller-runtime"
    versions |= {
        "controller-runtime": REFERENCE.version(controller_runtime),
        "Go": _output(binary(REFERENCE), "-version").removeprefix("go"),
        "bombardier": GENERATOR.version("github.com/codesenberg/bombardier"),
    }
    model = re.search(r"^model name\s*: (.+)$", (PROC / "cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    return Setup(
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        cores=len(os.sched_getaffinity(0)),
        processor=f"{model[1].strip() if model else platform.machine()}",
        load=round(os.getloadavg()[0], 2),
        versions=versions,
    )


def processes_of(session: int) -> list[Path]:
    """The folders in /proc of all processes of a session."""
    # In stat the name is in brackets and may contain anything; after it: state, parent, group, session.
    return [
        process
        for process in PROC.glob("[0-9]*")
        if _text(process / "stat").rpartition(")")[2].split()[3:4] == [str(session)]
    ]


def _text(file: Path) -> str:
    with contextlib.suppress(OSError):  # the process has ended
        return file.read_text(encoding="utf-8")
    return ""


def kibibytes(status: str, name: str) -> int:
    """A number of kB in a file of /proc, 0 if it is missing there."""
    found = re.search(rf"^{name}:\s+(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) if found else 0


def _output(*command: Path | str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
