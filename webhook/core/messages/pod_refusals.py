"""WI66x, WI67x: why a pod is refused, or left out, for a reason that is not the call of the webhook."""

from typing import Final

from webhook.core.messages.message import Kind, Severity

CONDITIONS_LEAVE_OUT: Final = Kind(
    "WI668",
    Severity.ERROR,
    "{pod} gets no identity: {object} has matchConditions that the chart does not have, and kube-apiserver calls the "
    "webhook only for pods that meet them: {conditions}",
    fix="if they are a mistake: {restore}",
    help="Somebody added conditions, or changed that of the chart. `check` does not evaluate them.",
)
CLIENT_ID_NOT_ALLOWED: Final = Kind(
    "WI670",
    Severity.ERROR,
    "namespace {namespace} may not name the client id {client}: it may name {allowed}",
    fix="correct the annotation, or ask your platform engineer to add it to clientIds.allowed of the webhook {name}",
    help="kube-apiserver says this itself, by the chart's ValidatingAdmissionPolicy of client ids "
    "([client-ids.md](client-ids.md)).",
)
CLIENT_ID_REFUSED: Final = Kind(
    "WI677",
    Severity.ERROR,
    "A policy of your platform refuses the pod: {reason}",
    fix="correct the annotation m365.workload.identity/client-id of the pod template, or ask your platform engineer to "
    "allow it (docs/client-ids.md)",
    help="The chart's ValidatingAdmissionPolicy of client ids says which namespace may name which application.",
)
OTHER_WEBHOOK_REFUSES: Final = Kind(
    "WI661",
    Severity.ERROR,
    "Another webhook, {webhook}, refuses the pod: {reason}",
    fix="see the documentation of {webhook}",
    help="This webhook has nothing to do with the refusal.",
)
OTHER_WEBHOOK_FAILED: Final = Kind(
    "WI662",
    Severity.ERROR,
    "Another webhook, {webhook}, cannot be called: {reason}",
    fix="see the documentation of {webhook}",
    help="This webhook has nothing to do with the failure.",
)
MAY_NOT_CREATE_PODS: Final = Kind(
    "WI663",
    Severity.ERROR,
    "You may not create pods in namespace {namespace}, not even by dry run: {reason}",
    fix="run this as a user who may, or: kubectl create rolebinding m365-check --clusterrole=edit -n {namespace} "
    "--user={user}",
    help="A dry run stores nothing, but needs the same rights.",
)
ACCOUNT_OF_POD_ABSENT: Final = Kind(
    "WI664",
    Severity.ERROR,
    "The pod's ServiceAccount does not exist: {reason}",
    fix="kubectl create serviceaccount {account} -n {namespace}",
    help="kube-apiserver refuses a pod whose ServiceAccount does not exist.",
)
NAMESPACE_ABSENT: Final = Kind(
    "WI665",
    Severity.ERROR,
    "Namespace {namespace} does not exist",
    fix="kubectl create namespace {namespace}, or give another one with -n (without it: the namespace of the context)",
    help="The name may be misspelled.",
)
REFUSED_OTHERWISE: Final = Kind(
    "WI666",
    Severity.ERROR,
    "kube-apiserver refuses the pod for a reason that has nothing to do with the webhook: {reason}",
    fix="correct what the reason names (quota, Pod Security, policy), or check in another namespace: -n",
    help="The pod is refused before or after the webhook is called.",
)
CONDITIONS_FAIL: Final = Kind(
    "WI678",
    Severity.ERROR,
    "{pod} is refused: kube-apiserver cannot evaluate a matchCondition of {object} that the chart does not have: "
    "{reason}",
    fix="{restore}",
    help="Somebody added a condition, or changed that of the chart. failurePolicy Fail refuses what it cannot decide.",
)
