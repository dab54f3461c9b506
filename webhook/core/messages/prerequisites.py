"""WI68x: what `check --pre` finds before the webhook is installed."""

from typing import Final

from webhook.core.messages.message import Kind, Severity

VERSION_ENOUGH: Final = Kind(
    "WI681",
    Severity.OK,
    "Kubernetes {version}",
    help="The chart needs Kubernetes 1.30 or newer.",
)
VERSION_OLD: Final = Kind(
    "WI682",
    Severity.ERROR,
    "Kubernetes {version} is too old, expected {least} or newer",
    fix="upgrade the control plane first",
    help="Kubernetes 1.30 was the first with ValidatingAdmissionPolicy, a preStop sleep and matchConditions, which the "
    "chart relies on.",
)
RIGHTS_ENOUGH: Final = Kind(
    "WI683",
    Severity.OK,
    "You have all {count} rights that the installation needs",
    help="kube-apiserver was asked for each (SelfSubjectAccessReview): what Helm does with each object of the chart, "
    "and the rights that the chart gives to the webhook.",
)
RIGHTS_MISSING: Final = Kind(
    "WI684",
    Severity.ERROR,
    "You ({user}) may not do all that the installation does; {count} rights are missing: {rights}",
    fix="a cluster administrator installs; or gives you just these rights: {command} > installer.yaml writes them, "
    "{first}kubectl apply -f installer.yaml gives them, and kubectl delete -f installer.yaml takes them back",
    help="The chart creates a webhook configuration and RBAC for the whole cluster. kube-apiserver lets a user give "
    "only rights that the user has.",
)
PRIORITY_CLASS_ABSENT: Final = Kind(
    "WI685",
    Severity.ERROR,
    "PriorityClass {name} does not exist, so the webhook's pods would be refused",
    fix='restart kube-apiserver, which makes it when it starts; or install with --set priorityClassName=""',
    help="The webhook's pods are system-cluster-critical, so that they start before the pods that wait for them. "
    "kube-apiserver lets no user delete it, so it was lost from the store.",
)
NAMESPACE_NEW: Final = Kind(
    "WI686",
    Severity.OK,
    "Namespace {namespace} does not exist yet; --create-namespace makes it",
    help="A namespace that does not exist has no quota, no LimitRange and no Pod Security labels.",
)
POD_ADMITTED: Final = Kind(
    "WI687",
    Severity.OK,
    "A pod as the webhook's own is admitted in namespace {namespace}, Pod Security level {level}",
    help="kube-apiserver created it by dry run: quota, Pod Security, priority class and all webhooks let it in.",
)
POD_OVER_QUOTA: Final = Kind(
    "WI688",
    Severity.ERROR,
    "A quota refuses the webhook's pods in namespace {namespace}: {reason}",
    fix="raise it: kubectl edit resourcequota -n {namespace}; two replicas request 200m CPU and 192Mi memory; or "
    "install into a namespace of its own",
    help="The ResourceQuota of the namespace does not have room for the webhook, or limits its priority class.",
)
POD_REFUSED: Final = Kind(
    "WI689",
    Severity.ERROR,
    "A pod as the webhook's own is refused in namespace {namespace}: {reason}",
    fix="ask the owner of what refuses it to leave out namespace {namespace}",
    help="These are kube-apiserver's words about a dry run.",
)
CALL_FAILS: Final = Kind(
    "WI690",
    Severity.ERROR,
    "kube-apiserver cannot call the webhook {webhook}, which refuses pods for that: {reason}",
    fix="repair that one, or delete its configuration if nothing needs it: kubectl delete {plural} {configuration}; if "
    "its pods run, look at the network between kube-apiserver and pods",
    help="If kube-apiserver cannot reach the pods of one webhook, it may not reach ours either.",
)
REACHES_SERVICES: Final = Kind(
    "WI691",
    Severity.OK,
    "kube-apiserver has called {webhooks} for the pod, so it reaches Services of the cluster",
    help="A webhook with failurePolicy Fail that calls a Service took part in the dry run, and did not fail.",
)
REACH_UNKNOWN: Final = Kind(
    "WI692",
    Severity.SKIPPED,
    "No webhook that must answer was called for the pod, so whether kube-apiserver reaches Services is not known",
    fix="after the installation: m365wi check",
    help="A dry run shows the network only if another webhook, with failurePolicy Fail, is behind a Service.",
)
OTHER_WEBHOOKS: Final = Kind(
    "WI693",
    Severity.WARNING,
    "Other webhooks would be called for the webhook's own pods: {webhooks}",
    fix="leave namespace {namespace} out of their namespaceSelector, if their program offers it: matchExpressions with "
    "key kubernetes.io/metadata.name, operator NotIn, values [{namespace}]",
    help="If such a webhook is away, our pods cannot start; and what it changes in them is not tested.",
)
POD_CHANGED: Final = Kind(
    "WI694",
    Severity.WARNING,
    "Somebody changes the webhook's own pods: {changes}",
    fix="leave namespace {namespace} out of the webhook that does it: {webhooks}",
    help="The pod of the dry run came back with containers, variables or volumes that it was not sent with.",
)
KIND_ABSENT: Final = Kind(
    "WI695",
    Severity.ERROR,
    "The cluster does not have the kind {kind} ({version}), which is to be installed",
    fix="install what brings it, such as the Prometheus operator or cert-manager; or leave out the option for it",
    help="Helm refuses the whole chart if the API server does not know one of its kinds.",
)
POD_NOT_TRIED: Final = Kind(
    "WI696",
    Severity.SKIPPED,
    "You may not create pods in namespace {namespace}, so whether the webhook's own would be admitted is not known",
    fix="run this as a user who may: a dry run stores nothing, and needs the same right",
    help="Quota, Pod Security and other webhooks are seen by a pod that is created by dry run.",
)
ISSUER_NOT_SEEN: Final = Kind(
    "WI697",
    Severity.SKIPPED,
    "You may not read the cluster's {path}, so whether Entra can reach its issuer is not known",
    fix="have somebody run this who may; or: kubectl create clusterrolebinding m365-issuer-discovery "
    "--clusterrole=system:service-account-issuer-discovery --user={user}",
    help="The issuer is in the cluster's discovery document, which needs a right that an installation does without.",
)
