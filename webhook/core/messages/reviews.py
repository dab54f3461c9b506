"""WI3xx: the body of an AdmissionReview, and the shape of the pod in it.

The place is a field. `{place}` has it, after the object if there is one, such as the line of a file.
"""

from typing import Final

from webhook.core.messages.message import Kind, Severity

NOT_JSON: Final = Kind(
    "WI301",
    Severity.ERROR,
    "the body is not JSON: {reason}",
    help="Whatever called the webhook is not kube-apiserver, or something on the way changed the body.",
)
NOT_A_REVIEW: Final = Kind(
    "WI302",
    Severity.ERROR,
    "the body is not an AdmissionReview: expected a JSON object",
    help="Whatever called the webhook is not kube-apiserver.",
)
FIELD_UNEXPECTED: Final = Kind(
    "WI303",
    Severity.ERROR,
    "{field} is {value}, expected {expected}",
    help="The webhook answers AdmissionReview v1 about the creation of pods. Check the rules of the "
    "MutatingWebhookConfiguration: CREATE of v1 pods, admissionReviewVersions [v1].",
)
FIELD_MISSING: Final = Kind(
    "WI304",
    Severity.ERROR,
    "{place} is missing",
    help="kube-apiserver always sends this field.",
)
TOO_LONG: Final = Kind(
    "WI305",
    Severity.ERROR,
    "{place}: expected at most {limit} characters",
    help="Longer than any name or path that kube-apiserver accepts.",
)
NOT_AN_OBJECT: Final = Kind(
    "WI311",
    Severity.ERROR,
    "{place}: expected an object",
    help="The field has another type than the API of Kubernetes says.",
)
NOT_A_LIST: Final = Kind(
    "WI312",
    Severity.ERROR,
    "{place}: expected a list",
    help="The field has another type than the API of Kubernetes says.",
)
NOT_A_STRING: Final = Kind(
    "WI313",
    Severity.ERROR,
    "{place}: expected a string",
    help="The field has another type than the API of Kubernetes says.",
)
NOT_STRINGS: Final = Kind(
    "WI314",
    Severity.ERROR,
    "{place}: expected an object of strings",
    help="Labels and annotations are text. In YAML, true and 1 need quotes to be text.",
)
TOO_MANY_TOGETHER: Final = Kind(
    "WI316",
    Severity.ERROR,
    "{place}: expected at most {limit} in the whole pod",
    help="The webhook looks at each variable, mount and volume, and bounds the time that one pod takes from others.",
)
TOO_MANY: Final = Kind(
    "WI315",
    Severity.ERROR,
    "{place}: expected at most {limit}",
    help="The webhook answers each container with about a kilobyte, so it bounds their number.",
)
