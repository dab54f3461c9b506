"""Which pods the webhook changes: the selectors of the webhook configuration once more, in code.

kube-apiserver applies them before it calls. The code is for the offline command, for a configuration whose selectors
somebody widened, and for callers other than kube-apiserver.
"""

from collections.abc import Mapping

from webhook.core.names import INJECT_LABEL, MIRROR_ANNOTATION, SYSTEM_NAMESPACES, USE_LABEL
from webhook.core.policy import NAMESPACE_LABEL, POD_LABEL, Policy
from webhook.core.review import Request


def labelled(request: Request) -> bool:
    """Whether the pod itself asks for an identity."""
    return _label(request) == "true"


def skip_reason(request: Request, policy: Policy, namespace_labels: Mapping[str, str] | None = None) -> str:
    """Why the pod is left alone, as the reason of a decision, or "" if it is not.

    namespace_labels: of the pod's namespace, or None if they are not known; kube-apiserver has then applied them.
    """
    metadata = request.pod.get("metadata") or {}
    if MIRROR_ANNOTATION in (metadata.get("annotations") or {}):
        return "mirror-pod"  # the kubelet kills a mirror pod that differs from its file
    if request.namespace == policy.own_namespace or request.namespace in SYSTEM_NAMESPACES:
        return "not-selected"
    label = _label(request)
    if label == "false":
        return "opted-out"
    if label == "true":
        return ""
    if policy.scope == POD_LABEL:
        return "not-selected"
    if policy.scope == NAMESPACE_LABEL and namespace_labels is not None:
        return "" if namespace_labels.get(INJECT_LABEL) == "true" else "not-selected"
    return ""


def _label(request: Request) -> str | None:
    metadata = request.pod.get("metadata") or {}
    return (metadata.get("labels") or {}).get(USE_LABEL)
