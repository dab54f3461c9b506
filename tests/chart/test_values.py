"""Values: each documented, each checked, and each mistake told before anything is installed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from tests.chart.helm import CHART, Refused, helm, template
from webhook import __version__
from webhook.clouds import CLOUDS
from webhook.policy import SCOPES
from webhook.settings import LOG_LEVELS

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
    "an audience with a space": ({"audience": "api://a b"}, "at '/audience'"),
    "no such failurePolicy": ({"webhook": {"failurePolicy": "fail"}}, "must be one of 'Fail', 'Ignore'"),
    "a timeout that Kubernetes refuses": ({"webhook": {"timeoutSeconds": 31}}, "at '/webhook/timeoutSeconds'"),
    "replicas as a text": ({"replicas": "2"}, "at '/replicas': got string, want integer"),
    "a tag that YAML took for a number": ({"image": {"tag": 1.2}}, "at '/image/tag': got number, want string"),
    "a digest that is none": ({"image": {"digest": "sha256:12"}}, "at '/image/digest'"),
    "a port for root": ({"port": 443}, "at '/port': minimum: got 443, want 1,024"),
    "no such level": ({"logLevel": "trace"}, "at '/logLevel'"),
    "no such mode": ({"certificates": {"mode": "csr"}}, "at '/certificates/mode'"),
    "a wrong helper image": ({"helper": {"image": "my image"}}, "at '/helper/image'"),
    "an action twice": (
        {"validatingAdmissionPolicy": {"actions": ["Deny", "Deny"]}},
        "at '/validatingAdmissionPolicy/actions'",
    ),
    "files without a Secret": (
        {"certificates": {"mode": "files"}},
        "certificates.mode is files: name the Secret with tls.crt and tls.key in certificates.secretName",
    ),
    "a bundle that someone else writes": (
        {"certificates": {"caBundle": "cGVt"}},
        "certificates.caBundle is set, but certificates.mode is self-managed",
    ),
    "an issuer that nobody asks": (
        {"certificates": {"certManager": {"issuerRef": {"name": "corp"}}}},
        "certificates.certManager.issuerRef is set, but certificates.mode is self-managed",
    ),
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
    "a policy for another scope": (
        {"mutatingAdmissionPolicy": {"enabled": True}, "scope": "cluster"},
        "mutatingAdmissionPolicy knows the scope pod-label only, not cluster",
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
    """Strictly, and with the most of it enabled."""
    for values in ({}, {"certificates": {"mode": "cert-manager"}, "prometheusRule": {"enabled": True}}):
        assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART), values=values)


def test_every_value_is_documented_and_has_a_default() -> None:
    """In the schema by a description, in values.yaml by its default; and there is none but these."""
    named = dict(paths(SCHEMA))
    assert [path for path, value in named.items() if "description" not in value and not in_issuer(path)] == []
    defaults = set(given(VALUES, SCHEMA))
    assert defaults == {path for path in named if path != "global" and not in_issuer(path)}


def in_issuer(path: str) -> bool:
    """Whether it is a part of cert-manager's own reference, whose parts are cert-manager's to document."""
    return path.startswith("certificates.certManager.issuerRef.")


def test_nothing_but_what_is_named_is_taken() -> None:
    """At every level, so that a misspelt value is told."""
    objects = [("", SCHEMA), *((path, value) for path, value in paths(SCHEMA) if "properties" in value)]
    assert [path for path, value in objects if value.get("additionalProperties") is not False] == []


def test_the_choices_are_those_of_the_webhook() -> None:
    """Scopes, clouds and levels are listed twice; here they are compared."""
    choices = {name: SCHEMA["properties"][name]["enum"] for name in ("scope", "cloud", "logLevel")}
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
