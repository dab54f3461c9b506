"""The canary: it signs in as a pod of the webhook would, and nothing else depends on it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from m365_identity._commands.program import main
from testbed.chart.helm import CHART, NAME, NAMESPACE, helm
from tests.chart.objects import Object, installed, one
from webhook.core import names
from webhook.core.decision import decide
from webhook.core.identity import Account
from webhook.core.mutation import apply
from webhook.core.policy import Policy
from webhook.core.review import Request

pytestmark = pytest.mark.slow

CANARY = f"{NAME}-canary"
CLIENT = "11111111-2222-3333-4444-555555555555"
GIVEN = {"enabled": True, "clientId": CLIENT, "tenantId": "contoso.com"}


def canary(**values: Any) -> list[Object]:
    """Its objects, by their own label."""
    objects = installed({"canary": {**GIVEN, **values.pop("canary", {})}, **values})
    return [each for each in objects if each["metadata"]["labels"]["app.kubernetes.io/name"] == CANARY]


def template(objects: list[Object]) -> dict[str, Any]:
    found: dict[str, Any] = one(objects, "Deployment")["spec"]["template"]
    return found


def container(objects: list[Object]) -> dict[str, Any]:
    (only,) = template(objects)["spec"]["containers"]
    found: dict[str, Any] = only
    return found


def env(objects: list[Object]) -> dict[str, str]:
    return {each["name"]: each.get("value", "") for each in container(objects)["env"]}


def test_it_is_off_by_default() -> None:
    """It needs an application in Entra."""
    assert CANARY not in yaml.safe_dump(installed({"prometheusRule": {"enabled": True}}))


def test_it_is_three_objects_without_a_right_in_the_cluster() -> None:
    """It asks Entra and not the API server."""
    objects = canary()
    assert sorted(each["kind"] for each in objects) == ["Deployment", "ServiceAccount"]
    monitored = canary(podMonitor={"enabled": True, "labels": {"release": "prometheus"}})
    assert sorted(each["kind"] for each in monitored) == ["Deployment", "PodMonitor", "ServiceAccount"]
    spec = template(objects)["spec"]
    assert spec["serviceAccountName"] == one(objects, "ServiceAccount")["metadata"]["name"] == CANARY
    assert not spec["automountServiceAccountToken"]
    assert not one(objects, "ServiceAccount")["automountServiceAccountToken"]


@pytest.mark.parametrize("values", [{}, {"cloud": "china"}, {"cloud": "gcchigh", "audience": "api://own"}])
def test_it_has_what_the_webhook_would_inject(values: dict[str, Any]) -> None:
    """Volume, mount, path, audience, lifetime, and the variables that it needs: it signs in as users' pods do."""
    objects = canary(**values)
    ours = template(objects)
    bare = copy.deepcopy(ours)
    bare["metadata"]["labels"][names.USE_LABEL] = "true"
    del bare["spec"]["volumes"]
    for name in ("env", "volumeMounts"):
        del bare["spec"]["containers"][0][name]
    account = Account("shop", CANARY, one(objects, "ServiceAccount")["metadata"]["annotations"])
    decision = decide(Request(uid="", namespace="shop", pod=bare), account, Policy(**values))
    injected = apply(bare, decision.operations)
    assert injected["spec"]["volumes"] == [_with_default_mode(each) for each in ours["spec"]["volumes"]]
    (theirs,) = injected["spec"]["containers"]
    assert theirs["volumeMounts"] == container(objects)["volumeMounts"]
    variables = {each["name"]: each["value"] for each in theirs["env"]}
    assert env(objects).items() <= variables.items()
    needed = {"M365_CLIENT_ID", "M365_TENANT_ID", "M365_AUTH_METHOD", "M365_CLOUD", "AZURE_FEDERATED_TOKEN_FILE"}
    assert needed == set(env(objects))


def _with_default_mode(volume: dict[str, Any]) -> dict[str, Any]:
    return {**volume, "projected": {"defaultMode": 0o644, **volume["projected"]}}


def test_its_arguments_are_the_commands_own(capsys: pytest.CaptureFixture[str]) -> None:
    """The program takes them, and misses only the token's file."""
    objects = canary(canary={"every": "90s", "port": 9999})
    program, command = container(objects)["command"]
    assert (program, container(objects)["args"]) == ("m365-identity", ["--every=90s", "--metrics-port=9999"])
    environ = env(objects) | {"AZURE_FEDERATED_TOKEN_FILE": ""}
    assert main([command, *container(objects)["args"]], environ) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_it_meets_the_level_restricted() -> None:
    """As the webhook's own pod."""
    spec, webhook = template(canary())["spec"], one(installed(), "Deployment")["spec"]["template"]["spec"]
    assert spec["securityContext"] == webhook["securityContext"]
    assert spec["containers"][0]["securityContext"] == webhook["containers"][0]["securityContext"]
    assert spec["containers"][0]["image"] == webhook["containers"][0]["image"]
    assert set(spec["containers"][0]["resources"]) == {"requests", "limits"}
    assert "priorityClassName" not in spec
    named = template(canary(canary={"priorityClassName": "low"}))["spec"]
    assert named["priorityClassName"] == "low"


def test_it_is_not_a_replica_of_the_webhook() -> None:
    """By no selector: not the Service's, not the network policy's, not the budget's; and it selects none."""
    labels = template(canary())["metadata"]["labels"]
    for each in installed():
        selector = each.get("spec", {}).get("selector")
        matched = (selector or {}).get("matchLabels", selector) if each["kind"] != "ResourceQuota" else None
        if matched:
            assert not matched.items() <= labels.items(), each["kind"]
    own = one(canary(), "Deployment")["spec"]["selector"]["matchLabels"]
    assert own.items() <= labels.items()
    assert not own.items() <= one(installed(), "Deployment")["spec"]["template"]["metadata"]["labels"].items()


def test_its_probes_and_its_metrics_are_at_its_port() -> None:
    """And Prometheus reads them there."""
    objects = canary(podMonitor={"enabled": True, "labels": {"release": "prometheus"}}, canary={"port": 9999})
    (port,) = container(objects)["ports"]
    assert (port["name"], port["containerPort"]) == ("m365-metrics", 9999)
    for probe, path in {"livenessProbe": "/livez", "readinessProbe": "/readyz"}.items():
        assert container(objects)[probe]["httpGet"] == {"path": path, "port": "m365-metrics"}
    monitor = one(objects, "PodMonitor")
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"]["selector"] == one(objects, "Deployment")["spec"]["selector"]
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert (endpoint["port"], endpoint["path"]) == ("m365-metrics", "/metrics")


def test_a_network_policy_lets_it_reach_entra() -> None:
    """And not the API server; only those that may read metrics reach it."""
    monitoring = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    network = {
        "enabled": True,
        "apiServerTo": [{"ipBlock": {"cidr": "10.0.0.1/32"}}],
        "operationsFrom": monitoring,
        "entraPorts": [443, 3128],
    }
    objects = canary(networkPolicy=network)
    policy = one(objects, "NetworkPolicy")["spec"]
    assert policy["podSelector"] == one(objects, "Deployment")["spec"]["selector"]
    assert policy["ingress"] == [{"ports": [{"port": "m365-metrics", "protocol": "TCP"}], "from": monitoring}]
    (egress,) = policy["egress"]
    assert [each["port"] for each in egress["ports"]] == [53, 53, 443, 3128]


def test_proxies_and_authorities_are_those_of_helper_containers() -> None:
    """It signs in behind the same proxy; its own variables win."""
    helper = {
        "env": {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "a", "SSL_CERT_FILE": "/etc/ca.pem"},
        "authorities": {"configMap": "corporate", "key": "root.pem"},
    }
    objects = canary(helper=helper, canary={"extraEnv": [{"name": "NO_PROXY", "value": "b"}]})
    names_of = [each["name"] for each in container(objects)["env"]]
    assert len(names_of) == len(set(names_of))
    found = env(objects)
    assert (found["HTTPS_PROXY"], found["NO_PROXY"]) == ("http://proxy:3128", "b")
    (mount,) = (each for each in container(objects)["volumeMounts"] if each["name"] == "m365-authorities")
    assert found["SSL_CERT_FILE"] == f"{mount['mountPath']}/root.pem"
    (volume,) = (each for each in template(objects)["spec"]["volumes"] if each["name"] == "m365-authorities")
    assert volume["configMap"] == {"name": "corporate"}
    plain = env(canary(helper={"env": helper["env"]}))
    assert plain["SSL_CERT_FILE"] == "/etc/ca.pem"


def test_it_needs_no_webhook() -> None:
    """It works beside the experimental policy, too."""
    assert template(canary(mutatingAdmissionPolicy={"enabled": True}))


def test_notes_have_the_credential_that_it_needs() -> None:
    """Subject and audience, as Entra wants them."""

    def notes(values: dict[str, Any]) -> str:
        return helm("install", NAME, str(CHART), "--namespace", NAMESPACE, "--dry-run=client", values=values)

    told = notes({"canary": GIVEN, "cloud": "china"}).partition("NOTES:")[2]
    assert f"system:serviceaccount:{NAMESPACE}:{CANARY}\n" in told
    assert "api://AzureADTokenExchangeChina\n" in told
    assert f"m365wi fic -n {NAMESPACE} --service-account {CANARY}" in told
    assert "canary" not in notes({}).partition("NOTES:")[2]
