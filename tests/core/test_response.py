"""What is sent back to kube-apiserver."""

import base64
from typing import Any

import orjson
import pytest

from webhook.core.decision import Decision
from webhook.core.mutation import Operation
from webhook.core.response import respond, shortened

ADD: Operation = {"op": "add", "path": "/spec/volumes", "value": [{"name": "é"}]}


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


def test_no_change_is_neither_patch_nor_type() -> None:
    """A patchType without a patch would make the whole response invalid."""
    assert response(Decision("unchanged", "already-injected")) == {"uid": "u-1", "allowed": True}


def test_a_denial_says_what_is_wrong() -> None:
    """Code 422 and the message for the user; never a patch beside it."""
    found = response(Decision("denied", "invalid-annotation", message="mend it", operations=(ADD,)))
    status = {"code": 422, "message": "mend it", "reason": "Invalid", "status": "Failure"}
    assert found == {"uid": "u-1", "allowed": False, "status": status}


def test_the_uid_is_echoed_as_it_came() -> None:
    """kube-apiserver refuses an answer to another question."""
    assert response(Decision("unchanged", "opted-out"), uid='"\\é\n')["uid"] == '"\\é\n'


@pytest.mark.parametrize("outcome", ["unchanged", "injected", "denied"])
def test_warnings_and_audit_annotations_come_with_every_outcome(outcome: Any) -> None:
    """A denial has its warnings too."""
    found = response(Decision(outcome, "r", message="m", warnings=("w",), audit={"outcome": outcome}))
    assert found["warnings"] == ["w"]
    assert found["auditAnnotations"] == {"outcome": outcome}


def test_three_warnings_are_sent_as_they_are() -> None:
    """Three is the most that is sent."""
    assert shortened(["a", "b", "c"]) == ["a", "b", "c"]


def test_of_more_warnings_the_last_counts_those_left_out() -> None:
    """Nobody is left to believe that there were no more."""
    assert shortened(list("abcde")) == ["a", "b", "3 more warnings: see the webhook's log, or run its command mutate"]


@pytest.mark.parametrize("length", [119, 120, 121, 5000])
def test_a_long_warning_is_cut(length: int) -> None:
    """120 characters are what kube-apiserver advises; a cut is shown."""
    (found,) = shortened(["x" * length])
    assert found == ("x" * length if length <= 120 else "x" * 117 + "...")


def test_the_same_decision_gives_the_same_bytes() -> None:
    """Nothing in the answer depends on time or order."""
    decision = Decision("injected", "injected", warnings=("w",), operations=(ADD,), audit={"a": "b", "c": "d"})
    assert respond("u", decision) == respond("u", decision)
