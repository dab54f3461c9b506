"""AdmissionReview v1 as kube-apiserver sends it: parsed and checked.

It is checked only as far as the decision needs it; other fields are never looked at, so an unknown field of a later
Kubernetes cannot break anything. Shapes: k8s.io/api/admission/v1, types.go.
"""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import orjson

from webhook.core.messages import Message, Place, message
from webhook.core.messages import reviews as kinds
from webhook.core.names import MAXIMUM_NAME, SKIP_CONTAINERS
from webhook.core.pod_shape import shape_problem
from webhook.core.text import shown

_REVIEW = (("apiVersion", "admission.k8s.io/v1"), ("kind", "AdmissionReview"))
_POD = {"group": "", "version": "v1", "kind": "Pod"}

_RECORD = b',"managedFields":['
_END_OF_LIST = ord("]")
_AFTER_METADATA = b'},"spec":{'


class BadReview(Exception):
    """The body is not an AdmissionReview v1 about the creation of a pod. HTTP 400, so failurePolicy decides.

    The message repeats nothing of the body but short, escaped values.
    """

    def __init__(self, message: Message) -> None:
        super().__init__(str(message))
        self.message = message


class _Sent(NamedTuple):
    uid: str
    namespace: str
    pod: Mapping[str, Any]
    dry_run: bool = False


class Request(_Sent):
    """A pod that is about to be created.

    namespace: where it will be, which the pod itself need not say. pod: the object as it was sent, not to be changed.
    """

    @property
    def skipped(self) -> Collection[str]:
        """The names in the annotation skip-containers, in their order; read once, and found at once."""
        text = ((self.pod.get("metadata") or {}).get("annotations") or {}).get(SKIP_CONTAINERS)
        if not text:
            return ()
        # Kept here and not by cached_property, whose lock takes a microsecond of every review.
        known: dict[str, None] | None = self.__dict__.get("skipped")
        if known is None:
            # The keys of a dictionary: a stranger may name thousands, and each container is looked up among them.
            known = self.__dict__["skipped"] = dict.fromkeys(map(str.strip, text.replace(",", ";").split(";")))
            known.pop("", None)
        return known.keys()

    @property
    def pod_name(self) -> str:
        """The pod's name, or its generateName followed by an asterisk."""
        metadata = self.pod.get("metadata") or {}
        return str(metadata.get("name") or f"{metadata.get('generateName') or ''}*")

    @property
    def account_name(self) -> str:
        """The pod's ServiceAccount; the ServiceAccount plugin fills it in before any webhook is called."""
        spec = self.pod["spec"]
        # The second is deprecated, and kube-apiserver makes the first of it; a manifest may have it alone.
        return str(spec.get("serviceAccountName") or spec.get("serviceAccount") or "default")


def parse(body: bytes | bytearray) -> Request:
    """The request in the body of a call. Raises BadReview."""
    try:
        review = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadReview(message(kinds.NOT_JSON, reason=shown(str(error)))) from None
    if not isinstance(review, dict):
        raise BadReview(message(kinds.NOT_A_REVIEW))
    for key, expected in _REVIEW:
        if review.get(key) != expected:
            raise _unexpected(key, review.get(key), expected)
    request = review.get("request")
    if not isinstance(request, dict):
        raise BadReview(message(kinds.FIELD_MISSING, Place(field="request")))
    uid = _name(request, "uid")
    if request.get("operation") != "CREATE":
        raise _unexpected("request.operation", request.get("operation"), "CREATE")
    kind = request.get("kind")
    if kind != _POD and not (isinstance(kind, dict) and kind.items() >= _POD.items()):
        raise _unexpected("request.kind", kind, "v1 Pod")
    if request.get("subResource"):
        raise _unexpected("request.subResource", request["subResource"], "none")
    namespace = _name(request, "namespace")
    pod: Any = request.get("object")
    problem = shape_problem(pod)
    if problem:
        raise BadReview(problem.message(path="request.object"))
    return Request(uid=uid, namespace=namespace, pod=pod, dry_run=request.get("dryRun") is True)


def without_record(body: bytes | bytearray) -> bytes | bytearray:
    """`body` without the pod's managedFields: who set which field, which no decision needs.

    Of a pod with many variables they are two thirds of the text and nine tenths of the time that parsing takes. They
    are found only where kube-apiserver writes them, at the end of the first object before a spec; what somebody else
    writes between them and that end is left out as well. A quote in a string has a backslash before it, so no text that
    a pod's author has chosen is taken for them.
    """
    end = body.find(_AFTER_METADATA)
    if end < 1 or body[end - 1] != _END_OF_LIST:
        return body
    start = body.find(_RECORD, 0, end)
    return body if start < 0 else body[:start] + body[end:]


def _name(request: Mapping[str, Any], key: str) -> str:
    """A field of the request that must be there."""
    value = request.get(key)
    if not isinstance(value, str) or not value:
        raise BadReview(message(kinds.FIELD_MISSING, Place(field=f"request.{key}")))
    if len(value) > MAXIMUM_NAME:
        raise BadReview(message(kinds.TOO_LONG, Place(field=f"request.{key}"), limit=MAXIMUM_NAME))
    return value


def _unexpected(path: str, value: Any, expected: str) -> BadReview:
    return BadReview(message(kinds.FIELD_UNEXPECTED, Place(field=path), value=shown(value), expected=expected))
