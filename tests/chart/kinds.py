"""The kinds of other projects that the chart and the examples use, by the definitions that their Go modules carry.

Kept in the cache of `testbed.cluster.build`; Go is needed only to fetch them.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from testbed.cluster import build, toolchain
from testbed.cluster.build import BuildError, Report, to_stderr
from testbed.cluster.cluster import Cluster
from testbed.cluster.processes import wait_until

__all__ = ["EXAMPLES", "definitions", "establish", "place"]


@dataclass(frozen=True)
class Source:
    """A Go module, with the hash that Go's checksum database has of it, files in it that define kinds, and a chart."""

    module: str
    version: str
    sum: str
    files: tuple[str, ...]
    chart: str = ""


SOURCES: Final = (
    Source(
        "github.com/cert-manager/cert-manager",
        "v1.21.2",
        "h1:UWgoYM+KLNtRlqmoWOKjKBOBUPVHeepQ6/ac3ERJW68=",
        ("deploy/crds/cert-manager.io_certificates.yaml", "deploy/crds/cert-manager.io_issuers.yaml"),
    ),
    Source(
        "github.com/prometheus-operator/prometheus-operator",
        "v0.85.0",
        "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
        (
            "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
            "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
        ),
    ),
)
# What the examples are for. The newest releases whose go.mod our Go reads.
EXAMPLES: Final = (
    Source(
        "github.com/argoproj/argo-cd/v3",
        "v3.3.0",
        "h1:9UlruTd5cC/MyvorTXgAIblfZTy63MF5FYvvoAaUvwU=",
        ("manifests/crds/application-crd.yaml",),
    ),
    Source(
        "github.com/fluxcd/source-controller",
        "v1.8.5",
        "h1:3zKSTGc2FPoZcQ5BjnyOrwdHDWeYqst3uAoZ+c0DG3c=",
        ("config/crd/bases/source.toolkit.fluxcd.io_gitrepositories.yaml",),
    ),
    Source(
        "github.com/fluxcd/helm-controller",
        "v1.4.0",
        "h1:rkm8rmB6Na7eNc4pJOnvtXEaJ19iKluRtayHKjBxcUM=",
        ("config/crd/bases/helm.toolkit.fluxcd.io_helmreleases.yaml",),
    ),
    Source(
        "github.com/fluxcd/kustomize-controller",
        "v1.7.3",
        "h1:SzNnGn/4ObAPEHHleM5U7y/AKxKXph3Vj6ZhteeXw8M=",
        ("config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml",),
    ),
    Source(
        "github.com/tektoncd/pipeline",
        "v1.9.0",
        "h1:f/5Vwq1bF4eQQk3hiE7Y5fMvq1nJRTxqqhq5E9YZBeQ=",
        ("config/300-crds/300-task.yaml", "config/300-crds/300-taskrun.yaml"),
    ),
    Source(
        "github.com/actions/actions-runner-controller",
        "v0.27.6",
        "h1:Uklv1+6+/BQuhV6HoXIgPZrnAW9/HWo3j9O7IcnzGXU=",
        ("charts/gha-runner-scale-set-controller/crds/actions.github.com_autoscalingrunnersets.yaml",),
        chart="charts/gha-runner-scale-set",
    ),
)
SECONDS: Final = 300


def place(sources: Sequence[Source] = SOURCES) -> Path:
    """The folder of the definitions in the cache, fetched or not."""
    return build.cache_root() / f"kinds-{hashlib.sha256(repr(sources).encode()).hexdigest()[:12]}"


def establish(cluster: Cluster, sources: Sequence[Source] = SOURCES) -> None:
    """Has a cluster know the kinds, without their controllers.

    They stay, because other tests do not mind them, and a busy API server can take minutes to delete them. That they
    are established does not mean that kubectl finds them: discovery hears of them later.
    """
    files = sorted(definitions(sources).glob("*.yaml"))
    flags = [flag for file in files for flag in ("-f", str(file))]
    cluster.kubectl("apply", "--server-side", *flags)
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=100s", *flags)
    names = [yaml.safe_load(file.read_text(encoding="utf-8"))["metadata"]["name"] for file in files]
    wait_until(lambda: bool(cluster.kubectl("get", ",".join(names), "-A")), "kubectl knows the kinds")


def definitions(sources: Sequence[Source] = SOURCES, *, report: Report = to_stderr) -> Path:
    """The folder with one file for each definition; fetched first if it is not in the cache. Raises BuildError.

    Charts are in `charts` below it.
    """
    where = place(sources)
    if where.exists():
        return where
    where.parent.mkdir(parents=True, exist_ok=True)
    with build.one_at_a_time(build.cache_root() / "build.lock", report=report):
        if not where.exists():  # another process may have fetched them while this one waited
            fetch(sources, where, report=report)
    return where


def fetch(sources: Sequence[Source], where: Path, *, report: Report) -> None:
    """Fills a folder next to `where` and renames it, so that an incomplete folder never has the name."""
    go = toolchain.find_go(at_least=(1, 21), cache=build.cache_root(), report=report)
    staging = where.with_name(f".{where.name}")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    for source in sources:
        report(f"{source.module} {source.version}: fetching the definitions of its kinds")
        folder = downloaded(go, source)
        for name in source.files:
            shutil.copyfile(folder / name, staging / Path(name).name)
        if source.chart:  # copied without its modes: Go's cache is read-only
            shutil.copytree(
                folder / source.chart, staging / "charts" / Path(source.chart).name, copy_function=shutil.copyfile
            )
    staging.rename(where)


def downloaded(go: Path, source: Source) -> Path:
    """The folder of a module in Go's own cache. Raises BuildError if it is not the pinned one."""
    command = [str(go), "mod", "download", "-json", f"{source.module}@{source.version}"]
    environment = toolchain.environment(go)
    done = subprocess.run(
        command, env=environment, cwd="/", capture_output=True, text=True, timeout=SECONDS, check=False
    )
    try:
        found = json.loads(done.stdout)
    except ValueError:
        found = {}
    if found.get("Sum") != source.sum:
        wrong = found.get("Error") or done.stderr.strip() or f"its hash is {found.get('Sum')}, expected {source.sum}"
        raise BuildError(f"{source.module}@{source.version}: {wrong}. To fix it: let Go reach the module proxy.")
    return Path(found["Dir"])
