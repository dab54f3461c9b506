"""What holds for every pod and every body, not only for those that somebody thought of."""

import copy
import posixpath
import re
from collections import Counter
from dataclasses import replace
from typing import Any

import jsonpatch
import orjson
from hypothesis import given
from hypothesis import strategies as st

from tests.core.cases import USUAL_ANNOTATIONS
from tests.core.pods import PROVIDED, VALUES, account_annotations, damaged, pods
from tests.core.support import Accounts, account, answered, body, pod, request, review
from webhook.core.decision import Decision, decide, decide_early
from webhook.core.identity import Account
from webhook.core.messages import one_line
from webhook.core.mutation import apply
from webhook.core.policy import CLUSTER, Policy
from webhook.core.response import respond
from webhook.core.review import BadReview, Request, parse
from webhook.reviewer import Reviewer

Json = dict[str, Any]

POLICY = Policy(tenant_id="contoso.com")
ALLOWED = [
    re.compile(pattern)
    for pattern in (
        r"/spec/(initContainers|containers)/(0|[1-9][0-9]*)/env(/[0-9]+)?",
        r"/spec/(initContainers|containers)/(0|[1-9][0-9]*)/volumeMounts(/-)?",
        r"/spec/volumes(/-)?",
    )
]
decided_pods = given(pods(), account_annotations())


def decided(pod: Json, annotations: dict[str, str]) -> Decision:
    asked = request(pod)
    return decide_early(asked, POLICY) or decide(asked, account(annotations), POLICY)


def patched(pod: Json, annotations: dict[str, str]) -> Json:
    return apply(pod, decided(pod, annotations).operations)


def all_containers(pod: Json) -> list[Json]:
    return [*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]]


def assert_kept(before: Any, after: Any, path: str = "") -> None:
    """Asserts that every value of `before` is in `after`, at its place; lists may have grown at one end."""
    if isinstance(before, dict):
        assert isinstance(after, dict), path
        for key, value in before.items():
            assert key in after, f"{path}/{key}"
            if value is not None or not isinstance(after[key], list):
                assert_kept(value, after[key], f"{path}/{key}")
    elif isinstance(before, list):
        assert isinstance(after, list), path
        grown = len(after) - len(before)
        assert grown >= 0, path
        kept = after[grown:] if path.endswith("/env") else after[: len(before)]
        for index, (old, new) in enumerate(zip(before, kept, strict=True)):
            assert_kept(old, new, f"{path}/{index}")
    else:
        assert type(before) is type(after), path
        assert before == after, path


@decided_pods
def test_only_additions_at_known_places(pod: Json, annotations: dict[str, str]) -> None:
    """No operation but `add`, and none whose path holds a word of the user's."""
    for operation in decided(pod, annotations).operations:
        assert set(operation) == {"op", "path", "value"}
        assert operation["op"] == "add"
        assert any(pattern.fullmatch(operation["path"]) for pattern in ALLOWED), operation["path"]


@decided_pods
def test_every_value_of_the_pod_is_where_it_was(pod: Json, annotations: dict[str, str]) -> None:
    """Known to this version or not; only a null may have become a list."""
    before = copy.deepcopy(pod)
    after = patched(pod, annotations)
    assert pod == before
    assert_kept(before, after)


@decided_pods
def test_what_is_added_is_ours(pod: Json, annotations: dict[str, str]) -> None:
    """Nothing grows but variables, mounts and volumes, by nothing but what is documented."""
    after = patched(pod, annotations)
    for old, new in zip(all_containers(pod), all_containers(after), strict=True):
        assert {**old, "env": 0, "volumeMounts": 0} == {**new, "env": 0, "volumeMounts": 0}
        env, mounts = old.get("env") or [], old.get("volumeMounts") or []
        added = (new.get("env") or [])[: len(new.get("env") or []) - len(env)]
        assert {each["name"] for each in added} <= set(PROVIDED)
        assert all(set(each) == {"name", "value"} and each["value"] for each in added)
        assert len((new.get("volumeMounts") or [])[len(mounts) :]) <= 1
    volumes = pod["spec"].get("volumes") or []
    assert len((after["spec"].get("volumes") or [])[len(volumes) :]) <= 1
    assert {**pod["spec"], "volumes": 0, "containers": 0, "initContainers": 0} == {
        **after["spec"],
        "volumes": 0,
        "containers": 0,
        "initContainers": 0,
    }


@decided_pods
def test_a_second_run_adds_nothing(pod: Json, annotations: dict[str, str]) -> None:
    """And says so."""
    first = decided(pod, annotations)
    second = decided(apply(pod, first.operations), annotations)
    assert second.operations == ()
    assert second.reason == ("already-injected" if first.outcome == "injected" else first.reason)


@decided_pods
def test_names_and_paths_stay_unique(pod: Json, annotations: dict[str, str]) -> None:
    """Volumes by name, mounts by path however it is spelt, our variables by name unless the user repeats them."""
    after = patched(pod, annotations)
    volumes = [volume["name"] for volume in after["spec"].get("volumes") or ()]
    assert len(set(volumes)) == len(volumes)
    for old, new in zip(all_containers(pod), all_containers(after), strict=True):
        paths = [posixpath.normpath(mount["mountPath"]) for mount in new.get("volumeMounts") or ()]
        assert len(set(paths)) == len(paths)
        before = Counter(entry["name"] for entry in old.get("env") or ())
        for name, count in Counter(entry["name"] for entry in new.get("env") or ()).items():
            assert count == max(before[name], 1)


@decided_pods
def test_a_container_finds_its_token_where_it_is_told(pod: Json, annotations: dict[str, str]) -> None:
    """The file that we named is in a mount, as a whole, of a volume with a token of the right audience."""
    after = patched(pod, annotations)
    audience = annotations.get("m365.workload.identity/audience", "api://AzureADTokenExchange")
    tokens = {
        (volume["name"], source["serviceAccountToken"]["path"])
        for volume in after["spec"].get("volumes") or ()
        for source in (volume.get("projected") or {}).get("sources") or ()
        if source["serviceAccountToken"]["audience"] == audience
    }
    for old, new in zip(all_containers(pod), all_containers(after), strict=True):
        set_before = {entry["name"] for entry in old.get("env") or ()}
        env = {entry["name"]: entry.get("value", "") for entry in new.get("env") or ()}
        if "AZURE_FEDERATED_TOKEN_FILE" in set_before or "AZURE_FEDERATED_TOKEN_FILE" not in env:
            continue
        file = posixpath.normpath(env["AZURE_FEDERATED_TOKEN_FILE"])
        around = [each for each in new["volumeMounts"] if _holds(each["mountPath"], file)]
        inner = max(around, key=lambda each: len(posixpath.normpath(each["mountPath"])))
        assert not inner.get("subPath")
        assert not inner.get("subPathExpr")
        assert (inner["name"], posixpath.relpath(file, inner["mountPath"])) in tokens


def _holds(directory: str, file: str) -> bool:
    return file.startswith(posixpath.normpath(directory) + "/")


@decided_pods
def test_the_same_question_has_the_same_answer(pod: Json, annotations: dict[str, str]) -> None:
    """Byte for byte, also when the pod has been through JSON in between."""
    again = orjson.loads(orjson.dumps(pod))
    first = respond("u", decided(pod, annotations))
    assert respond("u", decided(again, dict(reversed(annotations.items())))) == first


@decided_pods
def test_our_way_to_apply_a_patch_is_jsonpatchs(pod: Json, annotations: dict[str, str]) -> None:
    """Each patch is checked with ours before it is sent, so ours must be right."""
    operations = decided(pod, annotations).operations
    theirs = jsonpatch.apply_patch(copy.deepcopy(pod), copy.deepcopy(list(operations)))
    kept = copy.deepcopy(operations)
    assert apply(pod, operations) == theirs
    assert operations == kept


HELPED = Policy(tenant_id="contoso.com", helper_image="helper:1")
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
HELPERS = {
    "m365.workload.identity/preflight": "m365-preflight",
    "m365.workload.identity/token-endpoint": "m365-token-endpoint",
}


def fitted(pods: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    """With the fields that helpers look at in addition, most of them as Kubernetes allows them."""
    field: dict[str, list[Any]] = {
        "resources": [{"limits": {"cpu": 1, "memory": "1Gi"}}, {"requests": {"cpu": "5m"}, "limits": None}, [], None],
        "securityContext": [{"runAsUser": 1000, "runAsGroup": None}, {"runAsUser": 0}, {"runAsUser": True}, ""],
    }
    variables = st.lists(
        st.fixed_dictionaries(
            {"name": st.sampled_from(["https_proxy", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "A", "M365_CLOUD"])},
            optional={
                "value": st.sampled_from(["/data/ca.pem", "127.0.0.1:1", "http://$(A)@b", "$(B)$$(A)", "", None, 1]),
                "valueFrom": st.sampled_from([None, {}, {"fileKeyRef": {"key": "k"}}, {"secretKeyRef": {"name": "s"}}]),
            },
        ),
        max_size=4,
    )
    container = st.fixed_dictionaries(
        {},
        optional={key: st.sampled_from(values) for key, values in field.items()}
        | {
            "restartPolicy": st.just("Always"),
            "ports": st.sampled_from(
                [None, 1, [None], [{"containerPort": 9464}], [{"containerPort": 80, "protocol": 1}]]
            ),
            "envFrom": st.sampled_from(
                [None, [{"secretRef": {"name": "s"}}], [{"prefix": 1}, {"configMapRef": []}, 0]]
            ),
        },
    )
    spec = st.fixed_dictionaries({}, optional={key: st.sampled_from(values) for key, values in field.items()})

    @st.composite
    def with_fields(draw: st.DrawFn) -> Json:
        pod = draw(pods)
        pod["spec"] |= draw(spec)
        for each in all_containers(pod):
            each |= draw(container)
            each["env"] = [*(each.get("env") or ()), *draw(variables)]
        return pod

    return with_fields()


def check_helper(helper: Json, pod: Json) -> None:
    """It finds its token; each variable is there once, each mount too, and each mount has its volume."""
    file = next(each["value"] for each in helper["env"] if each["name"] == "AZURE_FEDERATED_TOKEN_FILE")
    mounts = [posixpath.normpath(each["mountPath"]) for each in helper["volumeMounts"]]
    assert any(file.startswith(directory + "/") for directory in mounts)
    assert max(Counter(mounts).values()) == 1
    assert max(Counter(each["name"] for each in helper["env"]).values()) == 1
    assert {each["name"] for each in helper["volumeMounts"]} <= {each["name"] for each in pod["spec"]["volumes"]}
    assert all(each["readOnly"] is True for each in helper["volumeMounts"])
    assert helper["securityContext"].items() >= RESTRICTED.items()
    assert helper["securityContext"].get("runAsUser") != 0


@given(
    fitted(pods()),
    st.sets(st.sampled_from(sorted(HELPERS)), min_size=1),
    st.sampled_from([HELPED, replace(HELPED, helper_resources={}, helper_authorities="c/k")]),
    st.sampled_from(["true", "false", "9465"]),
)
def test_helpers_come_together_once_and_change_nothing_else(
    pod: Json, asked: set[str], policy: Policy, metrics: str
) -> None:
    """Whatever the pod looks like: its own containers are all there, in their order, with their own values."""
    pod["metadata"]["annotations"] = {**(pod["metadata"].get("annotations") or {}), **dict.fromkeys(asked, "true")}
    pod["metadata"]["annotations"]["m365.workload.identity/metrics"] = metrics
    review, usual = request(pod), account(USUAL_ANNOTATIONS)
    first = decide_early(review, policy) or decide(review, usual, policy)
    if first.outcome != "injected":
        return
    after = apply(pod, first.operations)
    assert after == jsonpatch.apply_patch(copy.deepcopy(pod), copy.deepcopy(list(first.operations)))
    skipped = pod["metadata"]["annotations"].get("azure.workload.identity/skip-containers", "")
    expected = [name for key, name in HELPERS.items() if key in asked and name not in skipped]
    names = [container["name"] for container in after["spec"].get("initContainers") or ()]
    place = names.index(expected[0]) if expected else 0
    assert names[place : place + len(expected)] == expected
    others = [each for each in all_containers(after) if each["name"] not in expected]
    for old, new in zip(all_containers(pod), others, strict=True):
        assert {**old, "env": 0, "volumeMounts": 0} == {**new, "env": 0, "volumeMounts": 0}
    for helper in all_containers(after)[place : place + len(expected)]:
        check_helper(helper, after)
    again = request(after)
    second = decide_early(again, policy) or decide(again, usual, policy)
    assert (second.operations, second.reason) == ((), "already-injected")


ANY_ANNOTATIONS = st.dictionaries(
    st.sampled_from(
        [
            "azure.workload.identity/client-id",
            "azure.workload.identity/tenant-id",
            "azure.workload.identity/service-account-token-expiration",
            "m365.workload.identity/cloud",
            "m365.workload.identity/env",
            "m365.workload.identity/metrics",
            "m365.workload.identity/audience",
            "m365.workload.identity/Client-Id",
        ]
    ),
    st.text(max_size=20),
    max_size=4,
)


@given(pods(), ANY_ANNOTATIONS)
def test_any_annotation_gives_an_injection_or_a_reason(pod: Json, annotations: dict[str, str]) -> None:
    """Whatever somebody writes, he gets his pod or is told why not, in one line of ASCII."""
    found = decided(pod, annotations)
    assert (found.outcome == "denied") == bool(found.problems)
    for text in (one_line(found.problems), *map(str, found.warnings), *found.audit.values()):
        assert not text or (text.isascii() and text.isprintable())


def parsed(text: bytes) -> Request | BadReview:
    """What `parse` makes of `text`; anything but a request or BadReview gets through to the test."""
    try:
        return parse(text)
    except BadReview as error:
        return error


async def status_of(text: bytes) -> int:
    """The status of the review of `text`, whose ServiceAccount is annotated."""
    source = Accounts(*(Account("shop", name, USUAL_ANNOTATIONS) for name in ("terraform", "default")))
    return (await answered(Reviewer(source, Policy(scope=CLUSTER)).review(text, timeout=1))).status


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(text: bytes) -> None:
    """With BadReview and nothing else."""
    assert isinstance(parsed(text), BadReview)


@given(VALUES)
def test_any_json_is_refused(value: Any) -> None:
    """Random bytes are hardly ever an AdmissionReview."""
    assert isinstance(parsed(orjson.dumps(value)), BadReview)


@given(st.binary(max_size=4), st.integers(0, 700), st.integers(0, 3))
def test_a_review_that_was_cut_or_changed_on_its_way_is_read_or_refused(put_in: bytes, at: int, left_out: int) -> None:
    """The same holds if a byte is flipped, lost or doubled."""
    text = body(pod())
    parsed(text[:at] + put_in + text[at + left_out :])


@given(damaged(pods().map(review), under=("request", "object")))
async def test_a_pod_of_any_shape_is_answered_or_refused(damage: Any) -> None:
    """200 or 400: a 500 would be our bug, and an exception the end of the connection."""
    assert await status_of(orjson.dumps(damage)) in (200, 400)


@given(damaged(st.just(review(pod()))))
def test_a_request_has_what_the_core_relies_on(damage: Any) -> None:
    """What parse lets through has a uid, a namespace and a pod with containers."""
    found = parsed(orjson.dumps(damage))
    if isinstance(found, Request):
        assert isinstance(found.uid, str)
        assert isinstance(found.namespace, str)
        assert isinstance(found.pod["spec"]["containers"], list)
