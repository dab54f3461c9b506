"""Our webhook as in a pod: behind a real kube-apiserver, with its chart's rights and certificates of its own."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from bench.cluster import NO_AUDIT
from bench.webhooks import ROOT, Webhook, started
from testbed.cluster import build, kubeconfig
from testbed.cluster.control_plane import ControlPlane
from testbed.cluster.processes import Workshop, free_ports
from testbed.fleet.installation import Installation

__all__ = ["OWN", "PODS", "Installed", "installed"]

ENTRY = Path(__file__).with_name("in_pod.py")
OWN, PODS = "m365-workload-identity-system", "shop"


@dataclass(frozen=True)
class Installed:
    """An installation without replicas. authority: of kube-apiserver. core: where replicas run, on any if None."""

    installation: Installation
    authority: bytes
    workshop: Workshop
    python: str
    core: int | None = None

    def start(self) -> Webhook:
        """A replica that is ready."""
        cluster, folder = self.installation.cluster, self.workshop.directory / "mounted"
        folder.mkdir(exist_ok=True)
        admin = kubeconfig.read(cluster.kubeconfig)
        (folder / "ca.crt").write_bytes(self.authority)
        (folder / "token").write_text(cluster.token(OWN, "webhook", seconds=86400), encoding="utf-8")
        server = urlsplit(admin.server)
        port, probes = free_ports(2)
        packages = [] if self.python != sys.executable else [sysconfig.get_path("platlib")]
        # As in the image and the chart: with bytecode, and glibc's threshold.
        command: list[str | Path] = ["env", "-u", "PYTHONDONTWRITEBYTECODE", "MALLOC_MMAP_THRESHOLD_=65536"]
        command += [f"PYTHONPATH={os.pathsep.join([str(ROOT), *packages])}"]
        command += [f"KUBERNETES_SERVICE_HOST={server.hostname}", f"KUBERNETES_SERVICE_PORT={server.port}"]
        command += [self.python, ENTRY, folder, "serve", "--own-namespace", OWN]
        command += ["--listen", f"127.0.0.1:{port}", "--ops-listen", f"127.0.0.1:{probes}"]
        command += ["--certificates", "self-managed", "--configuration", self.installation.name]
        command += ["--extra-names", "127.0.0.1", "--tenant-id", "contoso.onmicrosoft.com"]
        return started(self.workshop, "ours", command, self.core, (port, probes))


@contextmanager
def installed(*, python: str = sys.executable, core: int | None = None) -> Iterator[Installed]:
    """An installation in a new control plane. Raises ClusterError or BuildError."""
    with ExitStack() as stack:
        workshop = Workshop("m365wi-bench-")
        stack.callback(workshop.close)
        # Without controllers, which would go on for minutes after thousands of namespaces were created.
        binaries = replace(build.binaries(build.MINORS[0]), controller_manager=None)
        cluster = stack.enter_context(ControlPlane(apiserver_flags=NO_AUDIT, binaries=binaries))
        for namespace in (OWN, PODS):
            cluster.create_namespace(namespace)
        installation = Installation(cluster, OWN, PODS, "https://127.0.0.1:1/mutate")
        installation.grant_all()
        installation.create_empty_secret()
        installation.register()
        yield Installed(installation, cluster.authority.certificate, workshop, python, core)
