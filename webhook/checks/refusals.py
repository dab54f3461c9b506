"""What kube-apiserver says when a pod is not created, and what that means.

Its words are those of Go's network and TLS libraries, stable for many releases; what is not known is shown as it is.
Of a webhook's own answer little is left in them: 503 is "the server is currently unable to handle the request".
"""

import enum
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from webhook.checks.installation import Installation
from webhook.checks.registration import Registration, restore, trust_problem
from webhook.checks.text import line
from webhook.core import names
from webhook.findings import Finding, fail


class Kind(enum.Enum):
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
    DENIED = enum.auto()
    FORBIDDEN = enum.auto()
    NO_ACCOUNT = enum.auto()
    NO_NAMESPACE = enum.auto()
    NOT_INJECTED = enum.auto()
    """By the chart's own validating policy: the webhook was not asked, or left the pod alone."""
    OTHER = enum.auto()


# Each of these is looked for in the message; the first that is found says what it was.
_CALLS: Final = (
    (r'service "[^"]*" not found', Kind.NO_SERVICE),
    (r"no service port \d+ found", Kind.NO_PORT),
    (r"no endpoints available", Kind.NO_ENDPOINTS),
    (r"connection refused", Kind.REFUSED),
    (r"no such host|no route to host|network is unreachable|server misbehaving", Kind.UNREACHABLE),
    (r"has expired or is not yet valid", Kind.EXPIRED),
    (r"certificate signed by unknown authority|certificate is not trusted", Kind.UNKNOWN_AUTHORITY),
    (
        r"certificate is valid for|doesn't contain any IP SANs|not valid for any names|legacy Common Name",
        Kind.WRONG_NAME,
    ),
    (r"does not look like a TLS handshake|HTTP response to HTTPS client", Kind.NO_TLS),
    (r"deadline exceeded|TLS handshake timeout|i/o timeout|Client\.Timeout", Kind.TIMEOUT),
    (r"\bEOF\b|connection reset|broken pipe|use of closed network connection|remote error: tls", Kind.CUT_OFF),
    (r"unable to handle the request|too many requests", Kind.UNAVAILABLE),
    (r"an error on the server", Kind.INTERNAL),
    (r"could not find the requested resource", Kind.WRONG_PATH),
    (r"invalid webhook response|version/kind|rejected our request|status code \d+|provide credentials", Kind.NO_REVIEW),
)
_CALL: Final = re.compile(r'failed calling webhook "([^"]*)"')
_DENIAL: Final = re.compile(r'admission webhook "([^"]*)" denied the request: ?(.*)', re.DOTALL)
# The message of manifests/chart/templates/validatingadmissionpolicy.yaml, whatever the policy is called.
_NOT_INJECTED: Final = re.compile(r"^.*ValidatingAdmissionPolicy '.*was given no token: the webhook", re.DOTALL)
_ENDS: Final = re.compile(r"current time (\S+) is (after|before) (\S+)")


@dataclass(frozen=True)
class Refusal:
    """Why a pod was not created. webhook: the name of the one that had to do with it, "" when none had."""

    kind: Kind
    webhook: str
    message: str


def classify(status: int, message: str) -> Refusal:
    """What an answer with `status` and `message` to the creation of a pod means."""
    called = _CALL.search(message)
    if called:
        kind = next((kind for pattern, kind in _CALLS if re.search(pattern, message)), Kind.OTHER)
        return Refusal(kind, called[1], message)
    denied = _DENIAL.search(message)
    if denied:
        return Refusal(Kind.DENIED, denied[1], denied[2])
    if _NOT_INJECTED.match(message):
        return Refusal(Kind.NOT_INJECTED, "", message)
    if status == 403 and "cannot create resource" in message:
        return Refusal(Kind.FORBIDDEN, "", message)
    if status == 403 and "error looking up service account" in message:
        return Refusal(Kind.NO_ACCOUNT, "", message)
    if status == 404 and message.startswith("namespaces "):
        return Refusal(Kind.NO_NAMESPACE, "", message)
    return Refusal(Kind.OTHER, "", message)


def explain(
    refusal: Refusal, found: Registration | None, installation: Installation | None, *, namespace: str, now: datetime
) -> Finding:
    """The sentence and the fix. found, installation: as far as the caller could see them."""
    is_ours = refusal.webhook in names.WEBHOOKS or (found is not None and found.entry(refusal.webhook) is not None)
    if refusal.webhook and not is_ours:
        return _anothers(refusal)
    if not refusal.webhook:
        return _without_webhook(refusal, namespace)
    entry = found.entry(refusal.webhook) if found else None
    target = entry.target if entry else "the webhook"
    stands = installation or Installation("")
    look = stands.look() if installation else "see whether it runs there"
    message = line(refusal.message.rpartition("failed to call webhook: ")[2])
    trust = trust_problem(entry, now) if entry else ""
    ends = _ENDS.search(refusal.message)
    certificates = "`webhook certs` shows who signs, who is trusted and what is served"
    # Where the Service has nobody behind it, that is the cause, whatever the network made of the call.
    kind = refusal.kind
    if installation and kind not in (Kind.DENIED, Kind.INTERNAL, Kind.NO_REVIEW):
        if installation.exists is False:
            kind = Kind.NO_SERVICE
        elif installation.has_port is False:
            kind = Kind.NO_PORT
        elif installation.endpoints == 0:
            kind = Kind.NO_ENDPOINTS
    if kind in (Kind.UNAVAILABLE, Kind.TIMEOUT) and stands.may_read is False:
        return fail(
            "call",
            f"The webhook may not read ServiceAccounts: RBAC forbids {stands.account()} to `get` serviceaccounts.",
            fix=f"{restore(found)}, sets its ClusterRole and ClusterRoleBinding",
        )
    sentences = {
        Kind.NO_SERVICE: (
            f"{target} does not exist, so kube-apiserver has nobody to call.",
            f"{restore(found)}, makes it again; after an uninstallation: "
            f"kubectl delete mutatingwebhookconfiguration {found.name if found else 'NAME'}",
        ),
        Kind.NO_PORT: (
            f"{target} has no port {entry.service[2] if entry and entry.service else ''}, which the webhook "
            "configuration names.",
            f"{restore(found)}, sets both to the same port",
        ),
        Kind.NO_ENDPOINTS: (
            f"{target} has no ready endpoints{stands.troubles()}.",
            f"{stands.look()}; scaled to 0: kubectl scale deployment -n {stands.namespace} NAME --replicas=2",
        ),
        Kind.REFUSED: (f"Nobody listens at {target}: connection refused.", look),
        Kind.UNREACHABLE: (
            f"kube-apiserver cannot reach {target}: {message}.",
            "let the control plane's network reach the pods on the webhook's port: firewall rule, CNI, NetworkPolicy",
        ),
        Kind.UNKNOWN_AUTHORITY: (
            f"kube-apiserver does not trust the certificate that {target} serves: "
            f"{trust or 'it is signed by an authority that is not in caBundle'}.",
            f"{certificates}; a running replica puts caBundle right within a minute unless RBAC forbids it or another "
            "tool writes it, too (docs/certificates.md)",
        ),
        Kind.EXPIRED: (
            f"The certificate that {target} serves "
            f"{f'expired on {ends[3]}' if ends and ends[2] == 'after' else 'is not valid yet'}.",
            f"{certificates}; compare the clocks of the nodes with kube-apiserver's, then restart the webhook's pods",
        ),
        Kind.WRONG_NAME: (
            f"The certificate that {target} serves is for another name: {message}.",
            "set --service, --own-namespace and --extra-names of the webhook to what the webhook configuration calls; "
            "with mode files, have the certificate issued for <service>.<namespace>.svc",
        ),
        Kind.NO_TLS: (
            f"{target} answers without TLS: {message}.",
            "let the configuration call the port of reviews (9443 in the pod), not that of probes and metrics",
        ),
        Kind.TIMEOUT: (
            f"{target} did not answer within {entry.seconds if entry else 10} s{stands.troubles()}.",
            f"{look}; firewalls and NetworkPolicies between control plane and pods drop connections so, and a webhook "
            "that cannot reach the API server answers late",
        ),
        Kind.CUT_OFF: (f"{target} closed the connection without an answer: {message}.", look),
        Kind.UNAVAILABLE: (
            f"{target} answers that it cannot decide (HTTP 503): it is not ready, or it cannot read "
            f"ServiceAccounts{stands.troubles()}.",
            f"{look}; the log says which, and so does curl localhost:8080/readyz beside kubectl port-forward "
            f"-n {stands.namespace or 'NAMESPACE'} POD 8080; for its RBAC: kubectl auth can-i get "
            f"serviceaccounts -A --as={stands.account() or 'system:serviceaccount:NAMESPACE:NAME'}",
        ),
        Kind.INTERNAL: (
            f"The webhook has an error of its own: {message}.",
            f"{stands.look() if installation else 'see its log'}; and please report it",
        ),
        Kind.WRONG_PATH: (
            f"{target} does not know the path that it is called at (HTTP 404).",
            f"the path in the webhook configuration is /mutate; {restore(found)}, sets it",
        ),
        Kind.NO_REVIEW: (
            f"What answers at {target} is not this webhook: {message}.",
            f"mend clientConfig of the webhook configuration: {restore(found)}, sets it",
        ),
        Kind.DENIED: (f"The webhook refuses the pod: {line(refusal.message)}.", "mend what it names"),
    }
    sentence, fix = sentences.get(kind, (f"kube-apiserver cannot call {target}: {message}.", look))
    return fail("call", sentence, fix=fix)


def _anothers(refusal: Refusal) -> Finding:
    what = "refuses the pod" if refusal.kind is Kind.DENIED else "cannot be called"
    return fail(
        "call",
        f"Another webhook, {line(refusal.webhook)}, {what}: {line(refusal.message)}.",
        fix="see its own documentation; this webhook has nothing to do with it",
    )


def _without_webhook(refusal: Refusal, namespace: str) -> Finding:
    message = line(refusal.message)
    if refusal.kind is Kind.FORBIDDEN:
        return fail(
            "call",
            f"You may not create pods in namespace {namespace}, not even by dry run: {message}.",
            fix="run this as somebody who may, or: kubectl create rolebinding m365-check --clusterrole=edit "
            f"-n {namespace} --user=YOU",
        )
    if refusal.kind is Kind.NO_ACCOUNT:
        return fail(
            "call",
            f"The pod's ServiceAccount does not exist: {message}.",
            fix=f"kubectl create serviceaccount NAME -n {namespace}",
        )
    if refusal.kind is Kind.NO_NAMESPACE:
        return fail(
            "call", f"Namespace {namespace} does not exist.", fix=f"kubectl create namespace {namespace}, or another -n"
        )
    return fail(
        "call",
        f"kube-apiserver refuses the pod, for a reason that is not the webhook's: {message}.",
        fix="mend what it names (quota, Pod Security, policy), or check in another namespace: -n",
    )
