"""What kube-apiserver says when a pod is not created, by kind.

Its words come from the network and TLS libraries of Go, which have kept them for many releases. Words that are not
known have the kind OTHER and are shown as they are. kube-apiserver passes on little of a webhook's own answer, of a 503
that "the server is currently unable to handle the request".
"""

import enum
import re
from dataclasses import dataclass
from typing import Final

from webhook.core.messages.calls import (
    CLIENT_CERTIFICATE_MISSING,
    CLIENT_NAME_UNKNOWN,
    POLICY_REFUSES,
)
from webhook.core.messages.pod_refusals import CLIENT_ID_NOT_ALLOWED


class RefusalKind(enum.Enum):
    """What went wrong."""

    NO_SERVICE = enum.auto()
    NO_PORT = enum.auto()
    NO_ENDPOINTS = enum.auto()
    REFUSED = enum.auto()
    UNREACHABLE = enum.auto()
    UNKNOWN_AUTHORITY = enum.auto()
    EXPIRED = enum.auto()
    WRONG_NAME = enum.auto()
    NO_TLS = enum.auto()
    TIMEOUT = enum.auto()
    CUT_OFF = enum.auto()
    UNAVAILABLE = enum.auto()
    INTERNAL = enum.auto()
    WRONG_PATH = enum.auto()
    NO_REVIEW = enum.auto()
    NO_CERTIFICATE = enum.auto()
    ANOTHER_NAME = enum.auto()
    CERTIFICATE_REFUSED = enum.auto()
    DENIED = enum.auto()
    FORBIDDEN = enum.auto()
    NO_ACCOUNT = enum.auto()
    NO_NAMESPACE = enum.auto()
    NOT_INJECTED = enum.auto()
    """The chart's ValidatingAdmissionPolicy refuses a pod that the webhook was not called for, or did not change."""
    NOT_ALLOWED = enum.auto()
    """The chart's ValidatingAdmissionPolicy of client ids refuses a pod that names an application itself."""
    CONDITIONS = enum.auto()
    """A matchCondition of a webhook, or a policy, cannot be evaluated; kube-apiserver does not say of which one."""
    SERVER = enum.auto()
    """The API server itself cannot answer: it throttles, or does not reach etcd."""
    OTHER = enum.auto()


# The first pattern that is found in the message gives the kind.
_CALLS: Final = (
    (rf"\[{CLIENT_CERTIFICATE_MISSING.code}\]", RefusalKind.NO_CERTIFICATE),
    (rf"\[{CLIENT_NAME_UNKNOWN.code}\]", RefusalKind.ANOTHER_NAME),
    (
        r"remote error: tls: (unknown certificate|bad certificate|expired certificate|unsupported certificate)",
        RefusalKind.CERTIFICATE_REFUSED,
    ),
    (r'service "[^"]*" not found', RefusalKind.NO_SERVICE),
    (r"no service port \d+ found", RefusalKind.NO_PORT),
    (r"no endpoints available", RefusalKind.NO_ENDPOINTS),
    (r"connection refused", RefusalKind.REFUSED),
    (r"no such host|no route to host|network is unreachable|server misbehaving", RefusalKind.UNREACHABLE),
    (r"has expired or is not yet valid", RefusalKind.EXPIRED),
    (r"certificate signed by unknown authority|certificate is not trusted", RefusalKind.UNKNOWN_AUTHORITY),
    (
        r"certificate is valid for|doesn't contain any IP SANs|not valid for any names|legacy Common Name|"
        r"not authorized to sign for this name",
        RefusalKind.WRONG_NAME,
    ),
    (r"does not look like a TLS handshake|HTTP response to HTTPS client", RefusalKind.NO_TLS),
    (r"deadline exceeded|TLS handshake timeout|i/o timeout|Client\.Timeout", RefusalKind.TIMEOUT),
    (r"\bEOF\b|connection reset|broken pipe|use of closed network connection|remote error: tls", RefusalKind.CUT_OFF),
    (r"unable to handle the request|too many requests", RefusalKind.UNAVAILABLE),
    (r"an error on the server", RefusalKind.INTERNAL),
    (r"could not find the requested resource", RefusalKind.WRONG_PATH),
    (
        r"invalid webhook response|version/kind|rejected our request|status code \d+|provide credentials",
        RefusalKind.NO_REVIEW,
    ),
)
_CALL: Final = re.compile(r'failed calling webhook "([^"]*)"')
_DENIAL: Final = re.compile(r'admission webhook "([^"]*)" denied the request: ?(.*)', re.DOTALL)
# The policy of manifests/chart/templates/validatingadmissionpolicy.yaml, whatever it is called: by the message's code.
_NOT_ALLOWED: Final = re.compile(rf"ValidatingAdmissionPolicy '.*\[{CLIENT_ID_NOT_ALLOWED.code}\]", re.DOTALL)
_NOT_INJECTED: Final = re.compile(rf"ValidatingAdmissionPolicy '.*\[{POLICY_REFUSES.code}\]", re.DOTALL)


@dataclass(frozen=True)
class Refusal:
    """Why a pod was not created. webhook: the name of the webhook that refused it or failed, "" if none did.

    message: of kube-apiserver, or of the webhook if it denied the pod; one line.
    """

    kind: RefusalKind
    webhook: str
    message: str


def classify(status: int, message: str) -> Refusal:
    """What an answer with `status` and `message` to the creation of a pod means."""
    message = " ".join(message.split())
    called = _CALL.search(message)
    if called:
        kind = next((kind for pattern, kind in _CALLS if re.search(pattern, message)), RefusalKind.OTHER)
        return Refusal(kind, called[1], message)
    denied = _DENIAL.search(message)
    if denied:
        return Refusal(RefusalKind.DENIED, denied[1], denied[2])
    if _NOT_INJECTED.search(message):
        return Refusal(RefusalKind.NOT_INJECTED, "", message)
    if status == 403 and "resulted in error" in message:
        return Refusal(RefusalKind.CONDITIONS, "", message)
    if _NOT_ALLOWED.search(message):
        return Refusal(RefusalKind.NOT_ALLOWED, "", message)
    if status == 403 and "cannot create resource" in message:
        return Refusal(RefusalKind.FORBIDDEN, "", message)
    if status == 403 and "error looking up service account" in message:
        return Refusal(RefusalKind.NO_ACCOUNT, "", message)
    if status == 404 and message.startswith("namespaces "):
        return Refusal(RefusalKind.NO_NAMESPACE, "", message)
    return Refusal(RefusalKind.SERVER if status == 429 or status >= 500 else RefusalKind.OTHER, "", message)
