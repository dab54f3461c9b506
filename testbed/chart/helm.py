"""Helm, built from its Go module, and what it renders from the chart.

python -m testbed.chart.helm    prints the path of the binary, which it builds if the cache does not have it
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from testbed.cluster import build, situation
from testbed.cluster.build import Module, Report, to_stderr

__all__ = ["CHART", "NAME", "NAMESPACE", "Refused", "binary", "helm", "place", "render", "template"]

CHART = Path(__file__).parents[2] / "manifests" / "chart"
MODULE = Module(build.MODULES / "helm", "helm.sh/helm/v4")
NAME = "m365-workload-identity"
NAMESPACE = "m365-workload-identity-system"
# Helm gives up before its process is killed, since only Helm knows what is not ready. The slowest roll-out, of two
# replicas one after the other, takes 25 s on a machine with other work.
WAIT_SECONDS = 150
SECONDS = WAIT_SECONDS + 20
WAITING = frozenset({"install", "rollback", "test", "uninstall", "upgrade"})
OUT_OF_TIME = ("not within", "deadline exceeded", "timed out", "not ready")

Documents = list[dict[str, Any]]


class Refused(Exception):
    """Helm failed; the text is Helm's error. If it waited without success, a note says what the namespace has."""


def place() -> Path:
    """Where the cache keeps Helm, built or not."""
    return build.folder_of("helm", MODULE) / "helm"


def binary(*, report: Report = to_stderr) -> Path:
    """The path of Helm, which is built first if the cache does not have it. Raises BuildError."""
    return build.cached("helm", MODULE, place(), report=report)


def helm(
    *arguments: str,
    values: Mapping[str, Any] | None = None,
    kubeconfig: Path | None = None,
    folder: Path | None = None,
) -> str:
    """What Helm prints, run in `folder` and without the user's own configuration. `values` go to `--values -`.

    It waits for WAIT_SECONDS at most, unless the arguments have another `--timeout`. Raises Refused.
    """
    with tempfile.TemporaryDirectory() as home:
        environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": home}
        command = [str(binary()), *arguments]
        if values is not None:
            command += ["--values", "-"]
        if kubeconfig:
            command += ["--kubeconfig", str(kubeconfig)]
            if arguments[0] in WAITING and not any(each.startswith("--timeout") for each in arguments):
                command.append(f"--timeout={WAIT_SECONDS}s")
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                input=json.dumps(values or {}),
                env=environment,
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as expired:
            raise _refused(f"{' '.join(arguments)}: not within {SECONDS} s", arguments, kubeconfig) from expired
    if done.returncode:
        raise _refused(done.stderr.strip() or done.stdout.strip(), arguments, kubeconfig)
    return done.stdout


def _refused(text: str, arguments: Sequence[str], kubeconfig: Path | None) -> Refused:
    """The error, with a note if it may be that something did not become ready in time."""
    error = Refused(text)
    if kubeconfig and any(sign in text for sign in OUT_OF_TIME):
        error.add_note(situation.describe_at(kubeconfig, situation.namespace_of(arguments)))
    return error


def render(
    values: Mapping[str, Any] | None = None,
    *,
    name: str = NAME,
    namespace: str = NAMESPACE,
    kubernetes: str = "1.37.0",
    more: Sequence[str] = (),
    chart: Path = CHART,
) -> str:
    """The manifests as Helm prints them. Raises Refused."""
    where = ("--namespace", namespace, "--kube-version", kubernetes)
    return helm("template", name, str(chart), *where, *more, values=values or {})


def template(values: Mapping[str, Any] | None = None, **options: Any) -> Documents:
    """The objects that the chart renders from `values`; `options` are those of `render`. Raises Refused."""
    return [document for document in yaml.safe_load_all(render(values, **options)) if document]


if __name__ == "__main__":
    sys.exit(build.show(lambda: [binary()]))
