"""A release, installed from a registry on a real node: the chart by its digest, and the image by its own."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.chart.helm import NAME, NAMESPACE
from testbed.cluster import situation
from testbed.cluster.processes import ClusterError, wait_until
from testbed.node import images, packages
from testbed.node.images import Buildah
from testbed.node.installed import replicas
from testbed.node.node import Node
from testbed.node.pods import CLIENT_ID, a_pod, make_account, run_to_end
from testbed.node.release import RESTRICTED
from testbed.registry.serving import NAME as REGISTRY
from testbed.registry.serving import Registry
from tests.release.keys import Keys
from tools.release.bundle import bundle
from tools.release.oci import Layout
from webhook.core.names import MOUNT_PATH, TOKEN_FILE

pytestmark = [pytest.mark.release, pytest.mark.slow]

TEAM = f"{REGISTRY}/team"
CHART = f"oci://{TEAM}/charts/{NAME}"
SAY = ["sh", "-c", 'echo "$M365_CLIENT_ID $AZURE_FEDERATED_TOKEN_FILE"']


class Machine:
    """A node with a registry and no way out, and our tools on it."""

    def __init__(self, node: Node, registry: Registry) -> None:
        self.node, self.registry = node, registry

    def run(self, *command: str | Path) -> str:
        """What a command prints there. Raises ClusterError."""
        environ = [f"{name}={value}" for name, value in self.registry.variables.items()]
        kubeconfig = f"KUBECONFIG={self.node.kubeconfig}"
        try:
            return self.node.run("env", f"--chdir={images.CHECKOUT}", *environ, kubeconfig, *map(str, command))
        except ClusterError as error:
            error.add_note(situation.describe(self.node.api, NAMESPACE))
            raise


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """A node with the image of test pods, and no other."""
    packages.install()
    buildah = Buildah()
    with images.alone(), images.empty_folder() as context:
        buildah.busybox(context)
        busybox = buildah.save(images.BUSYBOX)
    with Node() as node:
        node.load(busybox)
        yield Machine(node, node.serve_registry())


@pytest.fixture(scope="module")
def pushed(machine: Machine, published: Path) -> Path:
    """The release, signed, in the node's registry."""
    machine.run(sys.executable, "-m", "tools.release.push", TEAM, published)
    return published


@pytest.fixture
def namespace(machine: Machine, pushed: Path) -> Iterator[str]:
    """A namespace beside the one that the chart is installed into. Nothing of the chart remains, nor of its image."""
    machine.node.create_namespace(NAMESPACE, labels=RESTRICTED)
    yield machine.node.create_namespace()
    machine.run("helm", "uninstall", NAME, "--namespace", NAMESPACE, "--wait")
    machine.node.kubectl("delete", "namespace", NAMESPACE, "--timeout=100s")
    ctr = ("ctr", "--namespace", "k8s.io", "images")
    listed = [line.split() for line in machine.node.run(*ctr, "ls").splitlines()]
    ours = Layout(pushed / "image.oci").root.digest
    machine.node.run(*ctr, "rm", "--sync", *(line[0] for line in listed if line[2] == ours))


@pytest.fixture
def chart(pushed: Path) -> str:
    """The chart by its digest."""
    return f"{CHART}@{Layout(pushed / 'chart.oci').root.digest}"


def platform(release: Path) -> str:
    """The digest of the image for this machine."""
    own = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}[os.uname().machine]
    (found,) = [each.digest for each in Layout(release / "image.oci").manifests() if each.platform == own]
    return found


def test_a_changed_image_does_not_run(machine: Machine, pushed: Path) -> None:
    """The registry answers another manifest under the digest: containerd refuses it. Before anything is on the node."""
    image = f"{TEAM}/{NAME}@{Layout(pushed / 'image.oci').root.digest}"
    digest = platform(pushed)
    content = (pushed / "image.oci/blobs/sha256" / digest.partition(":")[2]).read_bytes()
    layer = json.loads(content)["layers"][-1]["digest"].encode()
    pod = a_pod("changed", ["m365-webhook", "--version"], image=image)
    pod["spec"]["containers"][0]["imagePullPolicy"] = "Always"
    path = "/api/v1/namespaces/default/pods"
    with machine.registry.lying(content, content.replace(layer, layer[:-4] + b"0000")):
        machine.node.api.post(path, pod).expect()
        wait_until(lambda: bool(refusals(machine, "changed")), "the kubelet says why")
    assert "failed precondition" in "".join(refusals(machine, "changed"))
    machine.node.api.delete(f"{path}/changed").expect()


def refusals(machine: Machine, pod: str) -> list[str]:
    """The events that say that an image of the pod could not be pulled."""
    events = machine.node.api.get("/api/v1/namespaces/default/events").expect().json["items"]
    return [
        each["message"]
        for each in events
        if each["involvedObject"]["name"] == pod and each["reason"] == "Failed" and "pull" in each["message"]
    ]


def test_it_can_be_installed_without_a_registry(machine: Machine, pushed: Path, namespace: str, tmp_path: Path) -> None:
    """As docs/air-gapped.md says: the image from the folder, the chart from its file. Nothing is pulled."""
    folder = tmp_path / "air-gapped"
    bundle(pushed, folder, pythons=())
    loaded = machine.node.run("env", f"--chdir={folder}", "./load.sh", "containerd")
    digest = Layout(pushed / "image.oci").root.digest
    assert loaded.splitlines()[-1] == f"docker.io/library/{NAME}@{digest}"
    (chart,) = (folder / "release").glob("*.tgz")
    machine.run("helm", "install", NAME, chart, "--namespace", NAMESPACE, "--wait", "--timeout=100s")
    for replica in replicas(machine.node):
        assert replica["spec"]["containers"][0]["image"] == f"{NAME}@{digest}"
    make_account(machine.node, namespace)
    said = run_to_end(machine.node, namespace, a_pod("terraform", SAY, account="terraform"))
    assert said.split() == [CLIENT_ID, f"{MOUNT_PATH}/{TOKEN_FILE}"]


def test_installed_by_digest_it_patches_a_pod(
    machine: Machine, pushed: Path, keys: Keys, chart: str, namespace: str
) -> None:
    """Verify, install the chart from the registry, and its image comes from there by its digest, too."""
    digest = Layout(pushed / "image.oci").root.digest
    by: list[str | Path] = ["--key", keys.public, "--insecure-ignore-tlog"]
    for reference in (chart.removeprefix("oci://"), f"{TEAM}/{NAME}@{digest}"):
        machine.run("cosign", "verify", *by, reference)
    machine.run(
        *("helm", "install", NAME, chart, "--namespace", NAMESPACE, "--wait", "--timeout=100s"),
        *("--set", f"image.repository={TEAM}/{NAME}"),
    )
    for replica in replicas(machine.node):
        (container,) = replica["spec"]["containers"]
        assert container["image"] == f"{TEAM}/{NAME}@{digest}"
        (status,) = replica["status"]["containerStatuses"]
        assert status["imageID"] == f"{TEAM}/{NAME}@{digest}"
    make_account(machine.node, namespace)
    said = run_to_end(machine.node, namespace, a_pod("terraform", SAY, account="terraform"))
    assert said.split() == [CLIENT_ID, f"{MOUNT_PATH}/{TOKEN_FILE}"]
