"""A mesh that adds its proxy in the cluster, in front of a pod that wants to sign in before it starts."""

from collections.abc import Iterator
from typing import Final

from webhook.core.mesh_exceptions import reaches_past_the_mesh
from webhook.core.messages import message
from webhook.core.messages.lint import PREFLIGHT_IN_A_MESH
from webhook.core.names import PREFLIGHT, PREFLIGHT_CONTAINER
from webhook.core.own_containers import carries_traffic
from webhook.offline.lint.findings import Finding, found
from webhook.offline.lint.objects import Object

# Labels and annotations of a pod or its namespace, by which a mesh takes it. They are the meshes' own names.
_TAKEN: Final = {
    ("sidecar.istio.io/inject", "true"),
    ("istio-injection", "enabled"),
    ("linkerd.io/inject", "enabled"),
    ("kuma.io/sidecar-injection", "enabled"),
    ("consul.hashicorp.com/connect-inject", "true"),
}
_NOT_TAKEN: Final = {
    ("sidecar.istio.io/inject", "false"),
    ("linkerd.io/inject", "disabled"),
    ("kuma.io/sidecar-injection", "disabled"),
    ("consul.hashicorp.com/connect-inject", "false"),
}
_NATIVE: Final = {
    ("sidecar.istio.io/nativeSidecar", "true"),
    ("config.linkerd.io/proxy-enable-native-sidecar", "true"),
    ("config.alpha.linkerd.io/proxy-enable-native-sidecar", "true"),
}


def warnings(each: Object, steps: tuple[str, ...], namespace: Object | None) -> Iterator[Finding]:
    """Whether preflight may be without a network; the webhook itself says so if the proxy is in the manifest."""
    annotations = each.texts(*steps, "metadata", "annotations")
    spec = each.values(*steps, "spec")
    pod = {"metadata": {"annotations": annotations}, "spec": spec}
    if annotations.get(PREFLIGHT) != "true" or reaches_past_the_mesh(pod):
        return
    own = {*annotations.items(), *each.texts(*steps, "metadata", "labels").items()}
    around = {
        pair
        for group in ("labels", "annotations")
        for pair in (namespace.texts("metadata", group) if namespace else {}).items()
    }
    taken = own & _TAKEN or (around & _TAKEN and not own & _NOT_TAKEN)
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    if taken and not own & _NATIVE and not any(carries_traffic(one) for one in containers):
        place = each.place(*steps, "metadata", "annotations", PREFLIGHT)
        yield found(message(PREFLIGHT_IN_A_MESH, helper=PREFLIGHT_CONTAINER), place, each.manifest, each.title)
