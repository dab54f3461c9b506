"""A node of kind, for machines with Docker. This module has all that differs from our own node."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import yaml

from testbed.cluster.build import cache_root, to_stderr
from testbed.cluster.cluster import Cluster
from testbed.cluster.processes import ClusterError
from testbed.cluster.selection import kind, kubectl, scratch
from testbed.node.images import BUSYBOX, Image
from testbed.node.node import ISSUER

__all__ = ["Docker", "KindNode", "open_node"]

# kubeadm's files from before and since Kubernetes 1.36: kind uses the one of its version.
EXTRA_ARGUMENTS = {
    "v1beta3": {"service-account-issuer": ISSUER},
    "v1beta4": [{"name": "service-account-issuer", "value": ISSUER}],
}
CONFIGURATION = {
    "kind": "Cluster",
    "apiVersion": "kind.x-k8s.io/v1alpha4",
    "kubeadmConfigPatches": [
        json.dumps(
            {
                "apiVersion": f"kubeadm.k8s.io/{version}",
                "kind": "ClusterConfiguration",
                "apiServer": {"extraArgs": arguments},
            }
        )
        for version, arguments in EXTRA_ARGUMENTS.items()
    ],
}


class KindNode(Cluster):
    """A kind cluster of one node."""

    def run(self, *command: str) -> str:
        """Runs a command on the node and returns its output. Raises ClusterError if it fails."""
        return run("docker", "exec", f"{self.name}-control-plane", *command)

    def load(self, image: Image) -> None:
        """Loads an image into the node, so that no pod pulls it."""
        run("kind", "load", "image-archive", str(image.archive), "--name", self.name)


class Docker:
    """Docker, which builds the images on the base that the Dockerfile names."""

    def build(self, name: str, context: Path, arguments: Mapping[str, str], *, afresh: bool = False) -> None:
        """Builds `context` with its Dockerfile as the image `name`. afresh: no cached step is used."""
        kept = ["--no-cache"] if afresh else []
        variables = [part for key, value in arguments.items() for part in ("--build-arg", f"{key}={value}")]
        run("docker", "build", "--quiet", *kept, *variables, "--tag", name, str(context))

    def save(self, name: str) -> Image:
        """Writes the image into a file."""
        archive = cache_root() / f"{name.rpartition('/')[2].replace(':', '-')}.tar"
        run("docker", "save", "--output", str(archive), name)
        return Image(name, archive)

    def busybox(self, _: Path) -> None:
        """Tags Docker's own image of busybox."""
        run("docker", "pull", "--quiet", "busybox:1.37")
        run("docker", "tag", "busybox:1.37", BUSYBOX)


@contextmanager
def open_node() -> Iterator[KindNode]:
    """A cluster for the run. Raises SelectionError without Docker or kind."""
    with scratch() as directory:
        configuration = directory / "kind.json"
        configuration.write_text(json.dumps(CONFIGURATION))
        with kind(directory, flags=["--config", str(configuration)]) as kubeconfig:
            name = yaml.safe_load(kubeconfig.read_text())["current-context"].removeprefix("kind-")
            program = kubectl(to_stderr)
            with KindNode(name, kubeconfig=kubeconfig, kubectl=program, directory=directory) as node:
                yield node


def run(*command: str) -> str:
    """Runs a program and returns its output. Raises ClusterError if it fails."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"{' '.join(command)}: exit status {done.returncode}: {done.stderr.strip()[-2000:]}")
    return done.stdout
