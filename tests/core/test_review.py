"""What kube-apiserver, and anybody else who reaches the endpoint, may send."""

import re
from typing import Any

import orjson
import pytest

from tests.core.support import body, container, pod, review, token_volume
from webhook.core.pod_shape import shape_problem
from webhook.core.review import BadReview, Request, parse, without_record

DEEP = b"[" * 1000 + b"]" * 1000  # orjson reads 1024 levels


def refusal(body: bytes) -> str:
    with pytest.raises(BadReview) as caught:
        parse(body)
    text = str(caught.value)
    assert text.isascii()
    assert text.isprintable()
    assert len(text) < 200
    assert text == f"{caught.value.message.text} [{caught.value.message.code}]"
    return caught.value.message.text


def problem_of(pod: Any) -> str:
    problem = shape_problem(pod)
    return problem.message(path="").text if problem else ""


def test_a_review_gives_the_request() -> None:
    """uid, namespace and pod are taken over as they came."""
    sent = pod()
    assert parse(body(sent)) == Request("705ab4f5-6393-11e8-b7cc-42010a800002", "shop", sent)


def test_a_bytearray_is_read_like_bytes() -> None:
    """The server collects a body in one."""
    assert parse(bytearray(body(pod()))) == parse(body(pod()))


def test_only_what_is_needed_must_be_there() -> None:
    """resource, userInfo, oldObject, options and dryRun may be missing: they are not read."""
    unneeded: dict[str, Any] = dict.fromkeys(("resource", "userInfo", "oldObject", "options", "dryRun"), ...)
    assert parse(body({"spec": {"containers": []}}, **unneeded)).pod == {"spec": {"containers": []}}


def test_unknown_fields_are_carried_along() -> None:
    """A later Kubernetes may add fields anywhere."""
    sent = review({**pod(), "panda": {"eats": "bamboo"}}, somethingNew=[1])
    sent["panda"] = None
    assert parse(orjson.dumps(sent)).pod["panda"] == {"eats": "bamboo"}


@pytest.mark.parametrize(("sent", "expected"), [(True, True), (False, False), (None, False), ("true", False)])
def test_a_dry_run_is_recognized(sent: Any, expected: bool) -> None:
    """Only `true` is one; the answer is the same, but the log says so."""
    assert parse(body(pod(), dryRun=sent)).dry_run is expected


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"name": "a", "generateName": "b-"}, "a"),
        ({"generateName": "b-"}, "b-*"),
        ({}, "*"),
        (None, "*"),
    ],
)
def test_a_pod_is_called_by_its_name_or_what_it_begins_with(metadata: Any, expected: str) -> None:
    """A pod of a controller has no name yet."""
    assert parse(body({"metadata": metadata, "spec": {"containers": []}})).pod_name == expected


@pytest.mark.parametrize(("name", "expected"), [("sa", "sa"), ("", "default"), (None, "default"), (..., "default")])
def test_a_pod_without_service_account_has_the_default_one(name: Any, expected: str) -> None:
    """As Kubernetes has it."""
    spec = {"containers": []} if name is ... else {"containers": [], "serviceAccountName": name}
    assert parse(body({"spec": spec})).account_name == expected


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"{",
        b"nonsense",
        b'{"a":1}{"b":2}',
        b'{"a":NaN}',
        b'{"a":"\xff"}',
        b'{"a":"\\ud800"}',
        b"\xef\xbb\xbf{}",
        b"{'a':1}",
        b"\x00",
        b"[" * 100_000,
        body(pod())[:-20],
    ],
    ids=range(13),
)
def test_a_body_that_is_not_json_is_refused(text: bytes) -> None:
    """Truncated, with trailing data, not UTF-8, or nested without end."""
    assert refusal(text).startswith("the body is not JSON: ")


@pytest.mark.parametrize("text", [b"null", b"1", b'"a"', b"[]", b"[{}]", b"true"])
def test_json_other_than_an_object_is_refused(text: bytes) -> None:
    """JSON alone is not an AdmissionReview."""
    assert refusal(text) == "the body is not an AdmissionReview: expected a JSON object"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"apiVersion": "admission.k8s.io/v1beta1"},
            "apiVersion is admission.k8s.io/v1beta1, expected admission.k8s.io/v1",
        ),
        ({"apiVersion": None}, "apiVersion is None, expected admission.k8s.io/v1"),
        ({"kind": "Pod"}, "kind is Pod, expected AdmissionReview"),
        ({"kind": ["AdmissionReview"]}, "kind is ['AdmissionReview'], expected AdmissionReview"),
        ({"request": None}, "request is missing"),
        ({"request": []}, "request is missing"),
    ],
)
def test_another_envelope_is_refused(changed: dict[str, Any], message: str) -> None:
    """Only admission.k8s.io/v1 obliges kube-apiserver to check the uid that is sent back."""
    assert refusal(orjson.dumps({**review(pod()), **changed})) == message


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"uid": ...}, "request.uid is missing"),
        ({"uid": ""}, "request.uid is missing"),
        ({"uid": 7}, "request.uid is missing"),
        ({"operation": "DELETE"}, "request.operation is DELETE, expected CREATE"),
        ({"operation": "UPDATE"}, "request.operation is UPDATE, expected CREATE"),
        ({"operation": ...}, "request.operation is None, expected CREATE"),
        (
            {"kind": {"group": "apps", "version": "v1", "kind": "Deployment"}},
            "request.kind is {'group': 'apps', 'version': 'v1', 'kind': 'Deployment'}, expected v1 Pod",
        ),
        ({"kind": "Pod"}, "request.kind is Pod, expected v1 Pod"),
        ({"kind": ...}, "request.kind is None, expected v1 Pod"),
        (
            {"kind": {"version": "v1", "kind": "Pod"}},
            "request.kind is {'version': 'v1', 'kind': 'Pod'}, expected v1 Pod",
        ),
        ({"subResource": "binding"}, "request.subResource is binding, expected none"),
        ({"namespace": ...}, "request.namespace is missing"),
        ({"namespace": ""}, "request.namespace is missing"),
        ({"namespace": {}}, "request.namespace is missing"),
        ({"object": ...}, "request.object is missing"),
        ({"object": None}, "request.object is missing"),
        ({"object": []}, "request.object is missing"),
    ],
)
def test_another_request_is_refused(changed: dict[str, Any], message: str) -> None:
    """Only the creation of a pod is ours; the message names the field and what is expected."""
    assert refusal(body(pod(), **changed)) == message


def test_a_kind_may_say_more_than_we_know() -> None:
    """As every object of a later Kubernetes may, even what is unhashable."""
    kind = {"group": "", "version": "v1", "kind": "Pod", "panda": ["bamboo"]}
    assert parse(body(pod(), kind=kind)).namespace == "shop"


@pytest.mark.parametrize(
    ("metadata", "spec", "problem"),
    [
        ([], {}, "metadata: expected an object"),
        ({"labels": []}, {}, "metadata.labels: expected an object of strings"),
        ({"labels": {"a": 1}}, {}, "metadata.labels: expected an object of strings"),
        ({"annotations": "a=b"}, {}, "metadata.annotations: expected an object of strings"),
        ({"annotations": {"a": None}}, {}, "metadata.annotations: expected an object of strings"),
        ({}, None, "spec: expected an object"),
        ({}, {"serviceAccountName": 7}, "spec.serviceAccountName: expected a string"),
        ({}, {"containers": None}, "spec.containers: expected a list"),
        ({}, {"containers": {}}, "spec.containers: expected a list"),
        ({}, {"containers": ["app"]}, "spec.containers[0]: expected an object"),
        ({}, {"initContainers": {}}, "spec.initContainers: expected a list"),
        ({}, {"initContainers": [None]}, "spec.initContainers[0]: expected an object"),
        ({}, {"volumes": "v"}, "spec.volumes: expected a list"),
        ({}, {"volumes": [{}, 1]}, "spec.volumes[1]: expected an object"),
        ({}, {"containers": [{"env": {}}]}, "spec.containers[0].env: expected a list"),
        ({}, {"containers": [{}, {"env": [1]}]}, "spec.containers[1].env[0]: expected an object"),
        ({}, {"initContainers": [{"volumeMounts": 1}]}, "spec.initContainers[0].volumeMounts: expected a list"),
        ({}, {"volumes": [{"projected": 1}]}, "spec.volumes[0].projected: expected an object"),
        ({}, {"volumes": [{"projected": {"sources": {}}}]}, "spec.volumes[0].projected.sources: expected a list"),
        (
            {},
            {"volumes": [{"projected": {"sources": ["a"]}}]},
            "spec.volumes[0].projected.sources[0]: expected an object",
        ),
    ],
)
def test_an_object_that_has_not_the_shape_of_a_pod_is_refused(metadata: Any, spec: Any, problem: str) -> None:
    """kube-apiserver sends no such thing, but everybody else may; the message says where the problem is."""
    whole = spec if spec is None else {"containers": [], **spec}
    sent = {"metadata": metadata, "spec": whole}
    assert problem_of(sent) == problem
    assert refusal(body(sent)) == f"request.object.{problem}"


@pytest.mark.parametrize(
    "sent",
    [
        pod(),
        {"spec": {"containers": []}},
        {"metadata": None, "spec": {"containers": [{}]}},
        pod(container(env=None, volumeMounts=[]), initContainers=None, volumes=None),
        pod(volumes=[token_volume("a"), {"name": "b", "projected": None}, {"name": "c", "projected": {}}]),
    ],
    ids=range(5),
)
def test_a_pod_has_no_problem(sent: Any) -> None:
    """What may be missing may be null as well."""
    assert problem_of(sent) == ""


@pytest.mark.parametrize(
    "spec",
    [
        {"containers": [{"name": []}]},
        {"initContainers": [{"name": {}}]},
        {"volumes": [{"name": {}}]},
        {"containers": [{"name": "a", "env": [{"name": []}]}]},
        {"containers": [{"name": "a", "volumeMounts": [{"mountPath": []}]}]},
        {"volumes": [{"name": "v", "projected": [{}]}]},
    ],
    ids=["container", "init container", "volume", "variable", "mount path", "projected is a list"],
)
def test_a_name_that_is_not_a_string_is_refused(spec: dict[str, Any]) -> None:
    """Whatever the core looks up later must have been checked before."""
    assert refusal(body({"spec": {"containers": [{"name": "app"}], **spec}})).startswith("request.object.spec.")


def test_nothing_of_a_long_body_is_repeated() -> None:
    """Values in messages are cut, so that a stranger cannot fill a log."""
    text = refusal(orjson.dumps({**review(pod()), "apiVersion": "x" * 100_000}))
    assert re.fullmatch(r"apiVersion is x{77}\.\.\., expected admission\.k8s\.io/v1", text)


def test_values_in_messages_are_ascii() -> None:
    """No line break and no control character reaches a log line or a header."""
    assert refusal(body(pod(), operation="é\n\x1b[31m")) == r"request.operation is \xe9\n\x1b[31m, expected CREATE"


@pytest.mark.parametrize("field", [b'"admission.k8s.io/v1"', b'"AdmissionReview"', b'"CREATE"'])
def test_a_deeply_nested_value_is_refused_like_any_other(field: bytes) -> None:
    """The deepest nesting that orjson reads is still shown, or at least refused."""
    refusal(body(pod()).replace(field, DEEP))


def test_a_name_of_a_pod_is_a_string() -> None:
    """The name goes into the log line of every review."""
    refusal(body(pod()).replace(b'"name":"terraform"', b'"name":' + DEEP[5:-5]))


def test_deep_nesting_in_unknown_fields_does_no_harm() -> None:
    """Unknown fields may be as deep as JSON may be."""
    request = parse(body(pod(container(), panda="DEEP")).replace(b'"DEEP"', DEEP))
    assert request.account_name == "terraform"


def test_of_duplicate_keys_the_last_counts() -> None:
    """As for kube-apiserver, whose decoder takes the last one too."""
    text = body(pod()).replace(b'"operation":"CREATE"', b'"operation":"DELETE","operation":"CREATE"')
    assert parse(text).namespace == "shop"


@pytest.mark.parametrize("digits", [19, 20, 40, 300])
def test_a_large_number_in_unknown_fields_does_no_harm(digits: int) -> None:
    """It may be read inexactly, but a patch that only adds never repeats it."""
    text = body(pod(activeDeadlineSeconds=0)).replace(b'Seconds":0', b'Seconds":' + b"9" * digits)
    assert parse(text).namespace == "shop"


def test_a_number_beyond_all_measure_is_refused() -> None:
    """It has no value that a computer holds."""
    text = body(pod(activeDeadlineSeconds=0)).replace(b'Seconds":0', b'Seconds":' + b"9" * 400)
    assert refusal(text).startswith("the body is not JSON: ")


@pytest.mark.parametrize("kind", ["containers", "initContainers"])
def test_a_pod_has_at_most_a_thousand_containers_of_a_kind(kind: str) -> None:
    """Each is answered with a kilobyte, so somebody's million must not be."""
    many = [container(f"c{number}") for number in range(1001)]
    assert problem_of({"spec": {"containers": [], kind: many[:1000]}}) == ""
    assert (
        refusal(body({"spec": {"containers": [], kind: many}})) == f"request.object.spec.{kind}: expected at most 1000"
    )


@pytest.mark.parametrize(("length", "problem"), [(4096, ""), (4097, ": expected at most 4096 characters")])
def test_the_path_of_a_token_is_bounded(length: int, problem: str) -> None:
    """The longest path of Linux is accepted; the path is repeated for each container."""
    sent = pod(volumes=[token_volume("e", path="x" * length)])
    field = "spec.volumes[0].projected.sources[0].serviceAccountToken.path"
    assert problem_of(sent) == (field + problem if problem else "")


RECORD = [{"manager": "kubectl", "fieldsV1": {"f:spec": {'k:{"name":"]},\\"spec\\":{"}': {".": {}}}}}]


def recorded(**metadata: Any) -> Any:
    """A review as kube-apiserver sends it: managedFields are the last in metadata, and spec follows."""
    sent = pod()
    sent["metadata"] |= {**metadata, "managedFields": RECORD}
    return review(sent)


def test_the_record_of_who_set_which_field_is_left_out() -> None:
    """Nothing else is missing, whatever the names in it are."""
    sent = recorded(annotations={"a": ',"managedFields":[', "b": ']},"spec":{', "c\\": '"'})
    cut = orjson.loads(without_record(orjson.dumps(sent)))
    del sent["request"]["object"]["metadata"]["managedFields"]
    assert cut == sent
    assert type(without_record(bytearray(orjson.dumps(sent)))) is bytearray


@pytest.mark.parametrize(
    "sent",
    [
        review(pod()),
        review({"spec": {}, "metadata": {"name": "p", "managedFields": RECORD}}),
        review({"metadata": {"name": "p", "managedFields": RECORD, "x": ""}, "spec": {}}),
        review({"metadata": {"name": "p", "managedFields": {}}, "spec": {}}),
        review(
            {
                "metadata": {"name": "p"},
                "spec": {"volumes": [{"metadata": {"n": "", "managedFields": RECORD}, "spec": {}}]},
            }
        ),
        review({"metadata": {"name": "p"}, "spec": {"x": {"n": "", "managedFields": RECORD}}}),
    ],
    ids=["none", "the other way round", "not the last", "not a list", "of a volume", "without a spec"],
)
def test_of_other_json_nothing_is_cut(sent: Any) -> None:
    """Only kube-apiserver's own text is worth it."""
    text = orjson.dumps(sent)
    assert without_record(text) == text


@pytest.mark.parametrize("text", [b"", b"{}", b']},"spec":{', b',"managedFields":[', b',"managedFields":[]},"spec":{'])
def test_what_is_not_json_is_not_mended(text: bytes) -> None:
    """Whatever is left of it is refused like the whole."""
    assert refusal(bytes(without_record(text)))
