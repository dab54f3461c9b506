"""AdmissionReview v1 as it is sent back."""

import base64
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, Literal, NotRequired, TypedDict

import orjson

from webhook.core.decision import Decision
from webhook.core.messages import Message, message, one_line
from webhook.core.messages.pods import WARNINGS_NOT_SENT
from webhook.core.names import MAXIMUM_WARNING_LENGTH, MAXIMUM_WARNINGS

_LONGEST_KEPT: Final = 4096  # bytes of a patch; the guide's has 1,700, a stranger's may have megabytes


class ResponseStatus(TypedDict):
    """What kube-apiserver shows to the user of a denial."""

    code: int
    message: str
    reason: str
    status: Literal["Failure"]


class AdmissionResponse(TypedDict):
    """`patch` is base64 of a JSON Patch. In v1 it comes with `patchType`, or the whole response is invalid."""

    uid: str
    allowed: bool
    status: NotRequired[ResponseStatus]
    patch: NotRequired[str]
    patchType: NotRequired[Literal["JSONPatch"]]
    warnings: NotRequired[list[str]]
    auditAnnotations: NotRequired[Mapping[str, str]]


class AdmissionReview(TypedDict):
    """The body of the answer."""

    apiVersion: Literal["admission.k8s.io/v1"]
    kind: Literal["AdmissionReview"]
    response: AdmissionResponse


def respond(uid: str, decision: Decision) -> bytes:
    """The AdmissionReview that tells `decision` to kube-apiserver. `uid` is the request's."""
    response: AdmissionResponse = {"uid": uid, "allowed": decision.outcome != "denied"}
    if decision.outcome == "denied":
        text = one_line(decision.problems)
        response["status"] = {"code": 422, "message": text, "reason": "Invalid", "status": "Failure"}
    elif decision.operations:
        patch = orjson.dumps(decision.operations)
        response["patch"] = (_base64 if len(patch) <= _LONGEST_KEPT else _base64.__wrapped__)(patch)
        response["patchType"] = "JSONPatch"
    if decision.warnings:
        response["warnings"] = shortened(decision.warnings)
    if decision.audit:
        response["auditAnnotations"] = decision.audit
    review: AdmissionReview = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
    return orjson.dumps(review)


# The pods of one identity mostly get the same patch. Without this cache the guide's pod takes 23,000 instructions more,
# 3 % of a review.
@lru_cache(maxsize=256)
def _base64(patch: bytes) -> str:
    return base64.b64encode(patch).decode("ascii")


def shortened(warnings: Sequence[Message]) -> list[str]:
    """The warnings that fit: kube-apiserver drops them all once they are too many. The last counts those left out."""
    kept = list(warnings)
    if len(kept) > MAXIMUM_WARNINGS:
        left_out = len(kept) - MAXIMUM_WARNINGS + 1
        kept[MAXIMUM_WARNINGS - 1 :] = [message(WARNINGS_NOT_SENT, count=left_out)]
    return [each.shortened(MAXIMUM_WARNING_LENGTH) for each in kept]
