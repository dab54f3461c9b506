"""Values: each documented, each checked, and each mistake told before anything is installed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from testbed.chart.helm import CHART, NAMESPACE, Refused, helm, template
from tests.chart.objects import one, some
from webhook import __version__
from webhook.core.clouds import CLOUDS
from webhook.core.families import FAMILIES
from webhook.core.policy import SCOPES
from webhook.settings import LOG_LEVELS

pytestmark = pytest.mark.slow

SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
VALUES_TEXT = (CHART / "values.yaml").read_text(encoding="utf-8")
VALUES = yaml.safe_load(VALUES_TEXT)

# What goes wrong, and a part of what is said about it.
MISTAKES: Mapping[str, tuple[dict[str, Any], str]] = {
    "a misspelt value": ({"tenantID": "contoso"}, "additional properties 'tenantID' not allowed"),
    "a misspelt value inside": ({"webhook": {"failurepolicy": "Fail"}}, "additional properties 'failurepolicy' not"),
    "no such scope": ({"scope": "all"}, "at '/scope': value must be one of 'pod-label', 'namespace-label', 'cluster'"),
    "no such cloud": ({"cloud": "Public"}, "at '/cloud'"),
    "a tenant with a space": ({"tenantId": "contoso corp"}, "at '/tenantId'"),
    "a family that does not exist": ({"env": "m365,aws"}, "at '/env'"),
    "a tenant that is a folder": ({"tenantId": ".."}, "at '/tenantId'"),
    "a tenant that is all tenants": ({"tenantId": "organizations"}, "at '/tenantId'"),
    "an audience with a space": ({"audience": "api://a b"}, "at '/audience'"),
    "no such failurePolicy": ({"webhook": {"failurePolicy": "fail"}}, "must be one of 'Fail', 'Ignore'"),
    "a timeout that Kubernetes refuses": ({"webhook": {"timeoutSeconds": 31}}, "at '/webhook/timeoutSeconds'"),
    "replicas as a text": ({"replicas": "2"}, "at '/replicas': got string, want integer"),
    "a tag that YAML took for a number": ({"image": {"tag": 1.2}}, "at '/image/tag': got number, want string"),
    "an invalid digest": ({"image": {"digest": "sha256:12"}}, "at '/image/digest'"),
    "a port for root": ({"port": 443}, "at '/port': minimum: got 443, want 1,024"),
    "no such level": ({"logLevel": "trace"}, "at '/logLevel'"),
    "no such mode": ({"certificates": {"mode": "csr"}}, "at '/certificates/mode'"),
    "a wrong helper image": ({"helper": {"image": "my image"}}, "at '/helper/image'"),
    "a helper that is root": (
        {"helper": {"securityContext": {"runAsUser": 0}}},
        "at '/helper/securityContext/runAsUser'",
    ),
    "a helper with a capability": (
        {"helper": {"securityContext": {"capabilities": {"add": ["NET_ADMIN"]}}}},
        "additional properties 'capabilities' not allowed",
    ),
    "a variable that is not a helper's": (
        {"helper": {"env": {"LD_PRELOAD": "/x"}}},
        "additional properties 'LD_PRELOAD' not allowed",
    ),
    "a proxy's password": ({"helper": {"env": {"HTTPS_PROXY": "http://u:p@proxy"}}}, "at '/helper/env/HTTPS_PROXY'"),
    "an action twice": (
        {"validatingAdmissionPolicy": {"actions": ["Deny", "Deny"]}},
        "at '/validatingAdmissionPolicy/actions'",
    ),
    "files without a Secret": (
        {"certificates": {"mode": "files"}},
        "certificates.mode is files: name the Secret with tls.crt and tls.key in certificates.secretName",
    ),
    "two objects with the authorities of clients": (
        {"clientCertificates": {"configMapName": "clients", "secretName": "clients"}},
        "clientCertificates.configMapName and clientCertificates.secretName are both set: name one",
    ),
    "names of clients without an authority": (
        {"clientCertificates": {"names": ["kube-apiserver"]}},
        "clientCertificates.names is set without an authority",
    ),
    "two names of clients in one": (
        {"clientCertificates": {"configMapName": "clients", "names": ["a,b"]}},
        "at '/clientCertificates/names/0'",
    ),
    "a network policy that lets everything out": (
        {"networkPolicy": {"enabled": True}},
        "networkPolicy.enabled needs networkPolicy.apiServerTo",
    ),
    "a network policy that no span gets through": (
        {
            "networkPolicy": {"enabled": True, "apiServerTo": [{"ipBlock": {"cidr": "10.0.0.1/32"}}]},
            "tracing": {"endpoint": "http://collector:4318"},
        },
        "networkPolicy.enabled with tracing.endpoint needs networkPolicy.collectorTo",
    ),
    "traces to nowhere": ({"tracing": {"headersSecret": {"name": "token"}}}, "but no tracing.endpoint"),
    "a collector without a scheme": ({"tracing": {"endpoint": "collector:4318"}}, "at '/tracing/endpoint'"),
    "a password in the collector's URL": ({"tracing": {"endpoint": "http://a:b@collector"}}, "at '/tracing/endpoint'"),
    "more than all traces": ({"tracing": {"endpoint": "http://c", "sampleRatio": 5}}, "at '/tracing/sampleRatio'"),
    "a budget that takes and leaves": (
        {"podDisruptionBudget": {"minAvailable": 1, "maxUnavailable": "50%"}},
        "podDisruptionBudget.minAvailable and podDisruptionBudget.maxUnavailable are both set",
    ),
    "a budget of nothing": (
        {"podDisruptionBudget": {"minAvailable": "half"}},
        "at '/podDisruptionBudget/minAvailable'",
    ),
    "a registry with a scheme": ({"global": {"imageRegistry": "https://mirror"}}, "at '/global/imageRegistry'"),
    "a dependency without its condition": ({"enabled": False}, "condition: m365-workload-identity.enabled"),
    "a bundle that someone else writes": (
        {"certificates": {"caBundle": "cGVt"}},
        "certificates.caBundle is set, but certificates.mode is self-managed",
    ),
    "an issuer that is not asked": (
        {"certificates": {"certManager": {"issuerRef": {"name": "corp"}}}},
        "certificates.certManager.issuerRef is set, but certificates.mode is self-managed",
    ),
    "a tag in the repository": ({"image": {"repository": "registry.example.com/m365:1"}}, "at '/image/repository'"),
    "an issuer without a name": (
        {"certificates": {"mode": "cert-manager", "certManager": {"issuerRef": {"kind": "ClusterIssuer"}}}},
        "at '/certificates/certManager/issuerRef': properties 'name' required, if 'kind' exists",
    ),
    "an address that is a word": ({"listenAddress": "abcd"}, "at '/listenAddress'"),
    "an address that cannot be": ({"listenAddress": "10.0.0.256"}, "at '/listenAddress'"),
    "a name that is not text": ({"name": "true"}, "name is true, which YAML does not read as text"),
    "a label by which replicas are found": (
        {"podLabels": {"app.kubernetes.io/name": "x"}, "commonLabels": {"app.kubernetes.io/instance": "y"}},
        "commonLabels has app.kubernetes.io/instance, which the chart sets: remove it",
    ),
    "a variable twice": ({"extraEnv": [{"name": "A"}, {"name": "A", "value": "1"}]}, "extraEnv has A twice"),
    "one port for both": ({"operationsPort": 9443}, "port and operationsPort are both 9443"),
    "fewer at most than at least": (
        {"autoscaling": {"enabled": True, "minReplicas": 7}},
        "autoscaling.minReplicas is 7, more than maxReplicas, 6",
    ),
    "actions that exclude each other": (
        {"validatingAdmissionPolicy": {"actions": ["Deny", "Warn"]}},
        "validatingAdmissionPolicy.actions has Deny and Warn",
    ),
    "a test that cannot succeed": ({"test": {"namespace": "kube-system"}}, "test.namespace is kube-system"),
    "a quota for nothing": (
        {"resourceQuota": {"enabled": True}, "priorityClassName": ""},
        "resourceQuota.enabled needs a priorityClassName",
    ),
    "a federation that cannot sign in": (
        {"federation": {"enabled": True}},
        "federation.enabled needs federation.clientId",
    ),
    "a federation without a tenant": (
        {"federation": {"enabled": True, "clientId": "11111111-2222-3333-4444-555555555555"}},
        "federation.enabled needs a tenant: set federation.tenantId, or tenantId",
    ),
    "a client id that is a name": ({"federation": {"clientId": "contoso"}}, "at '/federation/clientId'"),
    "an issuer without TLS": ({"federation": {"formerIssuers": ["http://a"]}}, "at '/federation/formerIssuers/0'"),
    "a schedule that is a duration": ({"federation": {"schedule": "1h"}}, "at '/federation/schedule'"),
    "a canary that cannot sign in": ({"canary": {"enabled": True}}, "canary.enabled needs canary.clientId"),
    "a canary without a tenant": (
        {"canary": {"enabled": True, "clientId": "11111111-2222-3333-4444-555555555555"}},
        "canary.enabled needs a tenant: set canary.tenantId, or tenantId",
    ),
    "a canary that asks all the time": ({"canary": {"every": "5s"}}, "at '/canary/every'"),
    "a canary with a port for root": ({"canary": {"port": 80}}, "at '/canary/port'"),
    "a policy for another scope": (
        {"mutatingAdmissionPolicy": {"enabled": True}, "scope": "cluster"},
        "mutatingAdmissionPolicy supports the scope pod-label only, not cluster",
    ),
}


def paths(schema: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each value that the schema names, by its path, with what is said of it."""
    for name, value in schema.get("properties", {}).items():
        yield f"{path}{name}", value
        yield from paths(value, f"{path}{name}.")


def given(values: Mapping[str, Any], schema: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """The paths of the values that have a default, as deep as the schema names them."""
    for name, value in values.items():
        yield f"{path}{name}"
        inner = schema.get("properties", {}).get(name, {})
        if isinstance(value, dict) and "properties" in inner:
            yield from given(value, inner, f"{path}{name}.")


@pytest.mark.parametrize(("values", "said"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_refused_with_a_sentence(values: dict[str, Any], said: str) -> None:
    """Before anything reaches the cluster."""
    with pytest.raises(Refused) as refused:
        template(values)
    assert said in str(refused.value)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.255.0.1", "::", "::1", "fd00:10:244::a"])
@pytest.mark.parametrize(
    "repository", ["m365", "registry.example.com/a/m365", "localhost:5000/m365", "10.0.0.1:5000/a/b_c.d-e"]
)
def test_addresses_and_repositories_are_taken(address: str, repository: str) -> None:
    """Addresses of either family; a registry's port is not a tag."""
    assert template({"listenAddress": address, "image": {"repository": repository}})


def test_names_that_yaml_would_take_for_something_else_stay_texts() -> None:
    """Namespaces and Secrets may be called so, and kube-apiserver takes no number for a name."""
    odd = {
        "webhook": {"excludedNamespaces": ["123", "on"]},
        "certificates": {"mode": "cert-manager", "secretName": "0x1f"},
        "test": {"namespace": "456"},
        "priorityClassName": "1e3",
        "resourceQuota": {"enabled": True},
    }
    objects = template(odd)
    entry = one(objects, "MutatingWebhookConfiguration")["webhooks"][0]
    assert entry["namespaceSelector"]["matchExpressions"][0]["values"][-2:] == ["123", "on"]
    pod = one(objects, "Deployment")["spec"]["template"]["spec"]
    assert (pod["priorityClassName"], pod["volumes"][0]["secret"]["secretName"]) == ("1e3", "0x1f")
    assert "0x1f" in [each["spec"]["secretName"] for each in some(objects, "Certificate")]
    quota = one(objects, "ResourceQuota")["spec"]["scopeSelector"]["matchExpressions"][0]
    assert quota["values"] == ["1e3"]
    (test,) = one(objects, "Pod")["spec"]["containers"]
    assert {"name": "TEST_NAMESPACE", "value": "456"} in test["env"]
    roles = [each for each in objects if each["kind"] in ("Role", "RoleBinding")]
    assert [each["metadata"]["namespace"] for each in roles] == ["456", "456"]


def test_a_namespace_that_yaml_would_take_for_something_else_is_refused() -> None:
    """For the webhook itself, whose namespace stands in every manifest; the release's name does, too."""
    odd: tuple[dict[str, Any], ...] = ({"namespace": "123"}, {"name": "on"})
    for where in odd:
        with pytest.raises(Refused, match="which YAML does not read as text: choose another"):
            template(**where)


def test_the_webhooks_own_namespace_is_no_place_for_the_test() -> None:
    """The webhook is not asked about its pods, so the test would always fail; a policy has no test."""
    with pytest.raises(Refused, match=r"test\.namespace is default, whose pods are left alone: name another"):
        template(namespace="default")
    assert template({"test": {"namespace": "shop"}}, namespace="default")
    assert template({"mutatingAdmissionPolicy": {"enabled": True}}, namespace="default")


def test_all_mistakes_are_told_at_once() -> None:
    """Those of the schema together, and those of values that do not fit together."""
    with pytest.raises(Refused) as refused:
        template({"scope": "all", "cloud": "mars"})
    assert "/scope" in str(refused.value)
    assert "/cloud" in str(refused.value)
    with pytest.raises(Refused) as refused:
        template({"certificates": {"mode": "files"}, "operationsPort": 9443})
    assert "secretName" in str(refused.value)
    assert "both 9443" in str(refused.value)


def test_a_cluster_that_is_too_old_is_refused() -> None:
    """By Helm for the chart, and by the chart for the experimental policy."""
    with pytest.raises(Refused, match=r"1\.29"):
        template(kubernetes="1.29.0")
    with pytest.raises(Refused, match=r"mutatingAdmissionPolicy needs Kubernetes 1\.36, this is v1\.35\.9"):
        template({"mutatingAdmissionPolicy": {"enabled": True}}, kubernetes="1.35.9")
    assert template({"mutatingAdmissionPolicy": {"enabled": True}}, kubernetes="1.36.0-gke.1")


def test_the_chart_passes_lint() -> None:
    """Strictly, with everything that can be enabled, each once."""
    enabled = {"enabled": True}
    optional = ("prometheusRule", "podMonitor", "grafanaDashboards", "resourceQuota", "autoscaling")
    federation = {"federation": {**enabled, "clientId": "11111111-2222-3333-4444-555555555555", "tenantId": "a.com"}}
    network = {"networkPolicy": {"enabled": True, "apiServerTo": [{"ipBlock": {"cidr": "10.0.0.1/32"}}]}}
    for values in (
        {},
        {
            "certificates": {"mode": "cert-manager"},
            **dict.fromkeys(optional, enabled),
            **network,
            **federation,
            "signInMetrics": {"podMonitor": enabled},
            "scope": "namespace-label",
        },
        {"certificates": {"mode": "files", "secretName": "pair"}, "hostNetwork": True, "scope": "cluster"},
        {"mutatingAdmissionPolicy": enabled, "validatingAdmissionPolicy": enabled},
    ):
        where = ("--kube-version", "1.37.0", "--namespace", NAMESPACE, str(CHART))
        assert "0 chart(s) failed" in helm("lint", "--strict", *where, values=values)


def test_every_value_is_documented_and_has_a_default() -> None:
    """The schema describes each value, and values.yaml has the default of each."""
    named = dict(paths(SCHEMA))
    assert [path for path, value in named.items() if "description" not in value and not in_issuer(path)] == []
    defaults = set(given(VALUES, SCHEMA))
    assert defaults == {path for path in named if not in_issuer(path)}


def in_issuer(path: str) -> bool:
    """Whether it is a part of cert-manager's own reference, whose parts are cert-manager's to document."""
    return path.startswith("certificates.certManager.issuerRef.")


def test_nothing_but_what_is_named_is_taken() -> None:
    """At every level, so that a misspelt value is told."""
    objects = [("", SCHEMA), *((path, value) for path, value in paths(SCHEMA) if "properties" in value)]
    objects = [(path, value) for path, value in objects if path != "global"]  # which holds a parent chart's own values
    assert [path for path, value in objects if value.get("additionalProperties") is not False] == []


def test_the_choices_are_those_of_the_webhook() -> None:
    """Scopes, clouds and levels are listed twice; here they are compared."""
    choices = {name: SCHEMA["properties"][name]["enum"] for name in ("scope", "cloud", "logLevel")}
    families = "|".join(FAMILIES)
    assert SCHEMA["properties"]["env"]["pattern"] == f"^({families})(,({families}))*$"
    assert choices == {"scope": list(SCOPES), "cloud": list(CLOUDS), "logLevel": list(LOG_LEVELS)}


def test_the_clouds_of_the_policy_are_those_of_the_webhook() -> None:
    """Login host and audience of each."""
    table = yaml.safe_load((CHART / "files" / "clouds.yaml").read_text(encoding="utf-8"))
    assert table == {name: {"authority": cloud.authority, "audience": cloud.audience} for name, cloud in CLOUDS.items()}


def test_the_chart_is_of_this_version() -> None:
    """Its own, that of the webhook, and the Kubernetes that docs/install.md names."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)
    oldest = re.search(r"Kubernetes (1\.\d+) or newer", (CHART.parents[1] / "docs" / "install.md").read_text())
    assert oldest
    assert chart["kubeVersion"] == f">={oldest[1]}.0-0"
