"""WI6xx: what `check` finds about the webhook configuration; and what it cannot look at."""

from typing import Final

from webhook.core.messages.message import Kind, Severity

API_SERVER_UNREACHABLE: Final = Kind(
    "WI601",
    Severity.ERROR,
    "The API server cannot be reached: {reason}",
    fix="check that the kubeconfig is that of the cluster, and that the cluster is up: kubectl get --raw /readyz",
    help="Without the API server nothing can be looked at.",
)
MAY_NOT_READ: Final = Kind(
    "WI602",
    Severity.SKIPPED,
    "You may not read {resource}, so they were not looked at",
    fix="run this as a user who may `get` and `list` {resource}",
    help="`check` uses your own rights. What you may not see is left out, and the rest is still checked.",
)
NOT_READ: Final = Kind(
    "WI603",
    Severity.SKIPPED,
    "{resource} cannot be read: {reason}",
    fix="check the API server: kubectl get --raw /readyz",
    help="The API server answered, but not with the objects.",
)

CONFIGURATION_PRESENT: Final = Kind(
    "WI611",
    Severity.OK,
    "{object} has {entries}: scope {scope}",
    help="kube-apiserver is configured to call the webhook.",
)
CONFIGURATION_NARROWED: Final = Kind(
    "WI612",
    Severity.OK,
    "{object} has {entries}: scope {scope}, only pods that also have {labels}",
    help="webhook.objectSelector of the chart's values narrows the scope; `check` tries a pod with these labels.",
)
CONFIGURATION_ABSENT: Final = Kind(
    "WI613",
    Severity.ERROR,
    "No MutatingWebhookConfiguration has an entry of the webhook (there are: {others}), so kube-apiserver sends it no "
    "pod",
    fix="{restore}, which creates MutatingWebhookConfiguration {configuration}; if yours has another name, give "
    "--configuration and --service (now {service})",
    help="Without an entry, kube-apiserver creates every pod as it is, without an identity.",
)
CONFIGURATION_TWICE: Final = Kind(
    "WI614",
    Severity.WARNING,
    "There is more than one MutatingWebhookConfiguration of the webhook: {configurations}",
    fix="delete those of an older installation, such as: kubectl delete mutatingwebhookconfiguration {other}",
    help="Each pod is reviewed once for each configuration.",
)

NOT_INSTALLED: Final = Kind(
    "WI615",
    Severity.ERROR,
    "The webhook is not installed: Service {service} does not exist, and no MutatingWebhookConfiguration has an entry "
    "of the webhook (there are: {others})",
    fix="helm install m365-workload-identity manifests/chart -n {own_namespace} --create-namespace --wait with your "
    "values (docs/install.md); if it is there under other names, give --own-namespace, --configuration and --service",
    help="kube-apiserver creates every pod as it is, without an identity.",
)

RULES_WITHOUT_PODS: Final = Kind(
    "WI621",
    Severity.ERROR,
    "No entry of {object} takes labelled pods of namespace {namespace}: {entry}: its rules do not have CREATE of pods",
    fix="restore the rules of scope {scope}: {restore}",
    help="kube-apiserver calls a webhook only for the operations and resources in its rules.",
)
LABELS_LEFT_OUT: Final = Kind(
    "WI622",
    Severity.ERROR,
    "No entry of {object} takes labelled pods of namespace {namespace}: {entry}: "
    "its objectSelector leaves out the pod's labels",
    fix="restore the selectors of scope {scope}: {restore}",
    help="kube-apiserver calls a webhook only for pods with the labels in its objectSelector.",
)
SYSTEM_NAMESPACE: Final = Kind(
    "WI623",
    Severity.ERROR,
    "No entry of {object} takes labelled pods of namespace {namespace}: {entry}: "
    "its namespaceSelector leaves out namespace {namespace}",
    fix="move the workload to another namespace: system namespaces and the webhook's own are left out on purpose",
    help="If the webhook were called for its own pods, it could never start.",
)
NAMESPACE_UNLABELLED: Final = Kind(
    "WI624",
    Severity.ERROR,
    "No entry of {object} takes labelled pods of namespace {namespace}: {entry}: "
    "its namespaceSelector leaves out namespace {namespace}",
    fix="to include the namespace: kubectl label --overwrite namespace {namespace} {labels}; or change "
    "webhook.namespaceSelector or webhook.excludedNamespaces of the chart's values; if somebody changed the selector "
    "by hand, restore that of scope {scope}: {restore}",
    help="The namespace is missing labels that the namespaceSelector wants. This may be on purpose.",
)
NAMESPACE_EXCLUDED: Final = Kind(
    "WI625",
    Severity.ERROR,
    "No entry of {object} takes labelled pods of namespace {namespace}: {entry}: "
    "its namespaceSelector leaves out namespace {namespace}",
    fix="to include the namespace: change webhook.namespaceSelector or webhook.excludedNamespaces of the chart's "
    "values; if somebody changed the selector by hand, restore that of scope {scope}: {restore}",
    help="The namespaceSelector excludes the namespace by its name or by a label. This may be on purpose.",
)
