"""AdmissionReview v1 as kube-apiserver sends it: parsed and checked.

It is checked only as far as the decision needs it; fields nobody asks for are never looked at, so an unknown
field of a later Kubernetes cannot break anything. Shapes: k8s.io/api/admission/v1, types.go.
"""

from collections.abc import Mapping
from types import NoneType
from typing import Any, NamedTuple

import orjson

from webhook.core.names import MAXIMUM_CONTAINERS, MAXIMUM_NAME, MAXIMUM_PATH

_POD = {"group": "", "version": "v1", "kind": "Pod"}


class BadReview(Exception):
    """Whoever called sent no AdmissionReview v1 about the creation of a pod. HTTP 400, so failurePolicy decides.

    The message is one line of ASCII and repeats nothing of the body but short, escaped values.
    """


class Request(NamedTuple):
    """A pod that is about to be created.

    namespace: where it will be, which the pod itself need not say. pod: the object as it was sent, not to be changed.
    """

    uid: str
    namespace: str
    pod: Mapping[str, Any]
    dry_run: bool = False

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
        raise BadReview(f"the body is no JSON: {_shown(str(error))}") from None
    if not isinstance(review, dict):
        raise BadReview("the body is no AdmissionReview: expected a JSON object")
    for key, expected in (("apiVersion", "admission.k8s.io/v1"), ("kind", "AdmissionReview")):
        if review.get(key) != expected:
            raise BadReview(f"{key} is {_shown(review.get(key))}, expected {expected}")
    request = review.get("request")
    if not isinstance(request, dict):
        raise BadReview("request is missing")
    uid = request.get("uid")
    if not isinstance(uid, str) or not uid:
        raise BadReview("request.uid is missing")
    if len(uid) > MAXIMUM_NAME:
        raise BadReview(f"request.uid: expected at most {MAXIMUM_NAME} characters")
    if request.get("operation") != "CREATE":
        raise BadReview(f"request.operation is {_shown(request.get('operation'))}, expected CREATE")
    kind = request.get("kind")
    if kind != _POD and not (isinstance(kind, dict) and kind.items() >= _POD.items()):
        raise BadReview(f"request.kind is {_shown(request.get('kind'))}, expected v1 Pod")
    if request.get("subResource"):
        raise BadReview(f"request.subResource is {_shown(request['subResource'])}, expected none")
    namespace = request.get("namespace")
    if not isinstance(namespace, str) or not namespace:
        raise BadReview("request.namespace is missing")
    if len(namespace) > MAXIMUM_NAME:
        raise BadReview(f"request.namespace: expected at most {MAXIMUM_NAME} characters")
    pod = request.get("object")
    problem = pod_problem(pod)
    if pod is None or problem:
        raise BadReview(f"request.object{problem}")
    return Request(uid=uid, namespace=namespace, pod=pod, dry_run=request.get("dryRun") is True)


def pod_problem(pod: Any) -> str:
    """What keeps `pod` from having the shape of a Pod, as `.path: problem`, or "".

    kube-apiserver has checked a pod long before it calls; this is for everybody else who can reach the endpoint.
    """
    if not isinstance(pod, dict):
        return " is missing"
    metadata = pod.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        return ".metadata: expected an object"
    for key in ("name", "generateName"):
        problem = _text_problem((metadata or {}).get(key), MAXIMUM_NAME)
        if problem:
            return f".metadata.{key}{problem}"
    for key in ("labels", "annotations"):
        values = (metadata or {}).get(key)
        if values is not None and not (isinstance(values, dict) and all(isinstance(v, str) for v in values.values())):
            return f".metadata.{key}: expected an object of strings"
    spec = pod.get("spec")
    if not isinstance(spec, dict):
        return ".spec: expected an object"
    for key in ("serviceAccountName", "serviceAccount"):
        problem = _text_problem(spec.get(key), MAXIMUM_NAME)
        if problem:
            return f".spec.{key}{problem}"
    if not isinstance(spec.get("os"), (dict, NoneType)):
        return ".spec.os: expected an object"
    if not isinstance(spec.get("containers"), list):
        return ".spec.containers: expected a list"
    for key in ("volumes", "containers", "initContainers"):
        problem = _list_problem(spec.get(key), "name")
        if problem:
            return f".spec.{key}{problem}"
    for key in ("containers", "initContainers"):
        if len(spec.get(key) or ()) > MAXIMUM_CONTAINERS:
            return f".spec.{key}: expected at most {MAXIMUM_CONTAINERS}"
        for index, container in enumerate(spec.get(key) or ()):
            for name, text in (("env", "name"), ("volumeMounts", "mountPath")):
                problem = _list_problem(container.get(name), text)
                if problem:
                    return f".spec.{key}[{index}].{name}{problem}"
    return _projection_problem(spec)


def _list_problem(entries: Any, text: str = "") -> str:
    """What keeps `entries` from being a list of objects whose member `text` is a string, if it is there at all."""
    if entries is None:
        return ""
    if not isinstance(entries, list):
        return ": expected a list"
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict):
            return f"[{index}]: expected an object"
        value = entry.get(text)
        if value is not None and (not isinstance(value, str) or len(value) > MAXIMUM_PATH):
            return f"[{index}].{text}{_text_problem(value, MAXIMUM_PATH)}"
    return ""


def _text_problem(value: Any, limit: int) -> str:
    if not isinstance(value, (str, NoneType)):
        return ": expected a string"
    return f": expected at most {limit} characters" if value and len(value) > limit else ""


def _projection_problem(spec: Mapping[str, Any]) -> str:
    for index, volume in enumerate(spec.get("volumes") or ()):
        projected = volume.get("projected")
        if projected is None:
            continue
        if not isinstance(projected, dict):
            return f".spec.volumes[{index}].projected: expected an object"
        sources = projected.get("sources")
        problem = _list_problem(sources)
        if problem:
            return f".spec.volumes[{index}].projected.sources{problem}"
        for number, source in enumerate(sources or ()):
            token = source.get("serviceAccountToken")
            path = token.get("path") if isinstance(token, dict) else None
            if isinstance(path, str) and len(path) > MAXIMUM_PATH:
                place = f".spec.volumes[{index}].projected.sources[{number}].serviceAccountToken.path"
                return place + _text_problem(path, MAXIMUM_PATH)
    return ""


def _shown(value: Any) -> str:
    """`value` for an error message: short, one line, ASCII."""
    try:
        text = ascii(value) if not isinstance(value, str) else ascii(value)[1:-1]
    except RecursionError:  # JSON may be nested more deeply than Python can show
        return "something deeply nested"
    return text if len(text) <= 80 else text[:77] + "..."
