"""What the platform engineer has decided for the whole cluster, as far as decisions depend on it."""

from dataclasses import dataclass
from typing import Final

from webhook.core.families import DEFAULT_FAMILIES
from webhook.core.names import DEFAULT_NAMESPACE

POD_LABEL: Final = "pod-label"
NAMESPACE_LABEL: Final = "namespace-label"
CLUSTER: Final = "cluster"
SCOPES: Final = (POD_LABEL, NAMESPACE_LABEL, CLUSTER)


@dataclass(frozen=True)
class Policy:
    """Cluster-wide rules and defaults.

    scope: which pods are asked about, one of SCOPES. own_namespace: where the webhook itself runs, never touched.
    tenant_id, cloud: for ServiceAccounts that do not say; tenant_id may be "". audience: of every token, "" for each
    cloud's own. env: the families of variables of pods that do not say. helper_image: what preflight and token-endpoint
    run in, "" when they are not offered.
    """

    scope: str = POD_LABEL
    own_namespace: str = DEFAULT_NAMESPACE
    tenant_id: str = ""
    cloud: str = "public"
    audience: str = ""
    env: tuple[str, ...] = DEFAULT_FAMILIES
    helper_image: str = ""
