"""The webhook installed as its chart does it: replicas as processes of one ServiceAccount behind one address.

    Installation   two namespaces (the webhook's, and one for pods), ServiceAccount, rights, webhook configuration
    Replica        one `python -m webhook serve`
    Fleet          replicas of an installation, behind a balancer that knows who is ready

An installation reviews the pods of its own second namespace and no others, so nothing is in another test's way.
"""

from __future__ import annotations

import base64
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
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from cryptography import x509

from tests.admission.conftest import a_pod, is_injected, make_account
from tests.cluster.api import Response
from tests.cluster.cluster import Cluster
from tests.cluster.processes import Process, Workshop, free_ports, wait_until
from tests.cluster.registration import CONFIGURATIONS, Scope, configuration, settle
from tests.rotation.balancer import Balancer
from tests.rotation.watching import Watch, bundles, certificates, decoded

__all__ = ["HEALED_SECONDS", "READY_SECONDS", "Fleet", "Installation", "Replica", "review", "seconds"]

CHECKOUT = Path(__file__).parents[2]
READY_SECONDS = 60.0
HEALED_SECONDS = 60.0
PROBE_SECONDS = 0.1
ACCOUNT = "webhook"
SECRET = "m365-workload-identity-ca"
SERVICE = "m365-workload-identity"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
LONG = ("--ca-lifetime", "2d", "--leaf-lifetime", "1h")


def seconds(
    *, interval: float, settle: float, leaf: float | None = None, authority: float | None = None, skew: float = 3600
) -> tuple[str, ...]:
    """The flags of a rotation, in seconds; certificates live long unless told otherwise."""
    lives = LONG if leaf is None else ("--ca-lifetime", f"{authority}s", "--leaf-lifetime", f"{leaf}s")
    return (*lives, "--interval", f"{interval}s", "--settle", f"{settle}s", "--skew", f"{skew}s")


@dataclass
class Installation:
    """Everything of the webhook but its processes."""

    cluster: Cluster
    own: str
    pods: str
    url: str
    scope: Scope = "pod-label"
    kubeconfig: Path = field(init=False)

    def __post_init__(self) -> None:
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT}}
        self.cluster.api.post(f"/api/v1/namespaces/{self.own}/serviceaccounts", account).expect()
        self.kubeconfig = self.cluster.kubeconfig_for_account(self.own, ACCOUNT)
        make_account(self.cluster, self.pods)

    @property
    def name(self) -> str:
        """Of the webhook configuration, and of the ClusterRoles."""
        return f"m365wi-{self.own}"

    @property
    def configuration_path(self) -> str:
        return f"{CONFIGURATIONS}/{self.name}"

    @property
    def secrets_path(self) -> str:
        return f"/api/v1/namespaces/{self.own}/secrets"

    @property
    def secret_path(self) -> str:
        return f"{self.secrets_path}/{SECRET}"

    @property
    def server_name(self) -> str:
        """What kube-apiserver asks for where it calls a Service."""
        return f"{SERVICE}.{self.own}.svc"

    def grant_accounts(self) -> None:
        """What reviews need: `get` on serviceaccounts."""
        self._cluster_rule("accounts", [rule(["serviceaccounts"], ["get"])])

    def grant_configuration(self, *verbs: str) -> None:
        """`get` and `patch`, or `verbs`, on the one webhook configuration."""
        group = "admissionregistration.k8s.io"
        named = rule(["mutatingwebhookconfigurations"], verbs or ("get", "patch"), names=[self.name], group=group)
        self._cluster_rule("configuration", [named])

    def grant_secret(self, *verbs: str, create: bool = True) -> None:
        """`get` and `update`, or `verbs`, on the one Secret, and `create` in its namespace."""
        rules = [rule(["secrets"], verbs or ("get", "update"), names=[SECRET])]
        rules += [rule(["secrets"], ["create"])] if create else []
        self._bind(f"/namespaces/{self.own}/roles", "Role", "secret", rules)

    def create_empty_secret(self) -> None:
        """As the chart may do it, so that nobody needs `create`."""
        self.cluster.api.post(self.secrets_path, {"metadata": {"name": SECRET}, "type": "Opaque"}).expect()

    def document(self) -> dict[str, Any]:
        """The configuration as the chart writes it: without caBundle."""
        made = configuration(self.url, b"", scope=self.scope, own_namespace=self.own, name=self.name)
        for entry in made["webhooks"]:
            del entry["clientConfig"]["caBundle"]
            entry["namespaceSelector"] = {"matchLabels": {"kubernetes.io/metadata.name": self.pods}}
        return made

    def register(self, bundle: bytes = b"") -> None:
        """Creates the webhook configuration, without caBundle unless `bundle` is given."""
        document = self.document()
        for entry in document["webhooks"] if bundle else ():
            entry["clientConfig"]["caBundle"] = base64.b64encode(bundle).decode()
        self.cluster.api.post(CONFIGURATIONS, document).expect()

    def bundles(self) -> dict[str, bytes]:
        """The caBundle of each webhook as it is now."""
        answer = self.cluster.api.get(self.configuration_path)
        return bundles(answer.json) if answer.status == 200 else {}

    def secret(self) -> dict[str, bytes]:
        """The data of the Secret as it is now; none where it is absent."""
        answer = self.cluster.api.get(self.secret_path)
        return decoded(answer.json) if answer.status == 200 else {}

    def create_pod(self, name: str = "web", *, dry_run: bool = False) -> Response:
        """Has kube-apiserver create a pod that is to be injected."""
        params = {"dryRun": "All"} if dry_run else None
        return self.cluster.api.post(f"/api/v1/namespaces/{self.pods}/pods", a_pod(name), params=params)

    def take_away(self) -> None:
        """Removes what no namespace holds, and has the namespaces deleted."""
        api = self.cluster.api
        api.delete(self.configuration_path).expect(200, 404)
        for kind in ("clusterrolebindings", "clusterroles"):
            for part in ("accounts", "configuration"):
                api.delete(f"{RBAC}/{kind}/{self.name}-{part}").expect(200, 404)
        settle(api)
        for namespace in (self.pods, self.own):
            self.cluster.delete_namespace(namespace)

    def _cluster_rule(self, part: str, rules: list[dict[str, Any]]) -> None:
        self._bind("/clusterroles", "ClusterRole", f"{self.name}-{part}", rules)

    def _bind(self, path: str, kind: str, name: str, rules: list[dict[str, Any]]) -> None:
        """Creates a role with its binding; a role that is there gets the rules."""
        role = {"kind": kind, "apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": name}, "rules": rules}
        binding = {
            "kind": f"{kind}Binding",
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": self.own}],
        }
        api = self.cluster.api
        if api.post(f"{RBAC}{path}", role).expect(201, 409).status == 409:
            api.put(f"{RBAC}{path}/{name}", role).expect()
        api.post(f"{RBAC}{path.replace('roles', 'rolebindings')}", binding).expect(201, 409)


def rule(
    resources: Sequence[str], verbs: Sequence[str], *, names: Sequence[str] = (), group: str = ""
) -> dict[str, Any]:
    """One rule of a role."""
    named = {"resourceNames": list(names)} if names else {}
    return {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs), **named}


@dataclass
class Replica:
    """One webhook process, gunicorn's parent and its worker in a process group of their own."""

    process: Process
    port: int
    ops_port: int
    server_name: str

    @property
    def alive(self) -> bool:
        return self.process.popen.poll() is None

    @property
    def log(self) -> str:
        """Everything that it wrote."""
        return self.process.log.read_text(encoding="utf-8", errors="replace")

    def messages(self, level: str | None = None) -> list[str]:
        """What it logged, at `level` or at any, oldest first."""
        lines = [json.loads(line) for line in self.log.splitlines() if line.startswith("{") and line.endswith("}")]
        return [line["message"] for line in lines if level in (None, line["level"])]

    def readyz(self) -> tuple[int, str]:
        """Status and text; 0 where nobody answers."""
        return self._ask("/readyz")

    def is_ready(self) -> bool:
        return self.readyz()[0] == 200

    def events(self) -> dict[str, int]:
        """m365wi_certificate_events_total by event, as /metrics has it."""
        found = re.findall(r'^m365wi_certificate_events_total\{event="(\w+)"\} (\S+)$', self._ask("/metrics")[1], re.M)
        return {event: int(float(count)) for event, count in found}

    def connect(self, bundle: bytes) -> ssl.SSLSocket:
        """A fresh connection as kube-apiserver makes it. Raises ssl.SSLCertVerificationError, OSError."""
        return connect(self.port, bundle, self.server_name)

    def leaf(self, bundle: bytes) -> x509.Certificate:
        """The leaf that a fresh connection meets, once it is verified."""
        with self.connect(bundle) as connection:
            return x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"")

    def trusted(self, bundle: bytes) -> bool:
        """Whether a fresh connection that trusts `bundle` succeeds."""
        with suppress(OSError):
            self.connect(bundle).close()
            return True
        return False

    def signal(self, number: signal.Signals) -> None:
        self.process.signal(number)

    def _ask(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.ops_port, timeout=2)
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
        """Those that were not killed."""
        return [replica for replica in self.replicas if replica.alive]

    def start(self, *arguments: str, kubeconfig: Path | None = None) -> Replica:
        """One more replica, not ready yet."""
        installation = self.installation
        port, ops_port = free_ports(2)
        command = [
            *("env", f"PYTHONPATH={CHECKOUT}", sys.executable, "-m", "webhook", "serve"),
            *("--listen", f"127.0.0.1:{port}", "--ops-listen", f"127.0.0.1:{ops_port}"),
            *("--kubeconfig", str(kubeconfig or installation.kubeconfig), "--own-namespace", installation.own),
            *("--configuration", installation.name, "--extra-names", "127.0.0.1"),
            *arguments,
        ]
        if "--certificates" not in command:
            command += ["--certificates", "self-managed"]
        with self._lock:
            self._number += 1
            process = self._workshop.start(f"replica-{self._number}", command)
            replica = Replica(process, port, ops_port, installation.server_name)
            self.replicas.append(replica)
        return replica

    def kill(self, replica: Replica) -> None:
        """SIGKILL, to parent and worker alike. Its log stays."""
        with self._lock:
            if replica.process in self._workshop.running:
                self._workshop.kill(replica.process)

    def await_ready(self, *, within: float = READY_SECONDS) -> None:
        """Returns when every living replica is ready and the balancer knows."""
        for replica in self.alive:
            wait_until(replica.is_ready, f"{replica.process.name} ready", seconds=within, alive=[replica.process])
        ports = {replica.port for replica in self.alive}
        wait_until(lambda: ports <= set(self.balancer.targets), "every replica behind the balancer", seconds=10)

    def trusted(self) -> bool:
        """Whether each living replica's leaf verifies against each published bundle of ours, and has a published CA."""
        ours = [bundle for name, bundle in self.installation.bundles().items() if name.endswith(".workload.identity")]
        return bool(ours) and all(certificates(one) and each.trusted(one) for one in ours for each in self.alive)

    def whole(self) -> bool:
        """Whether all is as it should be: a CA that can sign, published; every leaf trusted; every replica ready."""
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
        """Returns when all is as it should be and a pod is admitted; raises after HEALED_SECONDS."""
        alive = [replica.process for replica in self.alive]
        wait_until(lambda: self.whole() and self.admits(), "healed", seconds=HEALED_SECONDS, alive=alive)

    def await_event(self, event: str, *, at_least: int = 1) -> None:
        """Returns when the replicas together have counted `event`; /metrics is brought up to date every 10 s."""
        counted: Callable[[], bool] = lambda: sum(each.events().get(event, 0) for each in self.alive) >= at_least  # noqa: E731
        wait_until(counted, f"m365wi_certificate_events_total of {event}", seconds=30)

    def logged(self, *texts: str, level: str = "warning") -> int:
        """How many lines with all of `texts` the replicas logged until now, dead ones too."""
        messages = [message for replica in self.replicas for message in replica.messages(level)]
        return sum(all(text in message for text in texts) for message in messages)

    def _probe(self) -> None:
        """What the kubelet and the endpoint controller do, ten times as fast."""
        while not self._closing.wait(PROBE_SECONDS):
            self.balancer.targets = tuple(replica.port for replica in self.alive if replica.is_ready())


@contextmanager
def fleet(cluster: Cluster, *, scope: Scope = "pod-label") -> Iterator[Fleet]:
    """An installation without rights, configuration and replicas yet. At its end the logs are searched for keys."""
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
            for replica in made.replicas:
                if replica.alive:
                    replica.signal(signal.SIGCONT)
                    replica.process.popen.send_signal(signal.SIGINT)  # an end without the pause for kube-apiserver
            for replica in made.replicas:  # what they say at their end is searched, too
                with suppress(subprocess.TimeoutExpired):  # closing the workshop ends it
                    replica.process.popen.wait(timeout=15)
        keys = stored_keys(change.document for change in watch.history)
        for replica in made.replicas:
            assert private_in(replica.log, keys) == [], f"{replica.process.name} logged something private"


def stored_keys(documents: Iterable[dict[str, Any] | None]) -> set[str]:
    """Every key that a Secret ever held, as base64: without PEM's frame and as the API has it."""
    found: set[str] = set()
    for document in documents:
        for name, content in decoded(document).items():
            if name.endswith(".key") and b"PRIVATE KEY" in content:
                found.update(line for line in content.decode().splitlines() if line and not line.startswith("-----"))
                found.add((document or {})["data"][name])
    return found


def private_in(log: str, keys: Iterable[str]) -> list[str]:
    """What a log has that it must not have: the lines, shortened."""
    return [
        line[:200]
        for line in log.splitlines()
        if "PRIVATE KEY" in line or any(key[:40] in line for key in keys if len(key) >= 40)
    ]


def connect(port: int, bundle: bytes, server_name: str, *, timeout: float = 10) -> ssl.SSLSocket:
    """A TLS connection to a port of loopback that trusts `bundle` alone."""
    context = ssl.create_default_context(cadata=bundle.decode("ascii"))
    plain = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as Go does
    try:
        return context.wrap_socket(plain, server_hostname=server_name)
    except BaseException:
        plain.close()
        raise


def review(namespace: str, *, account: str = "terraform") -> bytes:
    """An AdmissionReview as kube-apiserver posts it for the usual pod."""
    pod = a_pod(account=account)
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
