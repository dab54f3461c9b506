"""WI4xx: what only `lint` finds in manifests.

`object` is the object in a file, such as `Deployment shop/web`, or the file.
"""

from typing import Final

from webhook.core.messages.message import Kind, Severity

ACCOUNT_NOT_SEEN: Final = Kind(
    "WI460",
    Severity.NOTE,
    "{object}: {account} is not in these files, so its annotations were not looked at",
    fix="give lint the file with the ServiceAccount, too",
    help="The pod was checked as if its ServiceAccount had a client id and a tenant id.",
)
CHART_NOT_RENDERED: Final = Kind(
    "WI461",
    Severity.NOTE,
    "{object}: the templates of this chart were not looked at",
    fix="helm template {folder} | m365wi lint -f -",
    help="A template of Helm is not YAML before it is rendered.",
)
FILE_TOO_LARGE: Final = Kind(
    "WI462",
    Severity.ERROR,
    "{object}: the file has more than {limit} bytes",
    fix="split it",
    help="No object of Kubernetes is that large; `lint` bounds what it reads.",
)
TOO_MANY_FILES: Final = Kind(
    "WI463",
    Severity.ERROR,
    "{object}: the folder has more than {limit} files",
    fix="give lint the folders with manifests",
    help="`lint` bounds what it reads. Hidden folders and node_modules are left out already.",
)
LABEL_UNKNOWN: Final = Kind(
    "WI470",
    Severity.WARNING,
    "{object}: unknown label {unknown}, did you mean {meant}?",
    fix="rename it to {meant}",
    help="A label with one of our prefixes, or one like them, resembles a known one. It has no effect.",
)
USE_LABEL_ON_NAMESPACE: Final = Kind(
    "WI471",
    Severity.WARNING,
    "{object}: label {label} has no effect on a Namespace",
    fix='put it on the pods; or, in scope namespace-label, label the Namespace {meant}: "true"',
    help="A pod is opted in by a label of its own. That of a namespace has another name, and counts in one scope only.",
)
NAMESPACE_LABEL_ELSEWHERE: Final = Kind(
    "WI472",
    Severity.WARNING,
    "{object}: label {label} has no effect on a {kind}: it is for Namespaces",
    fix='put it on the Namespace, in scope namespace-label; or {meant}: "true" on the pods',
    help="kube-apiserver reads it from the Namespace, to decide whether to ask the webhook about the pods there.",
)
NAMESPACE_LABEL_VALUE: Final = Kind(
    "WI473",
    Severity.WARNING,
    '{object}: label {label} is "{value}", expected "true"',
    fix='set it to "true", or remove it',
    help="kube-apiserver compares text: any other value is the same as no label.",
)
LABEL_IN_SELECTOR: Final = Kind(
    "WI474",
    Severity.WARNING,
    "{object}: label {label} is in the selector, which can never be changed",
    fix="take it out of the selector, and keep it in the template; in Kustomize, labels with includeTemplates: true "
    "instead of commonLabels",
    help="kube-apiserver refuses a change of the selector: adding the label to a workload that exists, or removing it "
    "later, needs a new one.",
)
ANNOTATIONS_WITHOUT_LABEL: Final = Kind(
    "WI475",
    Severity.WARNING,
    "{object}: annotation {annotation} has no effect, because the pod is not selected: it has no label {label}",
    fix='put {label}: "true" in {wanted}',
    help="In scope pod-label, kube-apiserver asks the webhook about labelled pods only.",
)
KUSTOMIZE_SELECTORS: Final = Kind(
    "WI476",
    Severity.WARNING,
    "{object}: {member} puts label {label} into selectors, too, which can never be changed",
    fix="labels: [{{pairs: …, includeTemplates: true}}] without includeSelectors",
    help="kube-apiserver refuses a change of a workload's selector, so workloads that exist cannot be updated.",
)
KUSTOMIZE_WITHOUT_TEMPLATES: Final = Kind(
    "WI477",
    Severity.WARNING,
    "{object}: label {label} does not reach the pods: these labels are not put into templates",
    fix="add includeTemplates: true next to pairs",
    help="By default, Kustomize puts `labels` on the objects and not into their pod templates.",
)
NAMESPACE_LABEL_AS_ANNOTATION: Final = Kind(
    "WI478",
    Severity.WARNING,
    "{object}: annotation {annotation} has no effect: it is a label",
    fix="move it to the labels of the Namespace",
    help="kube-apiserver selects namespaces by their labels.",
)
TEMPLATE_LEFT: Final = Kind(
    "WI480",
    Severity.ERROR,
    "{object}: {what} is {value}: a template that was not filled in",
    fix="lint what Helm or Kustomize renders; if this is it, see why the value is still there",
    help="`{{{{ }}}}` is Helm's, and `$(NAME)` a variable of Kustomize. The cluster takes both as they are.",
)
SUBSTITUTION_LEFT: Final = Kind(
    "WI481",
    Severity.WARNING,
    "{object}: {what} is {value}, which somebody has to substitute before the cluster sees it",
    fix="lint what is applied",
    help="envsubst and Flux replace `${{NAME}}`. kubectl does not.",
)
ACCOUNT_MISSPELT: Final = Kind(
    "WI482",
    Severity.WARNING,
    "{object}: ServiceAccount {account} is not in these files, did you mean {similar}?",
    fix="correct serviceAccountName",
    help="kube-apiserver refuses a pod whose ServiceAccount does not exist.",
)
ACCOUNT_ELSEWHERE: Final = Kind(
    "WI483",
    Severity.WARNING,
    "{object}: ServiceAccount {account} is in namespace {found}, and a pod uses those of its own namespace only",
    fix="put both into one namespace",
    help="A ServiceAccount of the same name in another namespace is another one, and has no part in this.",
)
PREFLIGHT_IN_A_MESH: Final = Kind(
    "WI485",
    Severity.NOTE,
    "{object}: {helper} has no network if the mesh uses a CNI plugin and its proxy is an ordinary container",
    fix="let the mesh inject a native sidecar, or exclude port 443 from it (docs/helper-containers.md)",
    help="The mesh adds its proxy in the cluster, so `lint` does not see which of them it is.",
)
IGNORE_UNREADABLE: Final = Kind(
    "WI490",
    Severity.ERROR,
    '{object}: {what} is {value}, expected CODE: reason, several separated by ";"',
    help="A reason is required: the next reader wants to know whether it still holds.",
)
IGNORE_UNUSED: Final = Kind(
    "WI491",
    Severity.WARNING,
    "{object}: {ignored} is ignored, but was not found",
    fix="remove it",
    help="What is ignored for good hides the next mistake of its kind.",
)
IGNORE_FILE: Final = Kind(
    "WI492",
    Severity.ERROR,
    "{object}: {problem}",
    fix='ignore: [{{code: WI210, path: "deploy/*", object: Deployment shop/web, reason: …}}]',
    help="The file is a list of what is on purpose. docs/lint.md has an example.",
)
CODE_UNKNOWN: Final = Kind(
    "WI493",
    Severity.ERROR,
    "{object}: no message has the code {value}",
    fix="m365wi lint --explain CODE says what a code means",
    help="A misspelt code would suppress nothing.",
)
MORE_FINDINGS: Final = Kind(
    "WI494",
    Severity.NOTE,
    "{count} more findings are left out: {format} takes {limit}",
    help="Errors come first, so it is the lesser ones that are left out.",
)
