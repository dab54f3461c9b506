"""Each alert fires, and each panel has data, with a real Prometheus that scrapes the real webhook and kube-apiserver.

Of the rules, each minute is a second here; test_rules.py tests the minutes. kube-state-metrics is a page of text.
"""

from __future__ import annotations

import base64
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count

import pytest

from testbed.cluster import kubeconfig
from testbed.cluster.build import MINORS
from testbed.cluster.control_plane import ControlPlane
from testbed.cluster.pods import a_pod, make_account
from testbed.cluster.processes import Workshop, free_ports, wait_until
from testbed.fleet.fleet import Fleet, Replica, fleet
from testbed.fleet.installation import RBAC, Installation
from testbed.prometheus.running import Prometheus
from tests.authorities import make_authority
from tests.monitoring.conftest import Draw
from tests.monitoring.panels import has_data, panels
from tests.monitoring.rules import in_seconds, is_about_sign_in, rules

pytestmark = [pytest.mark.prometheus, pytest.mark.slow, pytest.mark.timeout(300)]

# Of a CronJob whose last run failed.
STATE = """\
kube_cronjob_status_last_schedule_time{cronjob="m365-workload-identity-federation"} 200
kube_cronjob_status_last_successful_time{cronjob="m365-workload-identity-federation"} 100
"""
# Authority and leaf certificate expire so soon that there is an alert for each; and a trouble is found within a second.
SHORT = ("--ca-lifetime", "30d", "--leaf-lifetime", "1d", "--interval", "1s", "--settle", "2s")
HEAD = b"POST /mutate?timeout=10s HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n"


class Scene:
    """An installation of the webhook in a control plane, and a Prometheus that watches both."""

    def __init__(self, fleet: Fleet, workshop: Workshop) -> None:
        self.fleet = fleet
        self.installation: Installation = fleet.installation
        self.workshop = workshop
        self.folder = workshop.directory
        apiserver = kubeconfig.read(self.installation.cluster.kubeconfig)
        self.prometheus = Prometheus(workshop, in_seconds(sign_in=False), apiserver=apiserver)
        self._numbers = count()

    def start(self, *arguments: str, **environ: str) -> Replica:
        """One more replica, which is scraped from now on; replicas that were killed are scraped no more."""
        replica = self.fleet.start(*arguments, environ=environ)
        self.scrape()
        return replica

    def scrape(self, **others: list[int]) -> None:
        self.prometheus.scrape({"webhook": [each.ops_port for each in self.fleet.alive], **others})

    def patch(self, place: str, value: object) -> None:
        """Sets a field of the webhook for labelled pods."""
        operation = {"op": "add", "path": f"/webhooks/0/{place}", "value": value}
        self.installation.cluster.api.patch(self.installation.configuration_path, [operation]).expect()

    def create(self) -> int:
        """The status of a create of a pod, which is not kept, of a ServiceAccount that no replica has read before."""
        account = f"account-{next(self._numbers)}"
        make_account(self.installation.cluster, self.installation.pods, account)
        path = f"/api/v1/namespaces/{self.installation.pods}/pods"
        return self.installation.cluster.api.post(path, a_pod(account=account), params={"dryRun": "All"}).status


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    """With its rights and its configuration, and no replica yet."""
    with ExitStack() as stack:
        control_plane = stack.enter_context(ControlPlane(MINORS[0]))
        made = stack.enter_context(fleet(control_plane))
        workshop = Workshop("m365wi-prometheus-")
        stack.callback(workshop.close)
        made.installation.grant_all()
        made.installation.register()
        yield Scene(made, workshop)


@contextmanager
def again_and_again(*actions: Callable[[], object]) -> Iterator[None]:
    """Each in a thread of its own, ten times a second at most, until the end of the block."""
    end = threading.Event()

    def repeated(action: Callable[[], object]) -> None:
        while not end.wait(0.1):
            with suppress(OSError):
                action()

    threads = [threading.Thread(target=repeated, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        end.set()
        for thread in threads:
            thread.join()


def trouble(scene: Scene) -> list[Callable[[], object]]:
    """What strangers do to a replica: no TLS, none for more than a second, and to the newest one: no review."""
    bundle = next(iter(scene.installation.bundles().values()))
    replica = scene.fleet.alive[0]

    def no_tls() -> None:
        with socket.create_connection(("127.0.0.1", replica.port), timeout=5) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
            connection.recv(1)

    def no_review(asked: Replica, pause: float = 0) -> None:
        with asked.connect(bundle) as connection:
            connection.sendall(HEAD)
            threading.Event().wait(pause)
            connection.sendall(b"{}")
            connection.recv(1)

    # kube-apiserver keeps its connection, so a replica that comes later would get nothing else.
    return [no_tls, lambda: no_review(scene.fleet.alive[-1]), lambda: no_review(replica, 1.2)]


def has_no_collector(scene: Scene) -> None:
    """One more replica, which sends the spans of its reviews to where nothing listens."""
    (port,) = free_ports(1)
    traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}", "OTEL_EXPORTER_OTLP_TIMEOUT": "500"}
    scene.start(*SHORT, "--tracing", "true", OTEL_BSP_SCHEDULE_DELAY="500", **traced)
    scene.fleet.await_ready()


def loses_trust(scene: Scene) -> None:
    """Somebody empties caBundle, and the replica puts its authority back."""
    scene.patch("clientConfig/caBundle", "")


def refuses_lookups(scene: Scene) -> None:
    """Takes the right to read ServiceAccounts away."""
    scene.installation.cluster.api.delete(f"{RBAC}/clusterroles/{scene.installation.name}-accounts").expect()


def admits_without_asking(scene: Scene) -> None:
    """failurePolicy Ignore."""
    scene.patch("failurePolicy", "Ignore")


def is_not_trusted(scene: Scene) -> None:
    """Another authority in caBundle, and no right to put ours back."""
    scene.installation.grant_configuration("get")
    stranger = make_authority(now=datetime.now(UTC), lifetime=timedelta(days=9)).pem
    scene.patch("clientConfig/caBundle", base64.b64encode(stranger.encode()).decode())


def has_an_old_client_authority(scene: Scene) -> None:
    """One more replica, whose authority of clients ends in nine days."""
    file = scene.folder / "clients.pem"
    file.write_text(make_authority(now=datetime.now(UTC), lifetime=timedelta(days=9)).pem, encoding="utf-8")
    scene.start(*SHORT, "--client-ca", str(file))


def has_a_failed_job(scene: Scene) -> None:
    """kube-state-metrics says so."""
    (port,) = free_ports(1)
    pages = scene.folder / "pages"
    pages.mkdir()
    (pages / "metrics").write_text(STATE, encoding="utf-8")
    serve = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(pages)]
    scene.workshop.start("kube-state-metrics", serve)
    scene.scrape(state=[port])


# What happens, in this order, and what fires then. Most of it is not healed before the next.
STEPS: dict[Callable[[Scene], None], tuple[str, ...]] = {
    has_no_collector: ("M365WISpansLost",),
    loses_trust: ("M365WICertificateTrouble",),
    refuses_lookups: ("M365WILookupsFail", "M365WIPodsRefused"),
    admits_without_asking: ("M365WIPodsWithoutIdentity",),
    is_not_trusted: ("M365WINotTrusted",),
    has_an_old_client_authority: ("M365WIClientAuthorityExpires",),
    has_a_failed_job: ("M365WIFederationFails",),
}
TROUBLE = ("M365WIConnectionsRefused", "M365WIErrors", "M365WISlow")


def test_alerts_fire_and_panels_have_data(scene: Scene, draw: Draw) -> None:
    """Each alert for the trouble that it is about, none while all is well; then each panel has data."""
    prometheus = scene.prometheus
    prometheus.await_alert("M365WIDown")
    scene.start(*SHORT)
    scene.fleet.await_ready()
    assert scene.create() == 201
    scraped = "count_over_time(m365wi_trust_published[15s]) > 20"
    wait_until(lambda: bool(prometheus.query(scraped)), "ten seconds without trouble")
    fired = ["M365WIDown", "M365WICertificateExpires", "M365WIAuthorityExpires"]
    assert prometheus.alerts() == dict.fromkeys(fired[1:], "firing")

    with again_and_again(*trouble(scene), scene.create):
        for alert in TROUBLE:
            prometheus.await_alert(alert)
            fired.append(alert)
        for happens, alerts in STEPS.items():
            happens(scene)
            for alert in alerts:
                prometheus.await_alert(alert)
                fired.append(alert)
        for title, query in panels("webhook", job="webhook").items():
            wait_until(partial(has_data, prometheus, query), f"{title} has data")
        draw("webhook", prometheus)
    assert set(fired) == {name for name, rule in rules().items() if not is_about_sign_in(rule)}
