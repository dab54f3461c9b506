"""The provider's guide works to the letter."""

import base64
import json

import pytest

from demo.server import Running
from testbed.cluster.cluster import Cluster
from testbed.cluster.pods import environment

GUIDE = """
apiVersion: v1
kind: ServiceAccount
metadata:
  name: terraform-m365-sa
  namespace: {namespace}
  annotations:
    azure.workload.identity/client-id: 8f14e45f-ceea-467f-9575-6f8f3a1d2b3c
---
apiVersion: v1
kind: Pod
metadata:
  name: terraform
  namespace: {namespace}
  labels:
    azure.workload.identity/use: "true"
spec:
  serviceAccountName: terraform-m365-sa
  containers:
    - name: terraform
      image: hashicorp/terraform:1.14
      command: ["terraform", "plan"]
"""


@pytest.fixture
def webhook(another_webhook) -> Running:  # type: ignore[no-untyped-def]
    """The guide has no tenant in Kubernetes, so the platform engineer sets it."""
    process: Running = another_webhook("--tenant-id", "contoso.onmicrosoft.com")
    return process


def test_the_guides_pod_has_the_five_variables_and_its_token(
    control_plane: Cluster, webhook: Running, namespace: str
) -> None:
    """The guide's ServiceAccount and a labelled pod, applied in one go, give what the provider reads."""
    control_plane.kubectl("apply", "-f", "-", input=GUIDE.format(namespace=namespace))
    pod = json.loads(control_plane.kubectl("get", "pod", "terraform", "-n", namespace, "-o", "json").stdout)
    container = pod["spec"]["containers"][0]
    assert environment(container) == {
        "AZURE_FEDERATED_TOKEN_FILE": "/var/run/secrets/azure/tokens/azure-identity-token",
        "M365_CLIENT_ID": "8f14e45f-ceea-467f-9575-6f8f3a1d2b3c",
        "M365_TENANT_ID": "contoso.onmicrosoft.com",
        "M365_AUTH_METHOD": "workload_identity",
        "M365_CLOUD": "public",
        "AZURE_CLIENT_ID": "8f14e45f-ceea-467f-9575-6f8f3a1d2b3c",
        "AZURE_TENANT_ID": "contoso.onmicrosoft.com",
        "AZURE_AUTHORITY_HOST": "https://login.microsoftonline.com/",
    }
    mount = next(each for each in container["volumeMounts"] if each["name"] == "azure-identity-token")
    assert mount == {"name": "azure-identity-token", "mountPath": "/var/run/secrets/azure/tokens", "readOnly": True}
    volume = next(each for each in pod["spec"]["volumes"] if each["name"] == "azure-identity-token")
    assert volume["projected"] == {
        "defaultMode": 420,
        "sources": [
            {
                "serviceAccountToken": {
                    "audience": "api://AzureADTokenExchange",
                    "expirationSeconds": 3600,
                    "path": "azure-identity-token",
                }
            }
        ],
    }


def test_the_token_of_the_guides_volume_is_what_entra_expects(
    control_plane: Cluster, webhook: Running, namespace: str
) -> None:
    """The API server issues a token with the volume's audience and the subject of the guide's federated credential."""
    control_plane.kubectl("apply", "-f", "-", input=GUIDE.format(namespace=namespace))
    token = control_plane.token(namespace, "terraform-m365-sa", audiences=["api://AzureADTokenExchange"])
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert claims["sub"] == f"system:serviceaccount:{namespace}:terraform-m365-sa"
    assert claims["aud"] == ["api://AzureADTokenExchange"]
