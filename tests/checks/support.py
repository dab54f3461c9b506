"""What tests of `check` share: a registration and a pod."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from testbed.cluster.registration import Scope, configuration
from webhook.checks import registration
from webhook.checks.registration import Registration, registrations

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
EARLIER, LATER = "2026-07-01T10:00:00Z", "2026-07-01T11:00:00Z"
CLIENT = "11111111-2222-3333-4444-555555555555"
USE = "azure.workload.identity/use"
ENTRY = "labelled.m365.workload.identity"
SERVICE = "m365-workload-identity-system/m365-workload-identity"


def the_registration(
    scope: Scope = "pod-label", service: tuple[str, str] | None = None, **changes: Any
) -> Registration:
    """Our configuration, as it is read; changes are made to each entry."""
    document = configuration("https://127.0.0.1:1/mutate", b"", scope=scope)
    for entry in document["webhooks"]:
        entry.update(changes)
        if service:
            entry["clientConfig"] = {"service": {"namespace": service[0], "name": service[1]}}
    document["metadata"]["creationTimestamp"] = EARLIER
    (found,) = registrations([document], service=SERVICE)
    return found


def the_pod(
    name: str = "web-1",
    *,
    variables: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    created: str = LATER,
    mounted: bool = True,
    **metadata: Any,
) -> dict[str, Any]:
    """A pod that runs as shop/terraform; variables: of its one container, which has a volume for tokens if mounted."""
    env = [{"name": key, "value": value} for key, value in (variables or {}).items()]
    container: dict[str, Any] = {"name": "app", "env": env}
    if mounted:
        container["volumeMounts"] = [{"name": "tokens", "mountPath": "/var/run/secrets"}]
    return {
        "metadata": {
            "name": name,
            "namespace": "shop",
            "labels": {USE: "true"} if labels is None else dict(labels),
            "creationTimestamp": created,
            **metadata,
        },
        "spec": {"serviceAccountName": "terraform", "containers": [container]},
    }


def narrowed(scope: Scope, *, annotated: bool = False) -> Registration:
    """Our configuration with selectors of the platform engineer in addition to the chart's."""
    document = configuration("https://127.0.0.1:1/mutate", b"", scope=scope)
    document["metadata"]["annotations"] = {registration.SCOPE_ANNOTATION: scope} if annotated else {}
    for entry in document["webhooks"]:
        entry["namespaceSelector"].setdefault("matchLabels", {})["stage"] = "test"
        entry["objectSelector"].setdefault("matchLabels", {})["team"] = "shop"
    (found,) = registrations([document], service=SERVICE)
    return found
