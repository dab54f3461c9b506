"""What the chart can put around the webhook: quota, autoscaling, network, certificates of others, monitoring."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest

from testbed.chart.helm import CHART, NAME, NAMESPACE, render
from tests.chart.exposed import misspelt
from tests.chart.objects import container, installed, one, some
from webhook.checks.registration import SCOPE_ANNOTATION
from webhook.core.names import METRICS_PORT_NAME

pytestmark = pytest.mark.slow

DOCS: Final = CHART.parents[1] / "docs"
# AKS otherwise takes the selectors over, and the next server-side apply is a conflict. `check` reads the scope.
USUAL: Final = {"admissions.enforcer/disabled": "true", SCOPE_ANNOTATION: "pod-label"}
NOT_THE_CANARY: Final = {"key": "app.kubernetes.io/name", "operator": "NotIn", "values": [f"{NAME}-canary"]}

IDENTITY: Final = {"enabled": True, "clientId": "11111111-2222-3333-4444-555555555555", "tenantId": "a.com"}


def kinds(values: dict[str, Any] | None = None) -> set[str]:
    """The kinds of the objects that are installed."""
    return {each["kind"] for each in installed(values)}


def test_nothing_is_there_that_was_not_asked_for() -> None:
    """By default: what the webhook needs, its budget, and a policy that restricts it."""
    assert kinds() == {
        "ClusterRole",
        "ClusterRoleBinding",
        "Deployment",
        "MutatingWebhookConfiguration",
        "PodDisruptionBudget",
        "Role",
        "RoleBinding",
        "Secret",
        "Service",
        "ServiceAccount",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    }
    assert "PodDisruptionBudget" not in kinds({"podDisruptionBudget": {"enabled": False}})


def test_autoscaling_takes_the_number_of_replicas_over() -> None:
    """Helm would otherwise set it back at each upgrade."""
    objects = installed({"autoscaling": {"enabled": True, "minReplicas": 3, "maxReplicas": 9, "targetCPU": 50}})
    assert "replicas" not in one(objects, "Deployment")["spec"]
    spec = one(objects, "HorizontalPodAutoscaler")["spec"]
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME}
    assert (spec["minReplicas"], spec["maxReplicas"]) == (3, 9)
    assert spec["metrics"][0]["resource"]["target"]["averageUtilization"] == 50


@pytest.mark.parametrize(
    ("values", "pods"),
    [({"replicas": 2}, "4"), ({"replicas": 0}, "2"), ({"autoscaling": {"enabled": True}}, "12")],
    ids=["replicas", "scaled to zero", "autoscaling"],
)
def test_the_quota_has_room_for_a_roll_out(values: dict[str, Any], pods: str) -> None:
    """For the priority class that is used, and no other."""
    quota = one(installed({**values, "resourceQuota": {"enabled": True}}), "ResourceQuota")
    assert quota["spec"]["hard"] == {"pods": pods}
    (scope,) = quota["spec"]["scopeSelector"]["matchExpressions"]
    assert (scope["scopeName"], scope["values"]) == ("PriorityClass", ["system-cluster-critical"])


def test_the_network_policy_lets_through_what_is_needed_and_who_is_named() -> None:
    """Reviews and metrics in, the API server out; named peers only where some are named."""
    nodes = [{"ipBlock": {"cidr": "10.0.0.0/28"}}]
    objects = installed({"networkPolicy": {"enabled": True, "apiServerTo": nodes}})
    spec = one(objects, "NetworkPolicy")["spec"]
    assert spec["podSelector"] == one(objects, "Deployment")["spec"]["selector"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert [rule["ports"][0]["port"] for rule in spec["ingress"]] == ["webhook", "operations"]
    assert {each["name"] for each in container(objects)["ports"]} == {"webhook", "operations"}
    assert [port["port"] for rule in spec["egress"] for port in rule["ports"]] == [443, 6443]
    assert all("from" not in rule for rule in spec["ingress"])
    assert all(rule["to"] == nodes for rule in spec["egress"])

    monitoring = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    named = {"webhookFrom": nodes, "operationsFrom": monitoring, "apiServerTo": nodes, "apiServerPorts": [16443]}
    spec = one(installed({"networkPolicy": {"enabled": True, **named}}), "NetworkPolicy")["spec"]
    assert [rule["from"] for rule in spec["ingress"]] == [nodes, monitoring]
    assert spec["egress"] == [{"ports": [{"port": 16443, "protocol": "TCP"}], "to": nodes}]


def test_the_network_policy_lets_spans_out_to_the_collector_that_is_named() -> None:
    """And questions for its name, to any resolver: that of a node has an address of the node."""
    peers = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    named = {"enabled": True, "apiServerTo": [{"ipBlock": {"cidr": "10.0.0.1/32"}}], "collectorTo": peers}
    traced = {"tracing": {"endpoint": "http://collector.monitoring:4318"}}
    _, spans, names = one(installed({**traced, "networkPolicy": named}), "NetworkPolicy")["spec"]["egress"]
    assert spans == {"ports": [{"port": 4318, "protocol": "TCP"}], "to": peers}
    assert {(each["port"], each["protocol"]) for each in names["ports"]} == {(53, "UDP"), (53, "TCP")}
    assert "to" not in names
    rules = one(installed({**traced, "networkPolicy": {**named, "collectorPorts": [443]}}), "NetworkPolicy")["spec"]
    assert [[port["port"] for port in rule["ports"]] for rule in rules["egress"]] == [[443, 6443], [443], [53, 53]]
    assert len(one(installed({"networkPolicy": named}), "NetworkPolicy")["spec"]["egress"]) == 1


def test_cert_manager_issues_from_an_authority_that_outlives_its_leaves() -> None:
    """Issuer, authority, issuer, leaf; caBundle is cert-manager's to inject, from the leaf's Secret."""
    objects = installed({"certificates": {"mode": "cert-manager"}})
    issuers = {each["metadata"]["name"]: each["spec"] for each in some(objects, "Issuer")}
    certificates = {each["metadata"]["name"]: each["spec"] for each in some(objects, "Certificate")}
    authority, leaf = certificates[f"{NAME}-ca"], certificates[NAME]
    assert issuers[authority["issuerRef"]["name"]] == {"selfSigned": {}}
    assert issuers[leaf["issuerRef"]["name"]] == {"ca": {"secretName": authority["secretName"]}}
    assert authority["isCA"]
    assert int(authority["duration"][:-1]) > 10 * int(leaf["duration"][:-1])
    assert f"{NAME}.{NAMESPACE}.svc" in leaf["dnsNames"]
    spec = one(objects, "Deployment")["spec"]["template"]["spec"]
    assert spec["volumes"][0]["secret"]["secretName"] == leaf["secretName"]
    configuration = one(objects, "MutatingWebhookConfiguration")
    annotations = configuration["metadata"]["annotations"]
    assert annotations == {**USUAL, "cert-manager.io/inject-ca-from": f"{NAMESPACE}/{NAME}"}
    assert "caBundle" not in configuration["webhooks"][0]["clientConfig"]


def test_cert_manager_may_issue_from_an_authority_of_ones_own() -> None:
    """Then the chart makes no issuer and no authority."""
    mine = {"name": "corporate", "kind": "ClusterIssuer"}
    certificates = {"mode": "cert-manager", "secretName": "pair", "certManager": {"issuerRef": mine, "duration": "24h"}}
    objects = installed({"certificates": certificates})
    assert some(objects, "Issuer") == []
    leaf = one(objects, "Certificate")["spec"]
    assert (leaf["issuerRef"], leaf["secretName"], leaf["duration"]) == (mine, "pair", "24h")


def test_a_ca_bundle_is_rendered_only_if_the_values_have_one() -> None:
    """In the mode files, on request; annotations of others, such as OpenShift's, are kept."""
    bundle = {"mode": "files", "secretName": "pair", "caBundle": "cGVt"}
    inject = {"service.beta.openshift.io/inject-cabundle": "true"}
    configuration = one(
        installed({"certificates": bundle, "webhook": {"annotations": inject}, "scope": "cluster"}),
        "MutatingWebhookConfiguration",
    )
    assert [each["clientConfig"]["caBundle"] for each in configuration["webhooks"]] == ["cGVt", "cGVt"]
    assert configuration["metadata"]["annotations"] == {**USUAL, SCOPE_ANNOTATION: "cluster", **inject}
    for mode in ("self-managed", "files"):
        for each in one(
            installed({"certificates": {"mode": mode, "secretName": "pair"}}), "MutatingWebhookConfiguration"
        )["webhooks"]:
            assert "caBundle" not in each["clientConfig"]


def test_metrics_are_scraped_where_they_are() -> None:
    """From the replicas' operations port, for the Prometheus that looks for the labels given."""
    objects = installed({"podMonitor": {"enabled": True, "labels": {"release": "prometheus"}, "interval": "15s"}})
    monitor = one(objects, "PodMonitor")
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"]["selector"] == one(objects, "Deployment")["spec"]["selector"]
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert endpoint == {"port": "operations", "path": "/metrics", "interval": "15s"}


@pytest.mark.parametrize(
    ("scope", "selector"),
    [
        ("pod-label", {"matchLabels": {"azure.workload.identity/use": "true"}}),
        ("namespace-label", {"matchExpressions": [NOT_THE_CANARY]}),
        ("cluster", {"matchExpressions": [NOT_THE_CANARY]}),
    ],
)
def test_pods_that_sign_in_are_scraped_in_all_namespaces(scope: str, selector: dict[str, Any]) -> None:
    """By the port that the webhook gives to a pod that asks, and that a program may give to its own."""
    monitored = {"podMonitor": {"enabled": True, "labels": {"release": "prometheus"}, "interval": "15s"}}
    monitor = one(installed({"signInMetrics": monitored, "scope": scope}), "PodMonitor")
    assert monitor["metadata"]["name"] == f"{NAME}-sign-in"
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"]["namespaceSelector"] == {"any": True}
    assert monitor["spec"]["selector"] == selector
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert endpoint == {"port": METRICS_PORT_NAME, "path": "/metrics", "interval": "15s"}


def test_labels_for_prometheus_take_the_place_of_the_common_ones() -> None:
    """One key, one value: kube-apiserver would take the last of two, and strict tools neither."""
    labels = {"labels": {"team": "monitoring"}, "enabled": True}
    values = {"commonLabels": {"team": "platform"}, "podMonitor": labels, "prometheusRule": labels}
    for kind in ("PodMonitor", "PrometheusRule"):
        found = one(installed(values), kind)["metadata"]["labels"]
        assert (found["team"], found["app.kubernetes.io/name"]) == ("monitoring", NAME)
    assert render(values).count("team: monitoring") == 2
    assert render(values, more=("--show-only", "templates/monitoring.yaml")).count("team:") == 2


def alerts() -> list[dict[str, Any]]:
    """The rules, with a runbook elsewhere."""
    values = {
        "prometheusRule": {"enabled": True, "runbookUrl": "https://wiki.example.com/runbook"},
        "federation": IDENTITY,
        "canary": IDENTITY,
    }
    (group,) = one(installed(values), "PrometheusRule")["spec"]["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def test_every_alert_has_its_section_in_the_runbook() -> None:
    """And there is a link to it, and none to nowhere."""
    headings = {
        "".join(character for character in line.lower() if character.isalnum() or character in "- ").replace(" ", "-")
        for line in re.findall(r"^#+ (.+)$", (DOCS / "runbook.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    }
    for rule in alerts():
        address, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert address == "https://wiki.example.com/runbook"
        assert anchor in headings
        assert rule["annotations"]["summary"].endswith(".")
        assert rule["labels"]["severity"] in {"critical", "warning"}
    named = {rule["alert"].lower() for rule in alerts()}
    assert {heading for heading in headings if heading.startswith("m365wi")} == named


@pytest.mark.parametrize(
    ("duration", "seconds"), [("2160h", 259200), ("24h", 14400), ("1h30m", 900), ("36h0m30s", 21605)]
)
def test_a_short_certificate_does_not_alert_all_its_life(duration: str, seconds: int) -> None:
    """cert-manager renews when a third of its life is left: half of that is too late, or three days."""
    certificates = {"mode": "cert-manager", "certManager": {"duration": duration}}
    for values, left in (({"certificates": certificates}, seconds), ({}, 259200)):
        (group,) = one(installed({**values, "prometheusRule": {"enabled": True}}), "PrometheusRule")["spec"]["groups"]
        (rule,) = (each for each in group["rules"] if each["alert"] == "M365WICertificateExpires")
        assert rule["expr"] == f"min(m365wi_serving_certificate_not_after_seconds) - time() < {left}"


def test_every_alert_is_about_metrics_that_exist() -> None:
    """With labels and values that they have: a misspelt one would never fire."""
    for rule in alerts():
        assert list(misspelt(rule["expr"])) == []


def test_dashboards_are_where_the_sidecar_of_grafana_looks() -> None:
    """Each in a ConfigMap with the sidecar's label, in the namespace that is named, unchanged."""
    assert some(installed(), "ConfigMap") == []
    values = {"enabled": True, "labels": {"team": "platform"}, "namespace": "monitoring"}
    found = some(installed({"grafanaDashboards": values}), "ConfigMap")
    files = {path.name: path for path in (CHART / "files" / "dashboards").iterdir()}
    assert files
    assert {f"{NAME}-dashboard-{name.removesuffix('.json')}" for name in files} == {
        each["metadata"]["name"] for each in found
    }
    for each in found:
        metadata = each["metadata"]
        assert (metadata["labels"]["grafana_dashboard"], metadata["labels"]["team"]) == ("1", "platform")
        assert metadata["namespace"] == "monitoring"
        ((key, text),) = each["data"].items()
        assert text.rstrip() == files[key.removeprefix("m365-workload-identity-")].read_text(encoding="utf-8").rstrip()
    usual = some(installed({"grafanaDashboards": {"enabled": True}}), "ConfigMap")
    assert {each["metadata"]["namespace"] for each in usual} == {NAMESPACE}


def test_without_the_webhook_there_is_what_watches_sign_ins() -> None:
    """Beside the experimental policy: no alert says that no replica of the webhook is there."""
    values = {"prometheusRule": {"enabled": True}, "grafanaDashboards": {"enabled": True}, "canary": IDENTITY}
    objects = installed({**values, "mutatingAdmissionPolicy": {"enabled": True}})
    (dashboard,) = some(objects, "ConfigMap")
    assert dashboard["metadata"]["name"] == f"{NAME}-dashboard-sign-in"
    (group,) = one(objects, "PrometheusRule")["spec"]["groups"]
    assert {re.findall(r"m365_identity_(?:canary|exchanges|service)", rule["expr"])[0] for rule in group["rules"]} == {
        "m365_identity_canary",
        "m365_identity_exchanges",
        "m365_identity_service",
    }


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        ({}, {"maxUnavailable": 1}),
        ({"minAvailable": 2}, {"minAvailable": 2}),
        ({"minAvailable": "0"}, {"minAvailable": 0}),
        ({"maxUnavailable": "50%"}, {"maxUnavailable": "50%"}),
    ],
)
def test_the_budget_of_disruptions_is_set(budget: dict[str, Any], expected: dict[str, Any]) -> None:
    """By number or percentage; one replica at a time by default."""
    spec = one(installed({"podDisruptionBudget": budget}), "PodDisruptionBudget")["spec"]
    assert {key: spec[key] for key in ("minAvailable", "maxUnavailable") if key in spec} == expected


def test_more_objects_are_installed() -> None:
    """With templates in them rendered."""
    extra = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "{{ .Values.name }}-extra"},
        "data": {"a": "b"},
    }
    assert one(installed({"extraObjects": [extra]}), "ConfigMap") == {
        **extra,
        "metadata": {"name": "m365-workload-identity-extra"},
    }
