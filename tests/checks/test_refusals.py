"""What kube-apiserver says when a pod is not created, in its own words as they were recorded, and what that means."""

import re

import pytest

from tests.checks.support import ENTRY, NOW, the_registration
from webhook.checks.explanations import explain
from webhook.checks.installation import Installation
from webhook.checks.refusals import RefusalKind, classify
from webhook.checks.replicas import Replica
from webhook.core.messages import TABLE
from webhook.findings import Status

POST = f'failed calling webhook "{ENTRY}": failed to call webhook: Post "https://a.b.svc:443/mutate?timeout=5s": '
CALLED = f'failed calling webhook "{ENTRY}": failed to call webhook: '
VERIFY = "tls: failed to verify certificate: x509: "


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (POST + 'service "a" not found', RefusalKind.NO_SERVICE),
        (POST + 'no service port 444 found for service "a"', RefusalKind.NO_PORT),
        (POST + 'no endpoints available for service "a"', RefusalKind.NO_ENDPOINTS),
        (POST + "dial tcp 10.96.0.9:443: connect: connection refused", RefusalKind.REFUSED),
        (POST + "dial tcp: lookup a.b on 10.0.0.10:53: no such host", RefusalKind.UNREACHABLE),
        (POST + "dial tcp 10.96.0.9:443: connect: no route to host", RefusalKind.UNREACHABLE),
        (POST + VERIFY + "certificate signed by unknown authority", RefusalKind.UNKNOWN_AUTHORITY),
        (
            POST + VERIFY + 'certificate signed by unknown authority (possibly because of "x509: ECDSA verification '
            'failure" while trying to verify candidate authority certificate "a")',
            RefusalKind.UNKNOWN_AUTHORITY,
        ),
        (
            POST + VERIFY + "certificate has expired or is not yet valid: current time 2026-07-01T12:00:00Z is after "
            "2026-06-30T12:00:00Z",
            RefusalKind.EXPIRED,
        ),
        (POST + VERIFY + "certificate is valid for localhost, not a.b.svc", RefusalKind.WRONG_NAME),
        (
            POST + VERIFY + "cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs",
            RefusalKind.WRONG_NAME,
        ),
        (POST + "tls: first record does not look like a TLS handshake", RefusalKind.NO_TLS),
        (POST + "context deadline exceeded", RefusalKind.TIMEOUT),
        (POST + "net/http: TLS handshake timeout", RefusalKind.TIMEOUT),
        (POST + "net/http: request canceled (Client.Timeout exceeded while awaiting headers)", RefusalKind.TIMEOUT),
        (POST + "EOF", RefusalKind.CUT_OFF),
        (POST + "read tcp 10.0.0.1:1->10.0.0.2:2: read: connection reset by peer", RefusalKind.CUT_OFF),
        (POST + "use of closed network connection", RefusalKind.CUT_OFF),
        (
            CALLED + "the webhook answers only clients with a certificate of its --client-ca, and this one sent none "
            "(give kube-apiserver a certificate) [WI671]",
            RefusalKind.NO_CERTIFICATE,
        ),
        (CALLED + "the client's certificate is for a, which is not in the … [WI672]", RefusalKind.ANOTHER_NAME),
        (POST + "remote error: tls: unknown certificate authority", RefusalKind.CERTIFICATE_REFUSED),
        (POST + "remote error: tls: expired certificate", RefusalKind.CERTIFICATE_REFUSED),
        (POST + "remote error: tls: unsupported certificate", RefusalKind.CERTIFICATE_REFUSED),
        (POST + "remote error: tls: internal error", RefusalKind.CUT_OFF),
        (CALLED + "the server is currently unable to handle the request", RefusalKind.UNAVAILABLE),
        (
            CALLED + 'an error on the server ("internal error") has prevented the request from succeeding',
            RefusalKind.INTERNAL,
        ),
        (CALLED + "the server could not find the requested resource", RefusalKind.WRONG_PATH),
        (CALLED + "the server rejected our request for an unknown reason", RefusalKind.NO_REVIEW),
        (
            f'failed calling webhook "{ENTRY}": received invalid webhook response: webhook response was absent',
            RefusalKind.NO_REVIEW,
        ),
        (POST + "a text of a later Kubernetes", RefusalKind.OTHER),
    ],
)
def test_the_message_of_a_failed_call_has_a_kind(message: str, kind: RefusalKind) -> None:
    """Each as Kubernetes 1.34 to 1.37 write it, after `Internal error occurred: `."""
    refusal = classify(500, f"Internal error occurred: {message}")
    assert (refusal.kind, refusal.webhook) == (kind, ENTRY)
    found = explain(refusal, the_registration(), None, namespace="shop", account="web", now=NOW)
    assert found.status is Status.FAIL
    assert found.message.code in TABLE
    assert found.fix


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (422, f'admission webhook "{ENTRY}" denied the request: annotation …', RefusalKind.DENIED),
        (403, 'pods is forbidden: User "joe" cannot create resource "pods" in API group "" …', RefusalKind.FORBIDDEN),
        (403, 'pods "a" is forbidden: error looking up service account shop/a: not found', RefusalKind.NO_ACCOUNT),
        (403, 'pods "a" is forbidden: exceeded quota: none, requested: pods=1', RefusalKind.OTHER),
        (403, 'pods "a" is forbidden: violates PodSecurity "restricted:latest"', RefusalKind.OTHER),
        (404, 'namespaces "shop" not found', RefusalKind.NO_NAMESPACE),
        (500, "HTTP 500", RefusalKind.SERVER),
    ],
)
def test_the_message_of_any_other_refusal_has_a_kind(status: int, message: str, kind: RefusalKind) -> None:
    """These have nothing to do with a call of the webhook."""
    refusal = classify(status, message)
    assert refusal.kind is kind
    found = explain(refusal, the_registration(), None, namespace="shop", account="web", now=NOW)
    assert found.status is Status.FAIL
    assert found.fix


def test_another_webhook_that_refuses_is_named() -> None:
    """The user does not look for the cause here."""
    refusal = classify(400, 'admission webhook "guard.example.com" denied the request: no\nthanks')
    found = explain(refusal, the_registration(), None, namespace="shop", account="web", now=NOW)
    assert "Another webhook, guard.example.com, refuses the pod: no thanks" in found.detail


def test_our_entry_is_known_by_its_name_without_the_configuration() -> None:
    """A user who may not read the configuration gets the same explanation."""
    refusal = classify(500, f"Internal error occurred: {POST}EOF")
    assert "Another" not in explain(refusal, None, None, namespace="shop", account="web", now=NOW).detail


@pytest.mark.parametrize("reason", ["the server is currently unable to handle the request", 'service "hook" not found'])
def test_without_the_configuration_the_commands_have_the_usual_names(reason: str) -> None:
    """Those of the flags: the chart gives its objects one name."""
    refusal = classify(500, f"Internal error occurred: {CALLED}{reason}")
    usual = ("hook", "system/hook")
    fix = explain(refusal, None, None, namespace="shop", account="web", now=NOW, usual=usual).fix
    assert not {"NAME", "NAMESPACE", "POD"} & set(re.findall(r"[A-Z]+", fix))
    assert "kubectl delete mutatingwebhookconfiguration hook" in fix or "--as=system:serviceaccount:system:hook" in fix


@pytest.mark.parametrize(
    ("behind", "sentence"),
    [
        (Installation("a/b", exists=False), "does not exist"),
        (Installation("a/b", exists=True, has_port=False), "has no port 443"),
        (
            Installation("a/b", exists=True, has_port=True, endpoints=0, replicas=()),
            "has no ready endpoints; it has no pods",
        ),
        (
            Installation("a/b", True, True, 0, (Replica("w-0", "w", "CrashLoopBackOff"), Replica("w-1", "w", ""))),
            "1 of its 2 pods not ready (w-0: CrashLoopBackOff)",
        ),
        (
            Installation("a/b", True, True, 1, (Replica("w-0", "w", ""),), may_read=False),
            "RBAC forbids system:serviceaccount:a:w to `get` serviceaccounts",
        ),
    ],
)
def test_the_objects_behind_the_service_explain_a_timeout(behind: Installation, sentence: str) -> None:
    """A network without an answer gives no reason; Service, endpoints and pods do."""
    refusal = classify(500, f"Internal error occurred: {POST}context deadline exceeded")
    found = the_registration(service=("a", "b"))
    assert sentence in explain(refusal, found, behind, namespace="shop", account="web", now=NOW).detail
