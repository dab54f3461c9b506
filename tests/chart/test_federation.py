"""The CronJob that keeps the credentials right: what it may do, and that it signs in as a pod of the webhook would."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from testbed.chart.helm import NAME
from tests.chart.objects import Object, installed, one, some
from webhook.commands import parser

pytestmark = pytest.mark.slow

FEDERATION = f"{NAME}-federation"
CLIENT = "11111111-2222-3333-4444-555555555555"


def federation(**values: Any) -> list[Object]:
    """Its objects, by their own label."""
    given = {"enabled": True, "clientId": CLIENT, "tenantId": "contoso.com", **values.pop("federation", {})}
    objects = installed({"federation": given, **values})
    return [each for each in objects if each["metadata"]["labels"]["app.kubernetes.io/name"] == FEDERATION]


def pod(objects: list[Object]) -> dict[str, Any]:
    found: dict[str, Any] = one(objects, "CronJob")["spec"]["jobTemplate"]["spec"]["template"]
    return found


def test_it_is_off_by_default() -> None:
    """It writes in Entra, so somebody has to want it."""
    assert some(installed(), "CronJob") == []
    assert FEDERATION not in yaml.safe_dump(installed({"prometheusRule": {"enabled": True}}))


def test_its_rights_in_the_cluster_are_these() -> None:
    """It lists ServiceAccounts and reads the issuer; no token, no Secret, nothing is written."""
    objects = federation()
    assert one(objects, "ClusterRole")["rules"] == [
        {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["list"]},
        {"nonResourceURLs": ["/.well-known/openid-configuration"], "verbs": ["get"]},
    ]
    (subject,) = one(objects, "ClusterRoleBinding")["subjects"]
    assert (subject["name"], subject["kind"]) == (FEDERATION, "ServiceAccount")
    assert (
        pod(objects)["spec"]["serviceAccountName"] == one(objects, "ServiceAccount")["metadata"]["name"] == FEDERATION
    )
    assert some(objects, "Role") == some(objects, "Secret") == []


@pytest.mark.parametrize(
    ("cloud", "audience", "authority"),
    [
        ("public", "api://AzureADTokenExchange", "https://login.microsoftonline.com/"),
        ("china", "api://AzureADTokenExchangeChina", "https://login.chinacloudapi.cn/"),
    ],
)
def test_it_signs_in_as_its_own_workload_identity(cloud: str, audience: str, authority: str) -> None:
    """With the variables and the token that the webhook would inject, since its own namespace is left alone."""
    spec = pod(federation(cloud=cloud))["spec"]
    (container,) = spec["containers"]
    env = {each["name"]: each["value"] for each in container["env"]}
    assert env == {
        "AZURE_CLIENT_ID": CLIENT,
        "AZURE_TENANT_ID": "contoso.com",
        "AZURE_AUTHORITY_HOST": authority,
        "AZURE_FEDERATED_TOKEN_FILE": "/var/run/secrets/azure/tokens/azure-identity-token",
    }
    (source,) = spec["volumes"][0]["projected"]["sources"]
    assert source["serviceAccountToken"]["audience"] == audience
    assert env["AZURE_FEDERATED_TOKEN_FILE"].startswith(container["volumeMounts"][0]["mountPath"])


def test_its_arguments_are_the_commands_own() -> None:
    """Such as the webhook's settings, which decide what each ServiceAccount needs."""
    values = {"clusterName": "prod-eu", "formerIssuers": ["https://old.example.com/"], "extraEnv": [{"name": "A"}]}
    objects = federation(federation=values, audience="api://x", env="m365,arm", cloud="gcchigh", tenantId="b.com")
    (container,) = pod(objects)["spec"]["containers"]
    flags = parser(container["args"], "m365wi").parse_args(container["args"])
    assert (flags.command, flags.action, flags.all_namespaces, flags.auth) == (
        "fic",
        "apply",
        True,
        "workload-identity",
    )
    assert (flags.cloud, flags.audience, flags.env) == ("gcchigh", "api://x", "m365,arm")
    assert (flags.cluster_name, flags.former_issuer) == ("prod-eu", ["https://old.example.com/"])
    assert {"name": "M365WI_TENANT_ID", "value": "b.com"} in container["env"]
    assert {"name": "A"} in container["env"]


def test_it_is_not_a_replica_of_the_webhook() -> None:
    """By no selector: not the Service's, not the network policy's, not the budget's."""
    labels = pod(federation())["metadata"]["labels"]
    for each in installed():
        selector = each.get("spec", {}).get("selector")
        matched = (selector or {}).get("matchLabels", selector) if each["kind"] != "ResourceQuota" else None
        if matched:
            assert not matched.items() <= labels.items(), each["kind"]


def test_a_network_policy_lets_it_reach_microsoft() -> None:
    """And the API server; no pod reaches it."""
    network = {"enabled": True, "apiServerTo": [{"ipBlock": {"cidr": "10.0.0.1/32"}}]}
    policy = one(federation(networkPolicy=network), "NetworkPolicy")["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= pod(federation())["metadata"]["labels"].items()
    assert (policy["policyTypes"], policy.get("ingress")) == (["Ingress", "Egress"], None)
    assert {"port": 443, "protocol": "TCP"} in policy["egress"][1]["ports"]


def test_it_needs_no_webhook() -> None:
    """It works beside the experimental policy, too."""
    assert pod(federation(mutatingAdmissionPolicy={"enabled": True}))
