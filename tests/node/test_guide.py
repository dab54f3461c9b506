"""The guide's own steps, in pods that run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testbed.node.pods import AnyNode, a_pod, claims, run_to_end

pytestmark = [pytest.mark.node, pytest.mark.timeout(600)]

GUIDE = Path(__file__).parents[2] / "examples/terraform/service-account.yaml"
NAMESPACE, ACCOUNT = "terraform-m365", "terraform-m365-sa"
# What the guide has people set by hand, and what the provider has no default for.
FIVE = {
    "M365_TENANT_ID": "contoso.onmicrosoft.com",
    "M365_AUTH_METHOD": "workload_identity",
    "M365_CLIENT_ID": "11111111-2222-3333-4444-555555555555",
    "M365_CLOUD": "public",
    "AZURE_FEDERATED_TOKEN_FILE": "/var/run/secrets/azure/tokens/azure-identity-token",
}
LOOK = 'id -u; cat "$AZURE_FEDERATED_TOKEN_FILE"; echo; env'


@pytest.fixture
def guide(webhook: AnyNode) -> Iterator[AnyNode]:
    """The guide's namespace and ServiceAccount, applied as they are in the repository."""
    webhook.kubectl("apply", "-f", str(GUIDE))
    webhook.await_default_account(NAMESPACE)
    yield webhook
    webhook.kubectl("delete", "-f", str(GUIDE), "--timeout=100s")


@pytest.mark.parametrize("user", [0, 65532])
@pytest.mark.parametrize("group", [{}, {"fsGroup": 65532}], ids=["alone", "fsGroup"])
def test_the_guides_pod_has_its_variables_and_can_read_its_token(
    guide: AnyNode, user: int, group: dict[str, int]
) -> None:
    """Root and a plain user, with and without fsGroup: five variables, and a token of the guide's subject."""
    context: dict[str, Any] = {"runAsUser": user, "runAsGroup": user, **group}
    pod = a_pod("terraform", ["sh", "-c", LOOK], account=ACCOUNT, pod={"securityContext": context})
    said, token, *variables = run_to_end(guide, NAMESPACE, pod).splitlines()
    environment = dict(line.partition("=")[::2] for line in variables)
    assert said == str(user)
    assert environment.items() >= FIVE.items()
    issuer = json.loads(guide.kubectl("get", "--raw", "/.well-known/openid-configuration").stdout)["issuer"]
    assert claims(token)["iss"] == issuer
    assert claims(token)["sub"] == f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
    assert claims(token)["aud"] == ["api://AzureADTokenExchange"]
    assert claims(token)["kubernetes.io"]["pod"]["name"] == "terraform"


def test_a_pod_without_the_label_is_left_alone(guide: AnyNode) -> None:
    """The same ServiceAccount, no label: neither variables nor token."""
    pod = a_pod("plain", ["sh", "-c", "env; ls /var/run/secrets 2>&1 || true"], account=ACCOUNT, labels={})
    said = run_to_end(guide, NAMESPACE, pod)
    assert "M365_" not in said
    assert "No such file" in said
