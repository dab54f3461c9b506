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
API_SERVER_NOT_TRUSTED: Final = Kind(
    "WI604",
    Severity.ERROR,
    "The certificate of the API server is not trusted: {reason}",
    fix="take the kubeconfig of the cluster again, as its provider says: certificate-authority-data of its cluster is "
    "not the authority that signed, or is missing; if a proxy opens TLS on the way, its authority is needed there, too",
    help="The cluster was rebuilt, its authority was changed, or something else answers at its address.",
)
API_SERVER_OF_OTHER_NAME: Final = Kind(
    "WI605",
    Severity.ERROR,
    "The certificate of the API server is for another name: {reason}",
    fix="correct server of the kubeconfig, or set-cluster --tls-server-name to a name that the certificate has: "
    "kubectl config view --minify",
    help="server, or else tls-server-name, of the cluster in the kubeconfig must be one of the certificate's names.",
)
API_SERVER_EXPIRED: Final = Kind(
    "WI606",
    Severity.ERROR,
    "The certificate of the API server has expired, or is not valid yet: {reason}",
    fix="compare the clock of this machine with the cluster's; then renew the certificate, with kubeadm: kubeadm certs "
    "renew apiserver",
    help="kubectl is refused, too.",
)
PROXY_UNREACHABLE: Final = Kind(
    "WI607",
    Severity.ERROR,
    "The proxy on the way to the API server does not let the request through: {reason}",
    fix="correct proxy-url of the cluster in the kubeconfig, or else HTTPS_PROXY; or put the API server into NO_PROXY",
    help="As for kubectl: proxy-url counts, else HTTPS_PROXY and NO_PROXY; addresses of loopback need no proxy.",
)
API_SERVER_SPEAKS_TLS: Final = Kind(
    "WI608",
    Severity.ERROR,
    "The API server speaks HTTPS, and the kubeconfig says http: {reason}",
    fix="kubectl config set-cluster NAME --server=https://HOST:PORT, NAME as in: kubectl config view --minify",
    help="server of the cluster in the kubeconfig has the wrong scheme.",
)
API_SERVER_BUSY: Final = Kind(
    "WI609",
    Severity.ERROR,
    "The API server cannot answer at the moment: {reason}",
    fix="run it again in a minute; then look at the API server: kubectl get --raw '/readyz?verbose'",
    help="It throttles, restarts, or does not reach etcd. This says nothing about the webhook.",
)
UNREACHABLE: Final = frozenset(
    {
        API_SERVER_UNREACHABLE,
        API_SERVER_NOT_TRUSTED,
        API_SERVER_OF_OTHER_NAME,
        API_SERVER_EXPIRED,
        PROXY_UNREACHABLE,
        API_SERVER_SPEAKS_TLS,
        API_SERVER_BUSY,
    }
)
"""Nothing could be looked at."""
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
FAILURES_IGNORED: Final = Kind(
    "WI616",
    Severity.WARNING,
    "{object}: failurePolicy of {entry} is Ignore: while no replica answers, labelled pods are created without an "
    "identity and without an error",
    fix="if that is not on purpose (webhook.failurePolicy of the chart's values): {restore}",
    help="With Fail, which the chart has, kube-apiserver refuses the pod, and its controller tries again. The chart's "
    "validatingAdmissionPolicy refuses such pods, too.",
)
UNLABELLED_TAKEN: Final = Kind(
    "WI617",
    Severity.WARNING,
    "{object}: {entry} takes pods without the label, too, which scope {scope} does not: while no replica answers, pods "
    "that have nothing to do with it are refused",
    fix="restore its objectSelector: {restore}",
    help="Somebody changed the objectSelector by hand.",
)
OWN_PODS_TAKEN: Final = Kind(
    "WI618",
    Severity.WARNING,
    "{object}: {entry} takes the pods of the webhook's own namespace {namespace}: once no replica is left, none can be "
    "created any more",
    fix="restore its selectors: {restore}",
    help="Somebody changed namespaceSelector and objectSelector by hand. With failurePolicy Fail it waits for itself.",
)
NOT_REINVOKED: Final = Kind(
    "WI619",
    Severity.WARNING,
    "{object}: reinvocationPolicy of {entry} is Never: a container that another webhook adds afterwards, such as a "
    "sidecar, gets no identity",
    fix="{restore}",
    help="With IfNeeded, which the chart has, kube-apiserver calls the webhook again if another one changed the pod.",
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
