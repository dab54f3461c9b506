"""A Kubernetes control plane: etcd, kube-apiserver and kube-controller-manager. It is ready in seconds.

    with ControlPlane("1.37") as cluster:
        cluster.kubectl("get", "namespaces")
        cluster.api.post("/api/v1/namespaces/default/pods", pod, params={"dryRun": "All"})

It brings a client certificate to webhooks at one address: a test can see that a webhook asks for it (`known_port`).

It has no node: pods are admitted and stay Pending, and TokenRequest issues tokens. All that it writes is in one
temporary directory. It ends with the interpreter, however that ends (processes.py).
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from testbed.cluster import build, kubeconfig
from testbed.cluster.build import Binaries
from testbed.cluster.cluster import Cluster
from testbed.cluster.etcd import Etcd
from testbed.cluster.kubeconfig import Access
from testbed.cluster.pki import Authority, signing_key
from testbed.cluster.processes import ClusterError, Process, Workshop, free_ports, wait_until

__all__ = ["AUDIENCE", "ISSUER", "ControlPlane"]

ISSUER = "https://kubernetes.default.svc.cluster.local"
AUDIENCE = "api://AzureADTokenExchange"
START_ATTEMPTS = 3
ADVERTISED = "192.0.2.1"  # kube-apiserver does not advertise loopback; no client uses this address (RFC 5737)
CONTROLLER_MANAGER = "system:kube-controller-manager"
SERVICES = "10.96.0.0/16"
SERVING_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")

# Writes of pods with the request and the annotations of webhooks; of all else, who did what; nothing of controllers.
AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived", "ResponseStarted"],
    "rules": [
        {
            "level": "Request",
            "verbs": ["create", "update", "patch", "delete"],
            "resources": [{"group": "", "resources": ["pods"]}],
        },
        {"level": "None", "users": [CONTROLLER_MANAGER, "system:apiserver"]},
        {
            "level": "Metadata",
            "resources": [
                {"group": "", "resources": ["serviceaccounts", "secrets", "events"]},
                {"group": "admissionregistration.k8s.io"},
            ],
        },
        {"level": "None"},
    ],
}


class ControlPlane(Cluster):
    """A context manager; `start` and `close` do the same by hand.

    `minor` is one of build.MINORS. `issuer` is the ServiceAccount issuer, an https URL. `apiserver_flags` come after
    ours, so they win. `binaries` replaces the ones that we build (envtest's); if they have no controller-manager,
    `has_controllers` is false. `audit_log` has one JSON event a line. To a webhook that it calls at 127.0.0.1 and
    `known_port`, kube-apiserver brings a certificate of `webhook_clients`; to every other, none. Raises BuildError or
    ClusterError.
    """

    host = "127.0.0.1"  # where clients reach kube-apiserver
    addresses: Sequence[str] = (host, "10.96.0.1")  # in its certificate

    def __init__(
        self,
        minor: str = build.MINORS[0],
        *,
        issuer: str = ISSUER,
        apiserver_flags: Sequence[str] = (),
        binaries: Binaries | None = None,
    ) -> None:
        self.issuer = issuer
        self.authority = Authority()
        self.webhook_clients = Authority()
        self._flags = tuple(apiserver_flags)
        self._binaries = binaries or build.binaries(minor)
        self._workshop = Workshop("m365wi-cluster-")
        self._etcd: Process | None = None
        self._apiserver: Process | None = None
        self._controllers: Process | None = None
        directory = self._workshop.directory
        self.audit_log = directory / "audit.log"
        super().__init__(
            minor,
            kubeconfig=directory / "admin.kubeconfig",
            kubectl=self._binaries.kubectl,
            directory=directory,
            has_controllers=self._binaries.controller_manager is not None,
        )

    def __enter__(self) -> Self:
        return self.start()

    def start(self) -> Self:
        """Starts everything and waits until namespace `default` takes pods; if that fails, nothing is left behind."""
        try:
            self._write_keys()
            for attempt in range(1, START_ATTEMPTS + 1):
                try:
                    self._start_on_free_ports()
                    break
                except ClusterError as error:
                    if "address already in use" not in str(error) or attempt == START_ATTEMPTS:
                        raise
                    self._kill_all()
            self.await_default_account("default")
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Ends every process and removes the directory. It may be called again."""
        super().close()
        self._workshop.close()

    @property
    def processes(self) -> tuple[Process, ...]:
        """The processes that run now."""
        return tuple(self._workshop.running)

    def kubeconfig_for(self, user: str, groups: Sequence[str] = ()) -> Path:
        """A kubeconfig with a client certificate for any user name. The user may do what the test binds roles for.

        For a ServiceAccount's own token, use `kubeconfig_for_account`.
        """
        access = Access(self.server, self.authority.certificate, pair=self.authority.client(user, groups))
        return self.write_kubeconfig(user.replace(":", "-").replace("/", "-"), kubeconfig.render(access))

    def audit_events(self) -> list[dict[str, Any]]:
        """The audit events until now, oldest first. The last line may be half written."""
        lines = self.audit_log.read_text(encoding="utf-8").rpartition("\n")[0].splitlines()
        return [json.loads(line) for line in lines]

    @property
    def etcd(self) -> Etcd:
        """The store. kube-apiserver does not see what it remembers until it starts again."""
        return Etcd(self._etcd_port)

    def stop_apiserver(self) -> None:
        """Kills kube-apiserver: connections are refused from now on."""
        if self._apiserver is not None:
            self._workshop.kill(self._apiserver)
            self._apiserver = None

    def start_apiserver(self) -> None:
        """Starts kube-apiserver again, on the same port and data, and waits until it is ready.

        The controllers are started again, too: else they may wait a minute before they ask it again.
        """
        assert self._apiserver is None, "kube-apiserver is running"
        self._apiserver = self._workshop.start("kube-apiserver", self._apiserver_command())
        self._await_ready()
        if self._controllers is not None:
            self._workshop.kill(self._controllers)
            self._start_controllers()

    def pause(self) -> None:
        """Makes kube-apiserver hang: the kernel accepts connections, and no request is answered."""
        assert self._apiserver is not None, "kube-apiserver is stopped"
        self._apiserver.signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._apiserver.popen.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)  # each thread has stopped

    def resume(self) -> None:
        """Continues a paused kube-apiserver."""
        assert self._apiserver is not None, "kube-apiserver is stopped"
        self._apiserver.signal(signal.SIGCONT)

    def heal(self) -> None:
        """Undoes the faults that a test left behind."""
        if self._apiserver is None:
            self.start_apiserver()
        self.resume()

    def _start_on_free_ports(self) -> None:
        self._etcd_port, self._peer_port, port, self.known_port = free_ports(4)
        self._write("webhooks.kubeconfig", json.dumps(self._webhooks()))
        self.server = f"https://{self.host}:{port}"
        for name, user in (("admin", "admin"), ("controller-manager", CONTROLLER_MANAGER)):
            pair = self.authority.client(user, ["system:masters"])
            access = Access(self.server, self.authority.certificate, pair=pair)
            self._write(f"{name}.kubeconfig", kubeconfig.render(access))
        self._etcd = self._workshop.start("etcd", self._etcd_command())
        self._apiserver = self._workshop.start("kube-apiserver", self._apiserver_command())
        self._await_ready()
        self._start_controllers()

    def _start_controllers(self) -> None:
        if command := self._controller_manager_command():
            self._controllers = self._workshop.start("kube-controller-manager", command)

    def _kill_all(self) -> None:
        for process in self.processes:
            self._workshop.kill(process)
        self._apiserver = self._controllers = None
        self.__dict__.pop("api", None)  # its connections know the old port

    def _await_ready(self) -> None:
        def ready() -> bool:
            with contextlib.suppress(OSError, http.client.HTTPException):
                return self.api.get("/readyz").status == 200
            return False

        assert self._etcd is not None
        assert self._apiserver is not None
        wait_until(ready, "kube-apiserver ready", alive=(self._etcd, self._apiserver))

    def _write_keys(self) -> None:
        serving = self.authority.server(self.addresses, SERVING_NAMES)
        self._write("ca.crt", self.authority.certificate)
        self._write("ca.key", self.authority.key)
        self._write("apiserver.crt", serving.certificate)
        self._write("apiserver.key", serving.key)
        self._write("service-account.key", signing_key())
        self._write("audit-policy.json", json.dumps(AUDIT_POLICY))
        known = self.webhook_clients.client("kube-apiserver")
        self._write("webhook-client.crt", known.certificate)
        self._write("webhook-client.key", known.key)
        self._write("admission.json", json.dumps(self._admission()))

    def _admission(self) -> dict[str, Any]:
        """The AdmissionConfiguration, which names the kubeconfig for webhooks."""
        group = "apiserver.config.k8s.io/v1"
        configuration = {
            "apiVersion": group,
            "kind": "WebhookAdmissionConfiguration",
            "kubeConfigFile": str(self.directory / "webhooks.kubeconfig"),  # an absolute path, kube-apiserver demands
        }
        plugin = {"name": "MutatingAdmissionWebhook", "configuration": configuration}
        return {"apiVersion": group, "kind": "AdmissionConfiguration", "plugins": [plugin]}

    def _webhooks(self) -> dict[str, Any]:
        """The kubeconfig with what kube-apiserver brings to webhooks: the user's name is the webhook's address."""
        user = {"client-certificate": "webhook-client.crt", "client-key": "webhook-client.key"}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "users": [{"name": f"127.0.0.1:{self.known_port}", "user": user}],
        }

    def _write(self, name: str, content: bytes | str) -> None:
        (self.directory / name).write_bytes(content.encode() if isinstance(content, str) else content)

    def _etcd_command(self) -> list[str | Path]:
        client, peer = f"http://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{self._peer_port}"
        return [
            self._binaries.etcd,
            "--name=test",
            "--data-dir=etcd",
            "--unsafe-no-fsync",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=test={peer}",
        ]

    def _apiserver_command(self) -> list[str | Path]:
        return [
            self._binaries.apiserver,
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self.server.rpartition(':')[2]}",
            f"--advertise-address={ADVERTISED}",
            "--endpoint-reconciler-type=none",
            f"--service-cluster-ip-range={SERVICES}",
            "--tls-cert-file=apiserver.crt",
            "--tls-private-key-file=apiserver.key",
            "--client-ca-file=ca.crt",
            "--authorization-mode=RBAC",
            "--admission-control-config-file=admission.json",
            "--allow-privileged=true",
            f"--service-account-issuer={self.issuer}",
            f"--service-account-jwks-uri={self.issuer}/openid/v1/jwks",
            "--service-account-key-file=service-account.key",
            "--service-account-signing-key-file=service-account.key",
            "--audit-policy-file=audit-policy.json",
            f"--audit-log-path={self.audit_log}",
            *self._flags,
        ]

    def _controller_manager_command(self) -> list[str | Path] | None:
        if self._binaries.controller_manager is None:
            return None
        return [
            self._binaries.controller_manager,
            "--kubeconfig=controller-manager.kubeconfig",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            "--secure-port=0",
            "--root-ca-file=ca.crt",
            "--cluster-signing-cert-file=ca.crt",
            "--cluster-signing-key-file=ca.key",
            "--service-account-private-key-file=service-account.key",
        ]
