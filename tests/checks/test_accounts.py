"""A ServiceAccount by itself."""

from webhook.checks import accounts
from webhook.core.policy import Policy
from webhook.findings import Status


def test_a_placeholder_is_warned_about() -> None:
    """What was copied from a guide as it stands."""
    zeros = "00000000-0000-0000-0000-000000000000"
    document = {
        "metadata": {"name": "a", "namespace": "shop", "annotations": {"m365.workload.identity/client-id": zeros}}
    }
    found = [*accounts.findings(document, Policy(), tenant="contoso.com")]
    assert any("is a placeholder" in each.detail for each in found if each.status is Status.WARN)
