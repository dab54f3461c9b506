"""WI4xx: files given to `mutate` and `--accounts`: YAML, objects, labels in the wrong place.

The place of each is FILE:LINE:COLUMN, as `object`; only FILE for a file as a whole.
"""

from typing import Final

from webhook.core.messages.message import Kind, Severity

FILE_UNREADABLE: Final = Kind(
    "WI401",
    Severity.ERROR,
    "{object}: the file cannot be read: {reason}",
    help="The system's own reason: the file is missing, or its permissions are too strict.",
)
STANDARD_INPUT_TWICE: Final = Kind(
    "WI402",
    Severity.ERROR,
    "-f - is given {times} times: standard input can be read only once",
    help="Standard input is empty after the first reading.",
)
FOLDER_EMPTY: Final = Kind(
    "WI403",
    Severity.ERROR,
    "{object}: no file in the folder ends in one of {suffixes}",
    help="Only files directly in the folder are read, as `kubectl -f FOLDER` reads them.",
)
NOT_UTF8: Final = Kind(
    "WI404",
    Severity.ERROR,
    "{object}: the text is not UTF-8",
    fix="write the file as UTF-8",
    help="Manifests are UTF-8 text. The line is that of the first byte that is not.",
)
UTF16: Final = Kind(
    "WI405",
    Severity.ERROR,
    "{object}: the text begins with the mark of UTF-16, but the rest of it is not UTF-16",
    fix="write the file as UTF-8",
    help="UTF-8 is read, and whole UTF-16 with its mark, which `>` of Windows PowerShell writes.",
)
NOT_JSON: Final = Kind(
    "WI406",
    Severity.ERROR,
    "{object}: the text is not JSON: {reason}",
    help="A text that starts with { is read as JSON, and as YAML if that fails. This one is neither.",
)
JSON_TOO_DEEP: Final = Kind(
    "WI407",
    Severity.ERROR,
    "{object}: the JSON cannot be written as YAML: {reason}",
    help="JSON becomes YAML before it is decided about. No object of Kubernetes is nested that deeply.",
)
NOT_YAML: Final = Kind(
    "WI408",
    Severity.ERROR,
    "{object}: the text is not YAML: {reason}",
    help="kubectl would refuse the same text. Line and column count from 1.",
)
TEMPLATE: Final = Kind(
    "WI409",
    Severity.ERROR,
    "{object}: the text is not YAML: {reason}; it looks like a template",
    fix="helm template CHART | m365wi mutate -f -",
    help="A template of Helm has to be rendered before it is YAML.",
    edit="helm template CHART | m365wi lint -f -",
)
NO_OBJECT: Final = Kind(
    "WI410",
    Severity.ERROR,
    "{object}: no object found",
    help="The files hold nothing but empty documents and comments.",
)
NOT_AN_OBJECT: Final = Kind(
    "WI411",
    Severity.ERROR,
    "{object}: this is not a Kubernetes object: expected apiVersion and kind",
    help="Each document is an object with apiVersion and kind, or a List of such objects.",
)
KIND_MISSING: Final = Kind(
    "WI412",
    Severity.ERROR,
    "{object}: this is not a Kubernetes object: {missing} missing",
    help="kubectl refuses an object without apiVersion or kind, too.",
)
KEY_REPEATED: Final = Kind(
    "WI413",
    Severity.WARNING,
    '{object}: key "{key}" stands twice: the last one counts, as for kubectl',
    help="kubectl takes the last one without a word; often the first one is what was meant.",
)
NO_ACCOUNT: Final = Kind(
    "WI420",
    Severity.ERROR,
    "{object}: no ServiceAccount found",
    help="`serve --accounts` finds the ServiceAccounts of all pods in these files.",
)
ACCOUNT_WITHOUT_NAME: Final = Kind(
    "WI421",
    Severity.ERROR,
    "{object}: expected a ServiceAccount with metadata.name",
    help="kube-apiserver refuses it as well.",
)
ANNOTATIONS_NOT_TEXTS: Final = Kind(
    "WI422",
    Severity.ERROR,
    "{object}: metadata.annotations: expected an object of strings",
    help="Annotations are a list of names with a text each.",
)
NOT_IN_QUOTES: Final = Kind(
    "WI423",
    Severity.ERROR,
    "{object}: {what} {key} is the {type} {value}, expected text",
    fix='put it in quotes: "{value}"',
    help="kube-apiserver refuses labels and annotations that are not text. Without quotes, YAML makes true a boolean.",
)
NOT_TEXT: Final = Kind(
    "WI424",
    Severity.ERROR,
    "{object}: {what} {key} is the {type} {value}, expected text",
    help="kube-apiserver refuses labels and annotations that are not text.",
)
LABEL_ON_WORKLOAD: Final = Kind(
    "WI430",
    Severity.WARNING,
    "{object}: label {label} does not reach the pods there: put it in {wanted}",
    help="A controller or an operator gives its pods the labels of that field, and not those of its own object.",
)
LABEL_IN_ANNOTATIONS: Final = Kind(
    "WI431",
    Severity.WARNING,
    "{object}: annotation {label} has no effect: it is a label, put it in {wanted}",
    help="kube-apiserver selects pods by labels, so the webhook is never called for an annotation.",
)
LABEL_VALUE: Final = Kind(
    "WI432",
    Severity.WARNING,
    '{object}: label {label} is "{value}", expected "true" or "false"',
    help='kube-apiserver compares text: "True" and "yes" are not "true".',
)
LABEL_MISSING: Final = Kind(
    "WI433",
    Severity.WARNING,
    '{object}: {account} has a client id, but the pod is not selected: put {label}: "true" in {wanted}',
    help="In scope pod-label, only pods with the label are injected.",
)
ACCOUNT_NOT_IN_FILES: Final = Kind(
    "WI440",
    Severity.WARNING,
    "ServiceAccount {namespace}/{name} is not in the files: the webhook would ask the cluster for it; add it with -f",
    fix="kubectl get serviceaccount {name} -n {namespace} -o yaml",
    help="`mutate` asks no cluster. Without the ServiceAccount nothing is injected.",
)
NAMESPACE_NOT_IN_FILES: Final = Kind(
    "WI441",
    Severity.WARNING,
    'Namespace {namespace} is not in the files, so its labels are not known: {label}: "true" is taken to be missing',
    fix="kubectl get namespace {namespace} -o yaml",
    help="In scope namespace-label the labels of the namespace decide. `mutate` asks no cluster.",
)
WRITTEN_ANEW: Final = Kind(
    "WI450",
    Severity.WARNING,
    "{object}: the whole file is written again, without its comments: no place was found for the additions",
    help="The objects are right. The text is in a style in which additions have no place of their own.",
)
NO_PODS: Final = Kind(
    "WI451",
    Severity.NOTE,
    "no object in these files has pods",
    help="Everything passes through as it came.",
)
OPERATORS_PODS: Final = Kind(
    "WI454",
    Severity.NOTE,
    "its pods are decided in the cluster, when its operator creates them",
    fix="kubectl get pods -o yaml shows what they got",
    help="Only the operator knows what its pods look like. The webhook is asked about each of them.",
)
PERHAPS_PODS: Final = Kind(
    "WI455",
    Severity.NOTE,
    "its pods, if its controller makes any, are decided in the cluster",
    help="The kind is not known here, and the object looks as if it had pods.",
)
NOTHING_PRINTED: Final = Kind(
    "WI452",
    Severity.ERROR,
    "nothing is printed, because kube-apiserver would refuse an object",
    help="Half a manifest is worse than none.",
)
TEXT_TOO_LARGE: Final = Kind(
    "WI456",
    Severity.ERROR,
    "the text has more than {limit}",
    fix="paste one workload and its ServiceAccount; `m365wi mutate` takes files of any size",
    help="The page of `explain` bounds what it reads.",
)
UNSOUND_PATCH: Final = Kind(
    "WI453",
    Severity.ERROR,
    "this is a bug of the program, so nothing is printed; please report it: {reason}",
    help="The webhook would answer HTTP 500 instead of sending such a patch.",
)
