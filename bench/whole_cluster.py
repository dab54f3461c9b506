"""What `check -A` takes in a large cluster: `python -m bench.whole_cluster`.

A control plane with 2,000 ServiceAccounts and 5,000 pods in all the states of `testbed.cluster.states`, without a node.
Each line is of one output: seconds and the most memory of the process, and the size of what it wrote. The requests, and
the seconds without the start of the program, are the report's own. What it found is compared with what was made.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from demo.server import running
from testbed.cluster.control_plane import ControlPlane
from testbed.cluster.registration import CONFIGURATIONS, configuration, settle
from testbed.cluster.states import STATES, Seeded, seed

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command of the module's docstring. Exit status 1 if something was not found, or was invented."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.whole_cluster", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--accounts", type=int, default=2000)
    parser.add_argument("--pods", type=int, default=5000)
    parser.add_argument("--namespaces", type=int, default=50)
    options = parser.parse_args(arguments)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cluster = stack.enter_context(ControlPlane())
        webhook = stack.enter_context(running(folder, ["--kubeconfig", str(cluster.kubeconfig)]))

        def register() -> None:
            document = configuration(webhook.url, webhook.authority.encode(), name="check-all", timeout_seconds=10)
            cluster.api.post(CONFIGURATIONS, document).expect()
            settle(cluster.api)

        started = time.monotonic()
        sizes = {"accounts": options.accounts, "pods": options.pods, "namespaces": options.namespaces}
        made = seed(cluster, register, **sizes)
        print(f"made in {time.monotonic() - started:.0f} s")
        print("| output | s | MB | KB written |\n|---|---:|---:|---:|")
        outputs = {
            output: _measure(cluster.kubeconfig, made.namespaces[0], output) for output in ("text", "html", "json")
        }
        report = json.loads(outputs["json"])
        print(f"\n{report['requests']} requests, {report['seconds']:.1f} s, {len(report['serviceAccounts'])} rows")
        return 0 if _as_made(report["findings"], made) else 1


def _measure(kubeconfig: Path, namespace: str, output: str) -> bytes:
    """What the command wrote; prints a line."""
    command = [sys.executable, "-m", "webhook", "check", "-A", "-n", namespace, "-o", output]
    environ = {**os.environ, "KUBECONFIG": str(kubeconfig)}
    started = time.monotonic()
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(command, stdout=out, env=environ)
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0  # it was waited for
        seconds = time.monotonic() - started
        out.seek(0)
        text = out.read()
    print(f"| {output} | {seconds:.1f} | {usage.ru_maxrss / 1024:.0f} | {len(text) / 1024:.0f} |")
    return text


def _as_made(findings: list[dict[str, str]], made: Seeded) -> bool:
    """Whether the report has exactly what was made; prints the difference."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for each in findings:
        if each.get("serviceAccount"):
            found[each["namespace"], each["serviceAccount"]].add(each["code"])
    wanted = {key: set(STATES[state]) for key, state in made.accounts.items() if STATES[state] and _shows(key, made)}
    for key in sorted({*found, *wanted}):
        if found.get(key, set()) != wanted.get(key, set()):
            print(f"{'/'.join(key)}: found {sorted(found.get(key, ()))}, made {sorted(wanted.get(key, ()))}")
    print(f"{len(wanted)} ServiceAccounts with something wrong were made, {len(found)} were found")
    return found == wanted


def _shows(key: tuple[str, str], made: Seeded) -> bool:
    """Whether the state is one of annotations alone, or there are pods that show it."""
    return made.accounts[key] in ("misspelt-annotation", "not-a-guid") or made.pods[key] > 0


if __name__ == "__main__":
    sys.exit(main())
