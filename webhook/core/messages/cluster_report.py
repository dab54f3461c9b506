"""WI76x: what `check -A` finds about a whole cluster, beside what `check` finds about one namespace."""

from typing import Final

from webhook.core.messages.message import Kind, Severity

ACCOUNTS_COUNTED: Final = Kind(
    "WI761",
    Severity.OK,
    "{accounts} opted in, of {all} in {namespaces}; {running} run as one of them",
    help="A ServiceAccount has opted in if it has one of our annotations, or if a labelled pod runs as it.",
)
NEW_PODS_REFUSED: Final = Kind(
    "WI762",
    Severity.ERROR,
    "New pods of {object} are refused, the last at {time}: {reason}",
    fix="m365wi check -n {namespace}{workload} has the fix",
    help="An event of the object says so, and none of its pods was created since. kube-apiserver keeps events for an "
    "hour.",
)
VERSIONS: Final = Kind(
    "WI763",
    Severity.OK,
    "{count} of the webhook ready, version {versions}",
    help="The version is the label app.kubernetes.io/version of the pods that the webhook's Service selects.",
)
VERSIONS_DIFFER: Final = Kind(
    "WI764",
    Severity.WARNING,
    "Replicas of different versions answer: {versions}",
    fix="wait for the roll-out, or look at it: kubectl rollout status -n {namespace} deployment; kubectl get pods -n "
    "{namespace} --show-labels",
    help="Two pods of one workload may be injected differently.",
)
SETTINGS_UNKNOWN: Final = Kind(
    "WI765",
    Severity.SKIPPED,
    "No pod was injected by dry run, so the webhook's own settings are not known: {accounts} without a tenant id of "
    "their own, and what the settings decide in pods, were not judged",
    fix="repair the installation first",
    help="The webhook's own tenant, cloud and audience are read off the pod of the dry run.",
)
CREDENTIAL_NOT_RIGHT: Final = Kind(
    "WI766",
    Severity.ERROR,
    "{object} cannot sign in as {client}: {reason}",
    fix="m365wi fic plan -n {namespace} --service-account {name}{past}; then the same with apply",
    help="Entra compares issuer, subject and audience of a token with the federated identity credentials of the "
    "application.",
)
ENTRA_NOT_READ: Final = Kind(
    "WI767",
    Severity.SKIPPED,
    "Entra was not looked at: {reason}",
    help="The cluster's side of the report is complete all the same.",
)
