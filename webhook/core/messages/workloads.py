"""WI7xx: what `check` finds about a ServiceAccount, a workload and its pods."""

from typing import Final

from webhook.core.messages.message import Kind, Severity

LIST_APPLICATIONS: Final = 'az ad app list --query "[].[displayName,appId]" --output tsv'
"""Prints the name and the client id of each application."""
SHOW_TENANT: Final = "az account show --query tenantId --output tsv"
"""Prints the tenant that azure-cli has signed in to."""

ACCOUNT_READ: Final = Kind(
    "WI701",
    Severity.OK,
    "Pods of {object} ask to sign in as application {client} {where}; --entra looks whether Entra lets them",
    help="Client id and tenant are known, from its annotations or from the settings of the webhook. Entra lets the "
    "pods in if the application has a federated identity credential for the ServiceAccount: `m365wi fic` prints it.",
)
ACCOUNT_ABSENT: Final = Kind(
    "WI702",
    Severity.ERROR,
    "{object} does not exist",
    fix="kubectl create {command}",
    help="The name may be misspelled, or the ServiceAccount is in another namespace.",
)
ACCOUNT_WITHOUT_CLIENT_ID: Final = Kind(
    "WI703",
    Severity.ERROR,
    "{object} has no client id, so its pods do not know which application they are",
    fix="{command}",
    help="It is the application (client) id in Entra, a GUID.",
)
USE_LABEL_ON_ACCOUNT: Final = Kind(
    "WI704",
    Severity.WARNING,
    "{object}: label {label} has no effect on a ServiceAccount: it belongs on the pods",
    fix="set it in spec.template.metadata.labels of the workloads",
    help="kube-apiserver selects pods by their own labels.",
)
ACCOUNT_LABEL: Final = Kind(
    "WI705",
    Severity.WARNING,
    "{object}: label {label} has no effect: it is an annotation",
    fix="kubectl label {command} {label}-; kubectl annotate {command} {label}={value}",
    help="The webhook reads the annotations of a ServiceAccount, and none of its labels.",
    edit="move it to the annotations",
)

TENANT_UNKNOWN: Final = Kind(
    "WI706",
    Severity.SKIPPED,
    "{object} has no tenant id; whether the webhook has one for it (--tenant-id) is not known, since no pod was "
    "injected by dry run",
    fix=f"if it has none: {SHOW_TENANT}; kubectl annotate {{command}} {{annotation}}=TENANT",
    help="The webhook's own tenant id is read off the pod of the dry run.",
)

WORKLOAD_TAKEN: Final = Kind(
    "WI711",
    Severity.OK,
    "{object} has pods that the webhook takes, as ServiceAccount {account}",
    help="New pods of the workload get an identity.",
)
WORKLOAD_ABSENT: Final = Kind(
    "WI712",
    Severity.ERROR,
    "{object} does not exist",
    fix="kubectl get {plural} -n {namespace}",
    help="The name may be misspelled, or the workload is in another namespace.",
)
WORKLOAD_OF_OTHER_ACCOUNT: Final = Kind(
    "WI713",
    Severity.ERROR,
    "{object} runs as ServiceAccount {account}, not as {expected}",
    fix="set serviceAccountName: {expected} in its pod template, or check --service-account {account}",
    help="The pods get the identity of the ServiceAccount that they run as.",
)
ALL_CONTAINERS_SKIPPED: Final = Kind(
    "WI714",
    Severity.WARNING,
    "{object} names each of its containers in {annotation}, so none gets an identity",
    fix="remove the containers that sign in from the annotation",
    help="A container that is named in the annotation gets neither variables nor token.",
)
NAMESPACE_NEVER_TAKEN: Final = Kind(
    "WI715",
    Severity.ERROR,
    "{object} is in a namespace whose pods the webhook never changes",
    fix="move it to another namespace",
    help="System namespaces and the webhook's own are left out on purpose.",
)
OPTED_OUT: Final = Kind(
    "WI716",
    Severity.WARNING,
    '{object} has opted out: {template} has the label {label}: "false"',
    fix='if that is a mistake, set it to "true" in {field}{labelling}',
    help='The value "false" keeps a pod from getting an identity in every scope.',
)
USE_LABEL_INVALID: Final = Kind(
    "WI717",
    Severity.ERROR,
    '{object}: label {label} is "{value}", expected "true"',
    fix='set it to "true" in {field}{labelling}',
    help="kube-apiserver compares the value letter by letter.",
)
USE_LABEL_MISSING: Final = Kind(
    "WI718",
    Severity.ERROR,
    '{object}: {template} is missing the label {label}: "true"',
    fix='put {label}: "true" into {field}{labelling}',
    help="In scope pod-label, kube-apiserver calls the webhook for labelled pods only.",
)
USE_LABEL_MISPLACED: Final = Kind(
    "WI719",
    Severity.ERROR,
    '{object} has the label {label} on itself, where it has no effect: {template} is missing the label {label}: "true"',
    fix='put {label}: "true" into {field}{labelling}',
    help="A workload does not hand its own labels on to its pods; its pod template does.",
)
POD_LABELS_MISSING: Final = Kind(
    "WI720",
    Severity.ERROR,
    "{object}: no entry of {configuration} takes its pods: the objectSelector of {entry} leaves out their labels",
    fix="put {labels} into {field}{labelling}; or change webhook.objectSelector of the chart's values",
    help="webhook.objectSelector of the chart's values narrows the scope to pods with these labels.",
)
POD_LABELS_EXCLUDED: Final = Kind(
    "WI721",
    Severity.ERROR,
    "{object}: no entry of {configuration} takes its pods: the objectSelector of {entry} leaves out their labels",
    fix="change webhook.objectSelector of the chart's values",
    help="webhook.objectSelector of the chart's values excludes a label of the pods.",
)
ACCOUNT_ANNOTATION_ON_WORKLOAD: Final = Kind(
    "WI722",
    Severity.WARNING,
    "{object}: annotation {annotation} has no effect on a {kind}: it belongs on ServiceAccount {account}",
    fix="kubectl annotate serviceaccount {account} -n {namespace} {annotation}={value}; "
    "kubectl annotate {command} {annotation}-",
    help="The webhook reads the annotations of a pod and of its ServiceAccount.",
    edit="move it to the ServiceAccount",
)
POD_ANNOTATION_ON_WORKLOAD: Final = Kind(
    "WI723",
    Severity.WARNING,
    "{object}: annotation {annotation} has no effect on a {kind}: it belongs on {field}",
    fix="move it there; kubectl annotate {command} {annotation}-",
    help="A workload does not hand its own annotations on to its pods; its pod template does.",
    edit="move it there",
)
POD_LABEL: Final = Kind(
    "WI724",
    Severity.WARNING,
    "{object}: label {label} has no effect on a pod: it is an annotation",
    fix="move it to the annotations of the pod template or of the ServiceAccount",
    help="The webhook reads the annotations of a pod, and of its labels only azure.workload.identity/use.",
)

PODS_REFUSED: Final = Kind(
    "WI725",
    Severity.ERROR,
    "The webhook refuses the pods of {object}: {reason}",
    fix="correct the annotation that the reason names; if it is the ServiceAccount's, the finding about that has the "
    "command",
    help="An annotation of the pod template or of the ServiceAccount makes no sense.",
)

PODS_CURRENT: Final = Kind(
    "WI731",
    Severity.OK,
    "{count} of {object}, with what a new one would get",
    help="The pods were compared with the pod that was created by dry run.",
)
PODS_MATCH_ANNOTATIONS: Final = Kind(
    "WI732",
    Severity.OK,
    "{count} of {object}, with all that the annotations decide",
    help="No pod could be created by dry run, so what the webhook's own settings decide was not compared.",
)
PODS_NONE: Final = Kind(
    "WI733",
    Severity.OK,
    "No pod of {object} is running at the moment",
    help="There is nothing to compare.",
)
PODS_UNLABELLED: Final = Kind(
    "WI734",
    Severity.WARNING,
    "{count} of {object} without an identity: no entry of the webhook takes pods with their labels",
    fix='put {label}: "true" into the pod template of their workload; {commands} has the command',
    help="This may be on purpose: the same ServiceAccount may run pods that do not sign in.",
)
SIGN_IN_FAILS: Final = Kind(
    "WI735",
    Severity.ERROR,
    "{count} of {object} cannot sign in; container {container} of {pod} says: {reason} [{code}]",
    help="A container that runs m365-identity, such as m365-preflight, has ended with this reason, which is in the "
    "pod's status. The kubelet starts it again, so the pod goes on by itself once the reason is gone. The code of the "
    "reason is explained on this page, too.",
)
SIGN_IN_FAILED: Final = Kind(
    "WI736",
    Severity.WARNING,
    "{count} of {object} ended without signing in; container {container} of {pod} says: {reason} [{code}]",
    help="Such as the pod of a Job. It will not start again, and another one may have signed in since.",
)
HELPER_ENDED: Final = Kind(
    "WI737",
    Severity.ERROR,
    "{count} of {object} wait for {container}, which does not say why it ended: {reason}",
    fix="{log} --previous",
    help="The helper container was killed, as for too much memory, or its log was not kept.",
)
HELPER_NOT_STARTED: Final = Kind(
    "WI738",
    Severity.ERROR,
    "{count} of {object} wait for {container}, which cannot be started: {reason}",
    fix="make sure that nodes can pull the image of helper.image in the namespace of the pod (imagePullSecrets of its "
    "ServiceAccount), or leave the annotation off",
    help="The helper containers run in each namespace whose pods ask for them, and their image is pulled as the pod's.",
)

OLDER_THAN_LABEL: Final = Kind(
    "WI741",
    Severity.ERROR,
    "{count} of {object} must be created again: older than the label in the pod template",
    fix="{restart}",
    help="The webhook is called when a pod is created, and the template had no label then.",
)
OLDER_THAN_INSTALLATION: Final = Kind(
    "WI742",
    Severity.ERROR,
    "{count} of {object} must be created again: older than the installation of the webhook",
    fix="{restart}",
    help="The webhook is called when a pod is created, and it was not installed then.",
)
OLDER_THAN_ANNOTATIONS: Final = Kind(
    "WI743",
    Severity.ERROR,
    "{count} of {object} must be created again: older than the annotations of the ServiceAccount",
    fix="{restart}",
    help="A pod without the label gets an identity only if its ServiceAccount has a client id when it is created.",
)
CREATED_UNNOTICED: Final = Kind(
    "WI744",
    Severity.ERROR,
    "{count} of {object} must be created again: created while the webhook was away, or labelled afterwards",
    fix="{restart}",
    help="With failurePolicy Ignore, kube-apiserver creates a pod without an identity if no replica answers.",
)
TOKEN_FILE_ABSENT: Final = Kind(
    "WI745",
    Severity.ERROR,
    "{count} of {object}: {variable} is {there}, and no volume is mounted there, so the file is missing",
    fix="{removal}",
    help="The webhook leaves a container alone that sets the variable itself. Otherwise it adds variable and volume. A "
    "container that writes the file itself is a mistake, too: that token is never renewed.",
)
NEW_TOKEN_FILE_ABSENT: Final = Kind(
    "WI726",
    Severity.ERROR,
    "A new pod of {object}: {variable} of container {container} is {there}, and no volume is mounted there, so the "
    "file is missing",
    fix="{removal}",
    help="The webhook leaves a container alone that sets the variable itself. Otherwise it adds variable and volume.",
)
VARIABLE_MISSING: Final = Kind(
    "WI751",
    Severity.ERROR,
    "{count} of {object} must be created again: {variable} is missing (older than {change}, or the webhook was away)",
    fix="{restart}",
    help="The containers have a token, and not all the variables that a new pod would have.",
)
VARIABLE_DIFFERS: Final = Kind(
    "WI752",
    Severity.ERROR,
    "{count} of {object} must be created again: {variable} has another value than in a new pod (older than {change})",
    fix="{restart}",
    help="The pods were created before the value changed.",
)
VARIABLE_DIFFERS_OR_OWN: Final = Kind(
    "WI753",
    Severity.ERROR,
    "{count} of {object} must be created again: {variable} has another value than in a new pod (older than {change}, "
    "or it was set by hand)",
    fix="{restart}",
    help="The pod template may set the variable itself; with --workload it is looked at, and the finding is certain.",
)
VARIABLE_EXTRA: Final = Kind(
    "WI754",
    Severity.ERROR,
    "{count} of {object} must be created again: {variable} is there and would not be in a new pod (older than "
    "{change})",
    fix="{restart}",
    help="The pods were created before the variable was dropped.",
)
VARIABLE_EXTRA_OR_OWN: Final = Kind(
    "WI755",
    Severity.WARNING,
    "{count} of {object} may be out of date: {variable} is there and would not be in a new pod (older than {change}, "
    "or it was set by hand)",
    fix="if it was not set by hand: {restart}",
    help="The pod template may set the variable itself; with --workload it is looked at, and the finding is certain.",
)
AUDIENCE_DIFFERS: Final = Kind(
    "WI756",
    Severity.ERROR,
    "{count} of {object} must be created again: their token is for {there} and not for {wanted} (older than {change})",
    fix="{restart}",
    help="Entra compares the audience of a token with that of the federated identity credential.",
)
AUDIENCE_DIFFERS_OR_OWN: Final = Kind(
    "WI757",
    Severity.WARNING,
    "{count} of {object} may be out of date: their token is for {there} and not for {wanted} (older than {change}, or "
    "it was set by hand)",
    fix="if it was not set by hand: {restart}",
    help="The pod template may have its own token volume; with --workload it is looked at, and the finding is certain.",
)
LIFETIME_DIFFERS: Final = Kind(
    "WI758",
    Severity.ERROR,
    "{count} of {object} must be created again: their token lives {there} s and not {wanted} s (older than {change})",
    fix="{restart}",
    help="The lifetime of a token is in the volume of the pod, and stays as it is.",
)
LIFETIME_DIFFERS_OR_OWN: Final = Kind(
    "WI759",
    Severity.WARNING,
    "{count} of {object} may be out of date: their token lives {there} s and not {wanted} s (older than {change}, or "
    "it was set by hand)",
    fix="if it was not set by hand: {restart}",
    help="The pod template may have its own token volume; with --workload it is looked at, and the finding is certain.",
)
TEMPLATE_ELSEWHERE: Final = Kind(
    "WI760",
    Severity.ERROR,
    "{object} takes its pod template from {target}: that one was not looked at",
    fix="m365wi check -n {namespace} --workload {target}",
    help="A Rollout with workloadRef has the pods of another workload.",
)
