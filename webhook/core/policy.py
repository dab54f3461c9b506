"""What the platform engineer has decided for the whole cluster, as far as decisions depend on it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from webhook.core.families import DEFAULT_FAMILIES
from webhook.core.names import DEFAULT_NAMESPACE

POD_LABEL: Final = "pod-label"
NAMESPACE_LABEL: Final = "namespace-label"
CLUSTER: Final = "cluster"
SCOPES: Final = (POD_LABEL, NAMESPACE_LABEL, CLUSTER)
HELPER_RESOURCES: Final[Mapping[str, Mapping[str, Any]]] = {
    "requests": {"cpu": "10m", "memory": "64Mi"},
    "limits": {"memory": "128Mi"},
}
HELPER_SECURITY_CONTEXT: Final[Mapping[str, int]] = {"runAsUser": 65532, "runAsGroup": 65532}


@dataclass(frozen=True)
class Policy:
    """Cluster-wide rules and defaults.

    scope: which pods are asked about, one of SCOPES. own_namespace: where the webhook itself runs, never touched.
    tenant_id, cloud: for ServiceAccounts that do not say; tenant_id may be "". audience: of every token, "" for each
    cloud's own. env: the families of variables of pods that do not say. helper_image: what preflight and token-endpoint
    run in, "" when they are not offered.

    Of these containers, if the pod does not decide: helper_resources, as in a container. helper_security_context:
    their user and group. helper_env: proxies and trusted authorities. helper_authorities: NAME/KEY of a ConfigMap with
    authorities in the pod's namespace, "" for none. helper_network_sidecars: names of native sidecars that carry the
    traffic of their pod, in addition to those that are known.
    """

    scope: str = POD_LABEL
    own_namespace: str = DEFAULT_NAMESPACE
    tenant_id: str = ""
    cloud: str = "public"
    audience: str = ""
    env: tuple[str, ...] = DEFAULT_FAMILIES
    helper_image: str = ""
    helper_resources: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: HELPER_RESOURCES, hash=False)
    helper_security_context: Mapping[str, int] = field(default_factory=lambda: HELPER_SECURITY_CONTEXT, hash=False)
    helper_env: Mapping[str, str] = field(default_factory=dict, hash=False)
    helper_authorities: str = field(default="", hash=False)
    helper_network_sidecars: tuple[str, ...] = field(default=(), hash=False)
