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

from testbed.cluster import build
from testbed.cluster.build import Module, Report, to_stderr

__all__ = ["CHART", "NAME", "NAMESPACE", "Refused", "binary", "helm", "place", "render", "template"]

CHART = Path(__file__).parents[2] / "manifests" / "chart"
MODULE = Module(build.MODULES / "helm", "helm.sh/helm/v4")
NAME = "m365-workload-identity"
NAMESPACE = "m365-workload-identity-system"
SECONDS = 100

Documents = list[dict[str, Any]]


class Refused(Exception):
    """Helm failed; the text is Helm's error."""


def place() -> Path:
    """Where the cache keeps Helm, built or not."""
    return build.folder_of("helm", MODULE) / "helm"


def binary(*, report: Report = to_stderr) -> Path:
    """The path of Helm, which is built first if the cache does not have it. Raises BuildError."""
    return build.cached("helm", MODULE, place(), report=report)


def helm(*arguments: str, values: Mapping[str, Any] | None = None, kubeconfig: Path | None = None) -> str:
    """What Helm prints, without the user's own configuration. `values` go to `--values -`. Raises Refused."""
    with tempfile.TemporaryDirectory() as home:
        environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": home}
        command = [str(binary()), *arguments]
        if values is not None:
            command += ["--values", "-"]
        if kubeconfig:
            command += ["--kubeconfig", str(kubeconfig)]
        done = subprocess.run(
            command,
            input=json.dumps(values or {}),
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    if done.returncode:
        raise Refused(done.stderr.strip() or done.stdout.strip())
    return done.stdout


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
