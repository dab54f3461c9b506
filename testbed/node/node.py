"""A cluster with one node of our own: the control plane, and containerd, kubelet, kube-scheduler and kube-proxy.

All of it lives in a House. Only the API server can be reached from outside, and nothing outside can be reached from
within. Without DNS, pods find each other by the addresses of Services, or by hostAliases.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from testbed.cluster import build, kubeconfig
from testbed.cluster.control_plane import ControlPlane
from testbed.cluster.kubeconfig import Access
from testbed.cluster.processes import ClusterError, Process, wait_until
from testbed.node import house, images, packages
from testbed.registry import serving
from testbed.registry.serving import Registry

__all__ = ["ISSUER", "NAME", "Node"]

# It looks public, as Entra needs it; the emulator fetches its documents from the API server.
ISSUER = "https://oidc.example.com/m365wi"
NAME = "m365wi-node"
GATEWAY = "10.244.0.1"
PODS = "10.244.0.0/16"
READY_SECONDS = 90.0
SOCKET = "/run/containerd/containerd.sock"
REGISTRIES = "certs.d"

CONTAINERD = """
version = 2
root = "{directory}/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  # A process may be made less likely to be killed than ours only with CAP_SYS_RESOURCE, which a machine may not have.
  restrict_oom_score_adj = true
  sandbox_image = "{pause}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{cni}"
    conf_dir = "{directory}/cni"
  # How to reach a registry; read at each pull.
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{directory}/{registries}"
"""


class Node(ControlPlane):
    """A context manager like ControlPlane. Needs root, `packages.install()` and the binaries of build.NODE."""

    host = house.NODE.address
    addresses = ("127.0.0.1", host, GATEWAY, "10.96.0.1")

    def __init__(self, minor: str = build.MINORS[0]) -> None:
        flags = [
            "--bind-address=0.0.0.0",
            f"--advertise-address={GATEWAY}",
            "--endpoint-reconciler-type=master-count",
            # The kubelet may request tokens for its own pods, and only for the audiences that they name.
            "--authorization-mode=Node",  # in addition to RBAC
            "--enable-admission-plugins=NodeRestriction",
            "--kubelet-client-certificate=kubelet-client.crt",
            "--kubelet-client-key=kubelet-client.key",
            "--kubelet-preferred-address-types=InternalIP",
        ]
        self._tools = {tool: build.binary(tool, minor) for tool in build.NODE}
        super().__init__(minor, issuer=ISSUER, apiserver_flags=flags)
        self._house = house.House(self._workshop)

    def close(self) -> None:
        """Ends every process, and with them all that they made. It may be called again."""
        super().close()
        self._house.close()

    def run(self, *command: str) -> str:
        """Runs a command on the node and returns its output. Raises ClusterError if it fails."""
        return self._house.run(*command)

    def load(self, image: images.Image) -> None:
        """Loads an image into the node, so that no pod pulls it."""
        self.run("ctr", "--namespace", "k8s.io", "images", "import", str(image.archive))

    def serve_registry(self) -> Registry:
        """Starts a registry on the node, by TLS. containerd reaches it by its name, and trusts its authority."""
        hosts = self.directory / "hosts"
        hosts.write_text(f"{Path('/etc/hosts').read_text()}\n127.0.0.1 {serving.NAME}\n")
        self.run("mount", "--bind", str(hosts), "/etc/hosts")
        registry = Registry(self._workshop, self._house.inside)
        folder = self.directory / REGISTRIES / serving.NAME
        folder.mkdir(parents=True)
        address = f"https://{serving.NAME}"
        (folder / "hosts.toml").write_text(f'server = "{address}"\n[host."{address}"]\nca = "{registry.authority}"\n')
        return registry

    def _start_on_free_ports(self) -> None:
        self._house.open()
        self._make_network()
        super()._start_on_free_ports()
        self._start_containerd()
        self._start_rest()
        wait_until(self._is_ready, f"node {NAME} ready", seconds=READY_SECONDS, alive=self.processes)

    def _etcd_command(self) -> list[str | Path]:
        return self._house.inside(super()._etcd_command())

    def _apiserver_command(self) -> list[str | Path]:
        return self._house.inside(super()._apiserver_command())

    def _controller_manager_command(self) -> list[str | Path] | None:
        command = super()._controller_manager_command()
        return command and self._house.inside(command)

    def _write_keys(self) -> None:
        super()._write_keys()
        pair = self.authority.client("kube-apiserver", ["system:masters"])
        self._write("kubelet-client.crt", pair.certificate)
        self._write("kubelet-client.key", pair.key)

    def _make_network(self) -> None:
        """Makes the bridge of the pods before the first pod: kube-apiserver and the kubelet use its address."""
        run = self._house.run
        run("ip", "link", "add", "cni0", "type", "bridge")
        run("ip", "address", "add", f"{GATEWAY}/16", "dev", "cni0")
        run("ip", "link", "set", "cni0", "up")
        # A packet to a Service needs a route before nftables changes its destination.
        run("ip", "route", "add", "default", "dev", "cni0")
        run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        # If a neighbour on the bridge answers for a Service, its answer must pass nftables, too.
        run("sh", "-c", "modprobe br_netfilter 2>&1; echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables")

    def _start_containerd(self) -> None:
        cni = packages.cni_directory()
        if cni is None:
            raise ClusterError("the CNI plugins are not installed")
        self._write(
            "containerd.toml",
            CONTAINERD.format(
                directory=self.directory, socket=SOCKET, pause=images.BUSYBOX, cni=cni, registries=REGISTRIES
            ),
        )
        (self.directory / "cni").mkdir(exist_ok=True)
        self._write("cni/10-bridge.conflist", json.dumps(self._cni()))
        containerd = self._launch("containerd", ["containerd", "--config", "containerd.toml"])
        self._await_answer(containerd, "ctr", "version")

    def _cni(self) -> dict[str, Any]:
        addresses = {
            "type": "host-local",
            "ranges": [[{"subnet": PODS}]],
            "routes": [{"dst": "0.0.0.0/0"}],
            "dataDir": str(self.directory / "addresses"),
        }
        bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "hairpinMode": True, "ipam": addresses}
        return {"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge]}

    def _start_rest(self) -> None:
        for name, user, groups in (
            ("kubelet", f"system:node:{NAME}", ["system:nodes"]),
            ("kube-scheduler", "system:kube-scheduler", []),
            ("kube-proxy", "system:kube-proxy", []),
        ):
            pair = self.authority.client(user, groups)
            access = Access(self.server, self.authority.certificate, pair=pair)
            self._write(f"{name}.kubeconfig", kubeconfig.render(access))
        # No server listens there: a name that is not an alias of the pod fails at once.
        self._write("resolv.conf", "nameserver 127.0.0.1\n")
        self._write("kubelet.json", json.dumps(self._kubelet()))
        self._launch(
            "kubelet",
            [
                self._tools["kubelet"],
                "--config=kubelet.json",
                "--kubeconfig=kubelet.kubeconfig",
                f"--root-dir={self.directory}/kubelet",
                f"--cert-dir={self.directory}/kubelet-certificates",
                f"--hostname-override={NAME}",
                f"--node-ip={GATEWAY}",
            ],
        )
        self._launch(
            "kube-scheduler",
            [self._tools["kube-scheduler"], "--kubeconfig=kube-scheduler.kubeconfig", "--leader-elect=false"],
        )
        self._launch(
            "kube-proxy",
            [
                self._tools["kube-proxy"],
                "--kubeconfig=kube-proxy.kubeconfig",
                f"--hostname-override={NAME}",
                "--proxy-mode=nftables",
                # The machine's table, whose sizes a namespace may not set.
                "--conntrack-max-per-core=0",
                "--conntrack-tcp-timeout-established=0",
                "--conntrack-tcp-timeout-close-wait=0",
            ],
        )

    def _kubelet(self) -> dict[str, Any]:
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": False},
                "x509": {"clientCAFile": str(self.directory / "ca.crt")},
            },
            "authorization": {"mode": "AlwaysAllow"},
            "containerRuntimeEndpoint": f"unix://{SOCKET}",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{house.NODE.link}",
            "enforceNodeAllocatable": [],
            "failCgroupV1": False,
            "failSwapOn": False,
            "resolvConf": str(self.directory / "resolv.conf"),
            "podLogsDir": str(self.directory / "pod-logs"),
            "volumePluginDir": str(self.directory / "volume-plugins"),
            "maxPods": 250,
            "oomScoreAdj": 0,
            # A full disk of the machine must not evict the pods under test.
            "evictionHard": {"imagefs.available": "0%", "nodefs.available": "0%", "nodefs.inodesFree": "0%"},
            "imageGCHighThresholdPercent": 100,
        }

    def _launch(self, name: str, command: Sequence[str | Path]) -> Process:
        return self._workshop.start(name, self._house.inside(command))

    def _await_answer(self, process: Process, *command: str) -> None:
        def answers() -> bool:
            try:
                self.run(*command)
            except ClusterError:
                return False
            return True

        wait_until(answers, f"{process.name} answers", seconds=READY_SECONDS, alive=[process])

    def _is_ready(self) -> bool:
        answer = self.api.get(f"/api/v1/nodes/{NAME}")
        conditions = answer.json["status"].get("conditions", ()) if answer.status == 200 else ()
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
