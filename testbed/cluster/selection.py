"""Which clusters the tests run against: the ones that we build, or an existing one if its owner says so.

| M365WI_TEST_CLUSTER | cluster |
|---|---|
| unset, `built` | a ControlPlane of each minor that is asked for |
| unset with KUBEBUILDER_ASSETS, `envtest` | a ControlPlane of the programs in that directory; no controllers |
| `existing` | the current context of KUBECONFIG, which must be set: ~/.kube/config is never touched by accident |
| `kind` | a kind cluster made for this run; needs a working `docker info` |
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from testbed.cluster import build
from testbed.cluster.build import Binaries
from testbed.cluster.cluster import Cluster
from testbed.cluster.control_plane import ControlPlane

__all__ = ["Selection", "SelectionError", "open_cluster", "select"]

Kind = Literal["built", "envtest", "existing", "kind"]


class SelectionError(Exception):
    """The environment asks for a cluster that is not available. The text says why, and how to fix it."""


@dataclass(frozen=True)
class Selection:
    """One cluster to test against. `name` stands in test ids; `path` is the kubeconfig, or envtest's directory."""

    kind: Kind
    name: str
    path: Path | None = None


def select(environment: Mapping[str, str], *, minors: Sequence[str] = build.MINORS) -> list[Selection]:
    """The clusters that `environment` asks for, by the table above. Reads nothing else, but checks that files exist.

    Raises SelectionError.
    """
    assets = environment.get("KUBEBUILDER_ASSETS", "")
    match environment.get("M365WI_TEST_CLUSTER") or ("envtest" if assets else "built"):
        case "built":
            if unknown := [minor for minor in minors if minor not in build.MINORS]:
                raise SelectionError(f"Kubernetes {', '.join(unknown)}: expected some of {', '.join(build.MINORS)}")
            return [Selection("built", minor) for minor in minors]
        case "envtest":
            missing = [tool for tool in ("etcd", "kube-apiserver", "kubectl") if not (Path(assets) / tool).is_file()]
            if not assets or missing:
                wrong = (
                    f"KUBEBUILDER_ASSETS={assets} does not have {', '.join(missing)}"
                    if assets
                    else "KUBEBUILDER_ASSETS is not set"
                )
                raise SelectionError(f"{wrong} (setup-envtest use -p path)")
            return [Selection("envtest", "envtest", Path(assets))]
        case "existing":
            kubeconfig = environment.get("KUBECONFIG", "")
            if not kubeconfig or not Path(kubeconfig).is_file():
                raise SelectionError(
                    f"M365WI_TEST_CLUSTER=existing needs KUBECONFIG to name one file, not {kubeconfig!r}"
                )
            return [Selection("existing", "existing", Path(kubeconfig))]
        case "kind":
            return [Selection("kind", "kind")]
        case other:
            raise SelectionError(f"M365WI_TEST_CLUSTER={other}: expected built, envtest, existing or kind")


@contextlib.contextmanager
def open_cluster(selection: Selection, *, report: Callable[[str], None] = build.to_stderr) -> Iterator[Cluster]:
    """The cluster itself. Ours runs for the time of the block. Raises BuildError, ClusterError, SelectionError."""
    match selection.kind:
        case "built":
            with ControlPlane(selection.name, binaries=build.binaries(selection.name, report=report)) as ours:
                yield ours
        case "envtest":
            assert selection.path is not None
            tools = {tool: selection.path / tool for tool in ("etcd", "kube-apiserver", "kubectl")}
            binaries = Binaries(tools["etcd"], tools["kube-apiserver"], None, tools["kubectl"])
            with ControlPlane(selection.name, binaries=binaries) as ours:
                yield ours
        case "existing":
            assert selection.path is not None
            with (
                scratch() as directory,
                Cluster("existing", kubeconfig=selection.path, kubectl=kubectl(report), directory=directory) as there,
            ):
                yield there
        case "kind":
            with scratch() as directory, kind(directory) as kubeconfig:
                with Cluster("kind", kubeconfig=kubeconfig, kubectl=kubectl(report), directory=directory) as made:
                    yield made


def kubectl(report: Callable[[str], None]) -> Path:
    """The user's kubectl if there is one, since it fits the user's cluster; otherwise ours."""
    on_path = shutil.which("kubectl")
    return Path(on_path) if on_path else build.binary("kubectl", report=report)


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A directory for the run."""
    with tempfile.TemporaryDirectory(prefix="m365wi-cluster-") as directory:
        yield Path(directory)


@contextlib.contextmanager
def kind(directory: Path, *, flags: Sequence[str] = ()) -> Iterator[Path]:
    """Makes a kind cluster for the run, with `flags` in addition to ours, and gives its kubeconfig."""
    name, kubeconfig = f"m365wi-{os.getpid()}", directory / "kind.kubeconfig"
    run_tool(
        ["docker", "info"],
        fix="start Docker, or unset M365WI_TEST_CLUSTER to use the control plane built from Go modules",
    )
    try:
        command = ["kind", "create", "cluster", "--name", name, "--kubeconfig", str(kubeconfig), "--wait", "120s"]
        run_tool([*command, *flags], fix="install kind, and let it reach its node image")
        yield kubeconfig
    finally:
        with contextlib.suppress(FileNotFoundError):
            delete = ["kind", "delete", "cluster", "--name", name, "--kubeconfig", str(kubeconfig)]
            subprocess.run(delete, capture_output=True, check=False)


def run_tool(command: list[str], *, fix: str) -> None:
    """Runs a program that the user's choice needs. Raises SelectionError with the fix if it is missing or fails."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        failure = done.stderr.strip()[-500:] if done.returncode else None
    except FileNotFoundError:
        failure = "not on PATH"
    if failure is not None:
        raise SelectionError(f"M365WI_TEST_CLUSTER=kind: {' '.join(command[:2])}: {failure}. To fix it: {fix}.")
