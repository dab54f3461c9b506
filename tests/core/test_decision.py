"""What is decided, and what is said of it. Whole pods are in tests/cases."""

from typing import Any

import pytest

from tests.core.cases import CLIENT, TENANT, USUAL_ANNOTATIONS
from tests.core.support import account, container, pod, request
from webhook.core import names
from webhook.core.decision import Decision, decide, decide_early
from webhook.core.identity import Account
from webhook.core.messages import one_line
from webhook.core.policy import CLUSTER, NAMESPACE_LABEL, Policy

POLICY = Policy()


def test_what_does_not_depend_on_the_account_is_decided_early() -> None:
    """So the ServiceAccount is not looked up."""
    opted_out = pod(labels={names.USE_LABEL: "false"})
    assert decide_early(request(opted_out), POLICY) == Decision(
        "unchanged", "opted-out", audit={"outcome": "unchanged", "reason": "opted-out"}
    )
    assert decide_early(request(pod(annotations={names.SKIP_CONTAINERS: "app"})), POLICY) == Decision(
        "unchanged", "all-skipped", audit={"outcome": "unchanged", "reason": "all-skipped"}
    )


def test_a_pod_that_needs_its_service_account_is_not_decided_early() -> None:
    """None stands for "ask for the ServiceAccount"."""
    assert decide_early(request(pod()), POLICY) is None


def test_the_labels_of_the_namespace_are_passed_on() -> None:
    """The offline command knows them."""
    policy = Policy(scope=NAMESPACE_LABEL)
    unlabelled = request(pod(labels={}))
    assert decide_early(unlabelled, policy, {}) is not None
    assert decide_early(unlabelled, policy, {names.INJECT_LABEL: "true"}) is None
    assert decide_early(unlabelled, policy) is None


def test_selection_comes_before_skipping() -> None:
    """A pod that is not selected is called so, whatever its annotations."""
    both = request(pod(labels={}, annotations={names.SKIP_CONTAINERS: "app"}))
    found = decide_early(both, POLICY)
    assert found is not None
    assert found.reason == "not-selected"


def test_the_audit_log_has_identity_and_containers_of_an_injection() -> None:
    """Identity and containers."""
    found = decide(request(pod(container("a"), container("b"))), account(), POLICY)
    assert found.audit == {
        "outcome": "injected",
        "reason": "injected",
        "identity": f"{CLIENT}@{TENANT}",
        "containers": "a,b",
    }


def test_what_is_unknown_is_named_so_in_the_audit_log() -> None:
    """An empty value would be taken for a fault of the log."""
    found = decide(request(pod()), account({}), POLICY)
    assert found.audit["identity"] == "no-client-id@no-tenant-id"


def test_audit_values_are_short() -> None:
    """Forty long names are cut."""
    many = [container(f"{'x' * 60}-{number}") for number in range(40)]
    assert len(decide(request(pod(*many)), account(), POLICY).audit["containers"]) == 256


def test_a_denial_has_no_operations() -> None:
    """Nothing is half done."""
    found = decide(request(pod()), account({names.AZURE_CLIENT_ID: "x"}), POLICY)
    assert (found.outcome, found.reason, found.operations) == ("denied", "invalid-annotation", ())
    assert found.audit == {"outcome": "denied", "reason": "invalid-annotation"}


def test_problems_are_joined_in_one_line() -> None:
    """kubectl shows the message after the webhook's name."""
    found = decide(request(pod()), account({names.AZURE_CLIENT_ID: "x", names.CLOUD: "y"}), POLICY)
    message = one_line(found.problems)
    assert message.count("; ") == 1
    assert "\n" not in message


def test_a_missing_account_is_warned_about() -> None:
    """The pod is let through as it is: the API server has the last word on it."""
    found = decide(request(pod()), None, POLICY)
    assert (found.outcome, found.reason) == ("unchanged", "account-not-found")
    (warning,) = found.warnings
    assert warning.text == "nothing was injected: cannot find ServiceAccount shop/terraform"
    assert warning.fix == "kubectl create serviceaccount terraform -n shop"


def test_an_unlabelled_pod_hears_only_of_likely_mistakes() -> None:
    """With the scope cluster most pods have nothing to do with us."""
    annotations = {"azure.workload.identity/client_id": CLIENT}
    found = decide(request(pod(labels={})), account(annotations), Policy(scope=CLUSTER))
    assert (found.outcome, found.reason) == ("unchanged", "not-annotated")
    assert [each.text for each in found.warnings] == ["unknown annotation client_id, did you mean client-id?"]


def test_warnings_come_even_if_nothing_is_added() -> None:
    """Each call may be another user."""
    first = decide(request(pod(annotations={names.SKIP_CONTAINERS: "typo"})), account(), POLICY)
    assert [str(each) for each in first.warnings] == ["skip-containers: this pod has no container typo [WI202]"]


@pytest.mark.parametrize("name", ["bär", "a\nb", "a\x1b[31mb", "a\u2028b"])
def test_warnings_and_messages_are_one_line_of_ascii(name: str) -> None:
    """kube-apiserver drops a warning with anything else in it."""
    annotations = {**USUAL_ANNOTATIONS, names.SKIP_CONTAINERS: "ignored"}
    found = decide(request(pod(annotations={names.SKIP_CONTAINERS: name})), account(annotations), POLICY)
    wrong = pod(annotations={names.CLOUD: name})
    wrong["metadata"]["name"] = name
    denied = decide(request(wrong), account(), POLICY)
    for text in (*map(str, found.warnings), one_line(denied.problems)):
        assert text
        assert text.isascii()
        assert text.isprintable()


LONG = "a" * 63
EXPIRATION = names.TOKEN_EXPIRATION


@pytest.mark.parametrize(
    ("annotations", "spec", "expected"),
    [
        ({}, {}, f"no client id: annotation {names.AZURE_CLIENT_ID} is missing on "),
        ({}, {}, f"no tenant id: annotation {names.AZURE_TENANT_ID} is missing on "),
        ({EXPIRATION.replace("expiration", "expiraton"): "x"}, {}, "did you mean service-account-token-expiration?"),
        (
            {names.PREFLIGHT: "true"},
            {},
            f"annotation {names.PREFLIGHT} has no effect on a ServiceAccount (move it to the Pod)",
        ),
        ({}, {"env": [{"name": "M365_CLOUD", "value": "x"}]}, "the pod's own value is kept: M365_CLOUD of "),
        (
            {},
            {"env": [{"name": names.TOKEN_FILE_VARIABLE, "value": ""}]},
            f"{names.TOKEN_FILE_VARIABLE} is empty, so no token is used: ",
        ),
        ({}, {"env": [{"name": names.TOKEN_FILE_VARIABLE, "value": "/x"}]}, "so no token was added: "),
        (
            {},
            {"volumeMounts": [{"name": "x", "mountPath": names.MOUNT_PATH}]},
            f"the token is in {names.OTHER_MOUNT_PATH}, because {names.MOUNT_PATH} is taken: ",
        ),
    ],
)
def test_a_warning_says_what_and_where_before_it_is_cut(
    annotations: dict[str, str], spec: dict[str, Any], expected: str
) -> None:
    """Of 120 characters, however long the names are: they come last."""
    sent = request(pod(container(LONG, **spec)))._replace(namespace=LONG)
    decision = decide(sent, Account(LONG, LONG, annotations), POLICY)
    sent_on = [warning.shortened(120) for warning in decision.warnings]
    assert any(expected in text[:117] for text in sent_on), sent_on


def test_a_name_that_does_not_exist_comes_before_the_cut() -> None:
    """The same of skip-containers, and of a ServiceAccount that is not there."""
    sent = request(pod(annotations={names.SKIP_CONTAINERS: "x" * 500}))._replace(namespace=LONG)
    (warning,) = decide(sent, account(), POLICY).warnings
    assert warning.shortened(120).startswith("skip-containers: this pod has no container x")
    (warning,) = decide(sent, None, POLICY).warnings
    assert warning.shortened(120).startswith("nothing was injected: cannot find ServiceAccount a")


def test_a_message_is_bounded() -> None:
    """Whatever a stranger sends, the answer is short."""
    wrong = dict.fromkeys((names.CLOUD, names.ENV, names.AUTH_METHOD, names.TENANT_ID), "a b")
    sent = pod(annotations=wrong)
    sent["metadata"]["name"] = "x" * 1_000_000
    assert len(one_line(decide(request(sent), account(), POLICY).problems)) < 10_000


def test_warnings_are_bounded() -> None:
    """They all go into the log, and a stranger may cause thousands; the last one counts the others."""
    skip = {names.SKIP_CONTAINERS: ";".join([f"x{number}" * 1000 for number in range(1000)])}
    warnings = decide(request(pod(annotations=skip)), account(), POLICY).warnings
    assert len(warnings) < 100
    assert all(len(str(each)) < 1000 for each in warnings)
    assert warnings[-1].text == f"{1000 - len(warnings) + 1} more warnings"


def test_the_same_pod_gives_the_same_decision() -> None:
    """Byte for byte, as the offline command promises."""
    sent: Any = pod(container(env=[{"name": "A"}]), annotations={"azure.workload.identity/x": "", "y": ""})
    assert decide(request(sent), account(), POLICY) == decide(request(sent), account(), POLICY)
