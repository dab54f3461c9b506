"""The rules that decide about a pod, in words. Each has a name, which is also its anchor on the page of rules."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Rule:
    """A rule. title: a few words. text: the rule itself. page: where in docs/ more is said."""

    name: str
    title: str
    text: str
    page: str


_RULES: Final = (
    Rule(
        "scope",
        "Which pods are asked about",
        'In scope pod-label, a pod with the label azure.workload.identity/use: "true". In scope namespace-label, also '
        'every pod in a namespace with the label m365.workload.identity/inject: "true". In scope cluster, every pod.',
        "scopes.md",
    ),
    Rule(
        "opted-out",
        "A pod can opt out",
        'The label azure.workload.identity/use: "false" on a pod leaves it alone, in every scope.',
        "scopes.md",
    ),
    Rule(
        "system",
        "Some pods are never touched",
        "Those of kube-system, of kube-node-lease, of the webhook's own namespace, and the mirrors of static pods.",
        "scopes.md",
    ),
    Rule(
        "account",
        "The ServiceAccount says who the pod is",
        "The annotations of the pod's ServiceAccount name the application and the tenant. Without a client id, a pod "
        "that is not labelled itself is left alone; one that is labelled gets its token, and a warning.",
        "serve.md",
    ),
    Rule(
        "precedence",
        "Which annotation wins",
        "The first that is set: m365.workload.identity/… on the pod, then on the ServiceAccount, then "
        "azure.workload.identity/… on the ServiceAccount, then the webhook's setting, then the default.",
        "variables.md",
    ),
    Rule(
        "values",
        "Values have to make sense",
        "A pod with an annotation that makes no sense is refused, and every mistake is listed. Otherwise it would fail "
        "later, with a message that does not name the annotation.",
        "messages.md",
    ),
    Rule(
        "token",
        "Which token file a container reads",
        "First, the one that its own AZURE_FEDERATED_TOKEN_FILE names. Second, one that it mounts already. Third, one "
        "in a volume that the pod has already. Otherwise one in a volume of the webhook's own.",
        "coexistence.md",
    ),
    Rule(
        "variables",
        "Which variables a container gets",
        "Those of the families of m365.workload.identity/env. A variable that the container sets itself is never "
        "changed. New ones come first, so that $(NAME) in the container's own finds them.",
        "variables.md",
    ),
    Rule(
        "skipped",
        "Containers can be left out",
        "azure.workload.identity/skip-containers on the pod names them.",
        "variables.md",
    ),
    Rule(
        "helpers",
        "Helper containers",
        'm365.workload.identity/preflight: "true" on the pod adds an init container that signs in before the others '
        'start; token-endpoint: "true" adds a sidecar that speaks the managed-identity protocol. With metrics: "true", '
        "on the pod or its ServiceAccount, the sidecar counts sign-ins for Prometheus.",
        "helper-containers.md",
    ),
    Rule(
        "size",
        "A pod can only take so much",
        "If the additions are more than an object can have, the pod is refused.",
        "security.md",
    ),
    Rule(
        "operator",
        "Pods that an operator makes",
        "The operator creates them in the cluster from an object of its own. The webhook sees only the pods.",
        "mutate.md",
    ),
)

RULES: Final[Mapping[str, Rule]] = {rule.name: rule for rule in _RULES}

BY_REASON: Final[Mapping[str, tuple[str, str]]] = {
    "injected": ("variables", "The pod gets what it is missing."),
    "already-injected": ("variables", "The pod has all that it needs, so nothing is added."),
    "opted-out": ("opted-out", "The pod's label leaves it out."),
    "not-selected": ("scope", "kube-apiserver does not ask the webhook about this pod."),
    "not-annotated": ("account", "The pod asks for nothing, and its ServiceAccount has no client id."),
    "mirror-pod": ("system", "The pod is the mirror of a static pod."),
    "all-skipped": ("skipped", "Every container is left out."),
    "account-not-found": ("account", "The ServiceAccount is not in this text, so nothing could be decided."),
    "invalid-annotation": ("values", "The pod is refused: an annotation makes no sense."),
    "too-large": ("size", "The pod is refused: the additions are too large."),
    "bad-request": ("values", "kube-apiserver refuses the object before it asks the webhook."),
}
"""By the reason of a decision: the rule that led to it, and what it means for the pod."""
