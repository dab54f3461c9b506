"""What is sent back to kube-apiserver."""

import base64
from typing import Any

import orjson
import pytest

from webhook.core import response as response_module
from webhook.core.decision import Decision
from webhook.core.messages import Kind, Message, Severity, message
from webhook.core.mutation import Operation
from webhook.core.response import respond, shortened

KIND = Kind("WI999", Severity.WARNING, "{text}")
ADD: Operation = {"op": "add", "path": "/spec/volumes", "value": [{"name": "é"}]}


def warning(text: str) -> Message:
    return message(KIND, text=text)


def response(decision: Decision, uid: str = "u-1") -> dict[str, Any]:
    review = orjson.loads(respond(uid, decision))
    assert set(review) == {"apiVersion", "kind", "response"}
    assert review["apiVersion"] == "admission.k8s.io/v1"
    assert review["kind"] == "AdmissionReview"
    found: dict[str, Any] = review["response"]
    return found


def test_an_injection_is_a_patch_with_its_type() -> None:
    """v1 wants both or neither; the patch is base64 of the operations."""
    found = response(Decision("injected", "injected", operations=(ADD,)))
    assert found["allowed"] is True
    assert found["patchType"] == "JSONPatch"
    assert orjson.loads(base64.b64decode(found["patch"], validate=True)) == [ADD]


def test_a_patch_is_kept_only_if_it_is_short() -> None:
    """A stranger's patch may have megabytes."""
    for size, kept in ((1, 1), (10_000, 0)):
        response_module._base64.cache_clear()
        operation: Operation = {"op": "add", "path": "/spec/volumes", "value": "x" * size}
        for _ in range(2):
            found = response(Decision("injected", "injected", operations=(operation,)))
            assert orjson.loads(base64.b64decode(found["patch"], validate=True)) == [operation]
        assert response_module._base64.cache_info().currsize == kept


def test_no_change_is_neither_patch_nor_type() -> None:
    """A patchType without a patch would make the whole response invalid."""
    assert response(Decision("unchanged", "already-injected")) == {"uid": "u-1", "allowed": True}


def test_a_denial_says_what_is_wrong() -> None:
    """Code 422 and the message for the user; never a patch with it."""
    problems = (warning("this is wrong"), warning("and this"))
    found = response(Decision("denied", "invalid-annotation", problems, operations=(ADD,)))
    text = "this is wrong [WI999]; and this [WI999]"
    status = {"code": 422, "message": text, "reason": "Invalid", "status": "Failure"}
    assert found == {"uid": "u-1", "allowed": False, "status": status}


def test_the_uid_is_echoed_as_it_came() -> None:
    """kube-apiserver refuses an answer to another question."""
    assert response(Decision("unchanged", "opted-out"), uid='"\\é\n')["uid"] == '"\\é\n'


@pytest.mark.parametrize("outcome", ["unchanged", "injected", "denied"])
def test_warnings_and_audit_annotations_come_with_every_outcome(outcome: Any) -> None:
    """A denial has its warnings too."""
    found = response(Decision(outcome, "r", warnings=(warning("w"),), audit={"outcome": outcome}))
    assert found["warnings"] == ["w [WI999]"]
    assert found["auditAnnotations"] == {"outcome": outcome}


def test_three_warnings_are_sent_as_they_are() -> None:
    """Three is the most that is sent."""
    assert shortened([warning(text) for text in "abc"]) == ["a [WI999]", "b [WI999]", "c [WI999]"]


def test_of_more_warnings_the_last_counts_those_left_out() -> None:
    """The user sees that there were more."""
    more = "3 more warnings (see the webhook's log, or run its command mutate) [WI291]"
    assert shortened([warning(text) for text in "abcde"]) == ["a [WI999]", "b [WI999]", more]


@pytest.mark.parametrize("length", [111, 112, 113, 400])
def test_a_long_warning_is_cut(length: int) -> None:
    """120 characters are what kube-apiserver advises; a cut is shown, and the code stays."""
    (found,) = shortened([warning("x" * length)])
    assert found == ("x" * length if length <= 112 else "x" * 109 + "...") + " [WI999]"


@pytest.mark.parametrize("length", [84, 85])
def test_a_fix_that_does_not_fit_is_left_out(length: int) -> None:
    """Half a command is worse than none."""
    kind = Kind("WI999", Severity.WARNING, "{text}", fix="kubectl get serviceaccounts")
    (found,) = shortened([message(kind, text="x" * (length - 2))])
    fix = " (kubectl get serviceaccounts)" if length == 84 else ""
    assert found == "x" * (length - 2) + fix + " [WI999]"


def test_the_same_decision_gives_the_same_bytes() -> None:
    """Nothing in the answer depends on time or order."""
    decision = Decision("injected", "injected", warnings=(warning("w"),), operations=(ADD,), audit={"a": "b", "c": "d"})
    assert respond("u", decision) == respond("u", decision)
