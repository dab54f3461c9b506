"""Replicas of an installation, as processes of one ServiceAccount behind one address.

Replica        one `python -m webhook serve`
Fleet          replicas of an installation, behind a balancer that knows who is ready
"""

from __future__ import annotations

import http.client
import json
import re
import secrets
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Self

from cryptography import x509

from testbed.cluster.cluster import Cluster
from testbed.cluster.pods import a_pod, is_injected
from testbed.cluster.processes import Process, Workshop, free_ports, wait_until
from testbed.cluster.registration import Scope
from testbed.fleet.balancer import Balancer
from testbed.fleet.clocks import Clocks
from testbed.fleet.installation import SECRET, Installation
from testbed.fleet.privacy import exposures, private_in_files, stored_keys
from testbed.fleet.watching import Watch, certificates

__all__ = ["Fleet", "Replica", "connect", "fleet", "review"]

CHECKOUT = Path(__file__).parents[2]
PROBE_SECONDS = 0.1


@dataclass
class Replica:
    """One webhook process, gunicorn's parent and its worker in a process group of their own."""

    process: Process
    port: int
    ops_port: int
    server_name: str

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self.process.popen.poll() is None

    @property
    def log(self) -> str:
        """Everything that it wrote."""
        return self.process.log.read_text(encoding="utf-8", errors="replace")

    def messages(self, level: str | None = None) -> list[str]:
        """The messages that it logged, at `level` or at any level, oldest first."""
        lines = [json.loads(line) for line in self.log.splitlines() if line.startswith("{") and line.endswith("}")]
        return [line["message"] for line in lines if level in (None, line["level"])]

    def readyz(self) -> tuple[int, str]:
        """Status and text of /readyz; 0 if no answer comes."""
        return self._ask("/readyz")

    def is_ready(self) -> bool:
        """Whether /readyz answers 200."""
        return self.readyz()[0] == 200

    def events(self) -> dict[str, int]:
        """m365wi_certificate_events_total by event, as /metrics has it."""
        found = re.findall(r'^m365wi_certificate_events_total\{event="(\w+)"\} (\S+)$', self._ask("/metrics")[1], re.M)
        return {event: int(float(count)) for event, count in found}

    def connect(self, bundle: bytes) -> ssl.SSLSocket:
        """A fresh connection as kube-apiserver makes it. Raises ssl.SSLCertVerificationError, OSError."""
        return connect(self.port, bundle, self.server_name)

    def leaf(self, bundle: bytes) -> x509.Certificate:
        """The verified leaf certificate of a fresh connection."""
        with self.connect(bundle) as connection:
            return x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"")

    def trusted(self, bundle: bytes) -> bool:
        """Whether a fresh connection that trusts `bundle` succeeds."""
        with suppress(OSError):
            self.connect(bundle).close()
            return True
        return False

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to gunicorn's parent and worker."""
        self.process.signal(number)

    def _ask(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.ops_port, timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException):
            return 0, ""
        finally:
            connection.close()


class Fleet:
    """Replicas behind one address; see `fleet`."""

    def __init__(self, installation: Installation, balancer: Balancer, workshop: Workshop) -> None:
        self.installation = installation
        self.balancer = balancer
        self.replicas: list[Replica] = []
        self._workshop = workshop
        self._number = 0
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._prober = threading.Thread(target=self._probe, name="readiness")

    def __enter__(self) -> Self:
        self._prober.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._prober.join()

    @property
    def alive(self) -> list[Replica]:
        """The replicas whose processes run."""
        return [replica for replica in self.replicas if replica.alive]

    def start(
        self,
        *arguments: str,
        kubeconfig: Path | None = None,
        clocks: Clocks | None = None,
        environ: Mapping[str, str] = MappingProxyType({}),
    ) -> Replica:
        """Starts one more replica, with the clocks of `clocks` and more variables. It is not ready yet."""
        installation = self.installation
        port, ops_port = free_ports(2)
        command = [
            *("env", f"PYTHONPATH={CHECKOUT}", *(f"{name}={value}" for name, value in environ.items())),
            *(sys.executable, "-m"),
            *(("testbed.fleet.clocks", str(clocks.path)) if clocks else ("webhook",)),
            "serve",
            *("--listen", f"127.0.0.1:{port}", "--ops-listen", f"127.0.0.1:{ops_port}"),
            *("--kubeconfig", str(kubeconfig or installation.kubeconfig), "--own-namespace", installation.own),
            *arguments,
        ]
        if "--certificates" not in command:
            command += ["--certificates", "self-managed"]
            command += ["--configuration", installation.name, "--extra-names", "127.0.0.1"]
        with self._lock:
            self._number += 1
            process = self._workshop.start(f"replica-{self._number}", command)
            replica = Replica(process, port, ops_port, installation.server_name)
            self.replicas.append(replica)
        return replica

    def kill(self, replica: Replica) -> None:
        """Sends SIGKILL to parent and worker. The log stays."""
        with self._lock:
            if replica.process in self._workshop.running:
                self._workshop.kill(replica.process)

    def await_ready(self) -> None:
        """Returns when every living replica is ready and the balancer knows it."""
        for replica in self.alive:
            wait_until(replica.is_ready, f"{replica.process.name} ready", alive=[replica.process])
        ports = {replica.port for replica in self.alive}
        wait_until(lambda: ports <= set(self.balancer.targets), "every replica behind the balancer")

    def trusted(self) -> bool:
        """Whether each living replica's leaf verifies against each of our published bundles, none of them empty."""
        ours = [bundle for name, bundle in self.installation.bundles().items() if name.endswith(".workload.identity")]
        return bool(ours) and all(certificates(one) and each.trusted(one) for one in ours for each in self.alive)

    def whole(self) -> bool:
        """Whether the published CA can sign, every leaf is trusted, and every replica is ready."""
        data = self.installation.secret()
        if not data.get("ca.key", b"").startswith(b"-----BEGIN PRIVATE KEY") or not certificates(
            data.get("ca.crt", b"")
        ):
            return False
        signing = certificates(data["ca.crt"])[0]
        published = self.installation.bundles()
        ours = [certificates(bundle) for name, bundle in published.items() if name.endswith("m365.workload.identity")]
        return (
            bool(ours)
            and all(signing in bundle for bundle in ours)
            and self.trusted()
            and all(replica.is_ready() for replica in self.alive)
        )

    def admits(self) -> bool:
        """Whether kube-apiserver admits a pod, and the pod is injected."""
        answer = self.installation.create_pod(dry_run=True)
        return answer.status == 201 and is_injected(answer.json)

    def await_healed(self) -> None:
        """Returns when the fleet is whole and a pod is admitted. Raises ClusterError if it never is."""
        alive = [replica.process for replica in self.alive]
        wait_until(lambda: self.whole() and self.admits(), "healed", alive=alive)

    def count(self, event: str) -> int:
        """The sum of m365wi_certificate_events_total of `event` over all living replicas."""
        return sum(replica.events().get(event, 0) for replica in self.alive)

    def await_event(self, event: str, *, at_least: int = 1) -> None:
        """Returns when the replicas together have counted `event`."""

        wait_until(lambda: self.count(event) >= at_least, f"{event} counted")

    def count_logged(self, *texts: str, level: str = "warning") -> int:
        """How many lines with all of `texts` the replicas have logged, including dead replicas."""
        messages = [message for replica in self.replicas for message in replica.messages(level)]
        return sum(all(text in message for text in texts) for message in messages)

    def _probe(self) -> None:
        """Does what the kubelet and the endpoint controller do, ten times as fast."""
        while not self._closing.wait(PROBE_SECONDS):
            self.balancer.targets = tuple(replica.port for replica in self.alive if replica.is_ready())


@contextmanager
def fleet(cluster: Cluster, *, scope: Scope = "pod-label") -> Iterator[Fleet]:
    """An installation that has no rights, configuration or replicas yet.

    At its end it fails if a key is in what the running replicas show, or in what they wrote.
    """
    with ExitStack() as stack:
        balancer = stack.enter_context(Balancer())
        own, pods = (cluster.create_namespace(f"{kind}-{secrets.token_hex(4)}") for kind in ("webhook", "pods"))
        installation = Installation(cluster, own, pods, f"https://127.0.0.1:{balancer.port}/mutate", scope=scope)
        stack.callback(installation.take_away)
        watch = stack.enter_context(Watch(cluster.api, installation.secrets_path, SECRET))
        workshop = Workshop("m365wi-rotation-")
        stack.callback(workshop.close)
        with Fleet(installation, balancer, workshop) as made:
            yield made
            keys = stored_keys(change.document for change in watch.history)
            shown = [each for replica in made.alive for each in exposures(replica.process.popen.pid, keys)]
            for replica in made.replicas:
                if replica.alive:
                    replica.signal(signal.SIGCONT)
                    replica.process.popen.send_signal(signal.SIGINT)  # ends without the pause for kube-apiserver
            for replica in made.replicas:  # their last messages are searched, too
                with suppress(subprocess.TimeoutExpired):  # closing the workshop ends it
                    replica.process.popen.wait(timeout=15)
        private = shown + private_in_files(workshop.directory, keys)
        assert not private, private


def connect(port: int, bundle: bytes, server_name: str, *, timeout: float = 30) -> ssl.SSLSocket:
    """A TLS connection to a port of loopback that trusts `bundle` alone."""
    context = ssl.create_default_context(cadata=bundle.decode("ascii"))
    plain = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as Go does
    try:
        return context.wrap_socket(plain, server_hostname=server_name)
    except BaseException:
        plain.close()
        raise


def review(namespace: str, *, labels: Mapping[str, str] | None = None) -> bytes:
    """An AdmissionReview as kube-apiserver posts it for the usual pod, with other labels if any are given."""
    pod = a_pod(labels=labels)
    request = {
        "uid": secrets.token_hex(8),
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "name": pod["metadata"]["name"],
        "namespace": namespace,
        "operation": "CREATE",
        "userInfo": {"username": "system:admin"},
        "object": pod,
        "dryRun": True,
    }
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()
