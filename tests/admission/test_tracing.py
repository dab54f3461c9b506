"""A kube-apiserver that is traced, and the webhook: the spans of both are one trace at the same collector."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from demo.server import Running, running
from testbed.cluster.control_plane import ControlPlane
from testbed.cluster.pods import a_pod, is_injected, make_account
from testbed.cluster.registration import webhook_registration
from testbed.traces.collector import Collector, Span
from tests.admission.helpers import with_least_rights

# Not with the control plane of other tests: this one has a flag of its own.
pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("kubernetes-1.37")]

NAMESPACE = "shop"


@dataclass(frozen=True)
class Traced:
    """What is traced, and the collector of both."""

    cluster: ControlPlane
    webhook: Running
    collector: Collector

    def create(self, **metadata: str) -> None:
        """One pod, by dry run."""
        pod = a_pod()
        pod["metadata"] |= metadata
        path = f"/api/v1/namespaces/{NAMESPACE}/pods"
        assert is_injected(self.cluster.api.post(path, pod, params={"dryRun": "All"}).expect(201).json)

    def line(self, trace: str) -> dict[str, object]:
        """The line of the webhook's log with that trace."""
        lines = [json.loads(line) for line in self.webhook.log.read_text().splitlines()]
        (found,) = (line for line in lines if line.get("trace_id") == trace)
        return dict(found)


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    """kube-apiserver sends all its spans by gRPC, the webhook by HTTP; both send them soon."""
    folder = tmp_path_factory.mktemp("traced")
    with pytest.MonkeyPatch.context() as patch, Collector() as collector:
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        patch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{collector.url}/v1/traces")
        configuration = {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "TracingConfiguration",
            "endpoint": collector.grpc_address,
            "samplingRatePerMillion": 1_000_000,
        }
        (folder / "tracing.json").write_text(json.dumps(configuration))
        flags = [f"--tracing-config-file={folder / 'tracing.json'}"]
        with ControlPlane("1.37", apiserver_flags=flags) as cluster:
            cluster.create_namespace(NAMESPACE)
            make_account(cluster, NAMESPACE)
            settings = ["--kubeconfig", str(with_least_rights(cluster)), "--tracing=true"]
            with running(folder, settings) as webhook:
                with webhook_registration(cluster.api, webhook.url, webhook.authority.encode()):
                    yield Traced(cluster, webhook, collector)


def of_webhook(span: Span) -> bool:
    return span.resource.get("service.name") == "m365-workload-identity"


def ancestors(span: Span, collector: Collector) -> list[Span]:
    """The spans above it, from its parent to the root, each as soon as it has come."""
    found: list[Span] = []
    while span.parent:
        (span,) = collector.wait_for(lambda each, wanted=span.parent: each.id == wanted)  # type: ignore[misc]
        found.append(span)
    return found


def test_a_review_is_a_part_of_kube_apiservers_trace(traced: Traced) -> None:
    """Its call of the webhook is the parent, the look-up is a child. Later ones find the ServiceAccount in memory."""
    for _ in range(5):
        traced.create()
    reviews = traced.collector.wait_for(lambda span: of_webhook(span) and span.name == "POST /mutate", count=5)
    assert len({span.trace for span in reviews}) == 5
    for review in reviews:
        above = ancestors(review, traced.collector)
        assert {span.resource["service.name"] for span in above} == {"apiserver"}
        assert {span.trace for span in above} == {review.trace}
        assert {"Call mutating webhook", "POST /api/v1/namespaces/{:namespace}/pods"} <= {span.name for span in above}
        assert all(span.begin <= review.begin <= review.end <= span.end for span in above)
        assert review.attributes["m365wi.outcome"] == "injected"
        assert review.attributes["k8s.namespace.name"] == NAMESPACE
        assert traced.line(review.trace)["status"] == 200
    (call,) = (span for span in traced.collector.spans if of_webhook(span) and span not in reviews)
    assert call.parent in {review.id for review in reviews}
    assert call.attributes["http.response.status_code"] == 200
    # kube-apiserver trusts only its own components with its traces, so it begins a new one, with a link to ours.
    (answer,) = traced.collector.wait_for(lambda span: call.id in span.links)
    assert answer.name == "GET /api/v1/namespaces/{:namespace}/serviceaccounts/{:name}"
