"""What a stranger's pod may cost: time that grows no faster than its size, and an answer that is bounded.

Each body is made of a valid review, with one thing in it many times.
"""

import base64
import gc
import math
import time
import tracemalloc
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson
import pytest

from tests.core.cases import USUAL_ANNOTATIONS
from webhook.core import names
from webhook.core.decision import Decision, decide, decide_early
from webhook.core.identity import Account
from webhook.core.policy import Policy
from webhook.core.response import respond
from webhook.core.review import BadReview, parse
from webhook.server.bodies import MOST, cost

pytestmark = pytest.mark.slow  # no process, but a quarter of the time of all that is quick

Json = dict[str, Any]

ACCOUNT: Final = Account("shop", "app", USUAL_ANNOTATIONS)
POLICY: Final = Policy(helper_image="helper:1")
AUDIENCE: Final = "api://AzureADTokenExchange"
LARGEST: Final = 7 * 1024 * 1024  # bytes; the server reads no more
# Times, for a body of four times the size: a larger body is also slower because it does not fit into the caches of the
# processor. Work for each pair of things would be 16 times.
SLOWER: Final = 9.0
NOISE: Final = 0.002  # seconds


def body(spec: Mapping[str, Any] | None = None, annotations: Mapping[str, str] | None = None) -> bytes:
    """A review of a labelled pod."""
    metadata = {"name": "p", "labels": {names.USE_LABEL: "true"}, "annotations": annotations}
    pod = {"metadata": metadata, "spec": {"serviceAccountName": "app", "containers": [{"name": "c"}], **(spec or {})}}
    kind = {"group": "", "version": "v1", "kind": "Pod"}
    request = {"uid": "u", "operation": "CREATE", "namespace": "shop", "kind": kind, "object": pod}
    return orjson.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})


def skipping(names_to_skip: int, containers: int) -> bytes:
    """A pod that names so many containers to skip, and has so many of a kind."""
    skip = ";".join(f"{number:x}" for number in range(names_to_skip))
    spec = {kind: [{"name": f"{kind}-{n}"} for n in range(containers)] for kind in ("containers", "initContainers")}
    return body(spec, {names.SKIP_CONTAINERS: skip})


def containers(number: int, container: Json, **spec: Any) -> bytes:
    """A pod with so many of the container."""
    return body({"containers": [container] * number, **spec})


def volumes(*of: Json) -> list[Json]:
    """Volumes with these projections."""
    return [{"name": f"v{number}", "projected": {"sources": [each]}} for number, each in enumerate(of)]


def token(**more: Any) -> Json:
    """A source of a projected volume."""
    return {"serviceAccountToken": {"audience": AUDIENCE, "path": "t", **more}}


def named_file(number: int) -> bytes:
    """Many containers that name a file in one volume of many tokens."""
    env = [{"name": "AZURE_FEDERATED_TOKEN_FILE", "value": "/e/t"}]
    app = {"env": env, "volumeMounts": [{"name": "v", "mountPath": "/e"}]}
    sources = [token(audience=f"x{n}") for n in range(20 * number)]
    return containers(number, app, volumes=[{"name": "v", "projected": {"sources": sources}}])


def mounts(number: int, path: Callable[[int], str], **container: Any) -> bytes:
    """A container with so many mounts."""
    entries = [{"name": "v", "mountPath": path(n)} for n in range(number)]
    taken = [{"name": "v", "mountPath": each} for each in (names.MOUNT_PATH, names.OTHER_MOUNT_PATH)]
    return body({"containers": [{"name": "c", "volumeMounts": entries + taken, **container}]})


def authorities(number: int, mounts: list[Json], **spec: Any) -> bytes:
    """A pod with a helper container, and a container that names so many folders of authorities."""
    folders = ":".join(f"/d/{each:x}" for each in range(number))
    app = {"name": "c", "env": [{"name": "SSL_CERT_DIR", "value": folders}], "volumeMounts": mounts}
    volumes = [{"name": f"v{each}", "emptyDir": {}} for each in range(number)] + [{"name": "v", "emptyDir": {}}]
    return body({"containers": [app], "volumes": volumes, **spec}, {names.PREFLIGHT: "true"})


LONG_FILE: Final = [{"name": "AZURE_FEDERATED_TOKEN_FILE", "value": "/" + "a/" * 50_000}]
NUMBERED: Final = names.OTHER_MOUNT_PATH + "-"

# What grows, and how many of it make a body that takes some milliseconds. A quarter as many are compared with that.
BODIES: Final[Mapping[str, tuple[Callable[[int], bytes], int]]] = {
    "names to skip and containers": (lambda n: skipping(30 * n, n), 1000),
    "separators of names to skip": (lambda n: body(None, {names.SKIP_CONTAINERS: ";" * n}), 250_000),
    "containers": (lambda n: containers(n, {}, initContainers=[{}] * n), 1000),
    "variables": (lambda n: containers(500, {"env": [{"name": f"E{j}"} for j in range(n)]}), 199),
    "own variables": (lambda n: containers(n, {"env": [{"name": "M365_CLIENT_ID", "value": "x"}] * 20}), 1000),
    "tokens of our audience, and mounts": (
        lambda n: containers(
            n,
            {"volumeMounts": [{"name": f"v{j}", "mountPath": f"/{j}", "subPath": "x"} for j in range(20)]},
            volumes=volumes(*[token()] * (10 * n)),
        ),
        1000,
    ),
    "mounts": (lambda n: mounts(n, lambda j: f"/{j}"), 20_000),
    "mounts on our paths": (lambda n: mounts(n, lambda j: f"{NUMBERED}{j + 2}"), 20_000),
    "mounts with dots": (lambda n: mounts(n, lambda j: "/" + "a/../" * 800), 500),
    "mounts and a long file": (lambda n: mounts(n, lambda j: "C:\\" + "a\\" * 500 + str(j), env=LONG_FILE), 1000),
    "a file with dots": (lambda n: containers(1, {"env": [{**LONG_FILE[0], "value": "/" + "a/../" * n}]}), 200_000),
    "references that do not end": (
        lambda n: containers(1, {"env": [{**LONG_FILE[0], "value": "$(" * n}]}),
        16_000,
    ),
    "devices": (lambda n: containers(1, {"volumeDevices": [{"devicePath": "/" + "a/../" * n}]}), 200_000),
    "volumes": (lambda n: body({"volumes": volumes(*[token()] * n)}), 12_000),
    "volumes of our names": (
        lambda n: body(
            {
                "volumes": [{"name": f"m365-identity-token-{j}"} for j in range(2, n)]
                + [{"name": names.VOLUME}, {"name": names.OTHER_VOLUME}]
            }
        ),
        20_000,
    ),
    "tokens": (
        lambda n: body({"volumes": [{"name": "v", "projected": {"sources": [token(audience="x")] * n}}]}),
        20_000,
    ),
    "containers and tokens": (named_file, 1000),
    "annotations with prefixes like ours": (
        lambda n: body(None, {f"azure.workload.identi{j:x}/client-id": "x" for j in range(n)}),
        4000,
    ),
    "annotations": (lambda n: body(None, {f"{names.AZURE_PREFIX}client_id{j:x}": "x" for j in range(n)}), 4000),
    "labels": (lambda n: body({}, {f"{j:x}": "" for j in range(n)}), 20_000),
    "families": (lambda n: body(None, {names.ENV: "m365," * n}), 50_000),
    "folders of authorities and mounts": (
        lambda n: authorities(n, [{"name": "v", "mountPath": f"/m{j:x}"} for j in range(n)]),
        1000,
    ),
    "folders of authorities and init containers": (
        lambda n: authorities(n, [{"name": "v", "mountPath": "/d"}], initContainers=[{"name": "i"}] * n),
        1000,
    ),
    "helpers, names to skip": (
        lambda n: body(None, {names.PREFLIGHT: "true", names.SKIP_CONTAINERS: ";".join(map(str, range(n)))}),
        30_000,
    ),
}


def review(text: bytes) -> tuple[Decision | None, bytes]:
    """The decision and the answer, or None and the refusal."""
    try:
        request = parse(text)
    except BadReview as error:
        return None, str(error).encode()
    decision = decide_early(request, POLICY) or decide(request, ACCOUNT, POLICY)
    return decision, respond(request.uid, decision)


def least(work: Callable[[bytes], object], text: bytes) -> float:
    """Processor time, in seconds, the least of several."""
    gc.disable()
    try:
        return min(_once(work, text) for _ in range(5))
    finally:
        gc.enable()


def at_most(times: float, noise: float, more: Callable[[], float], less: Callable[[], float]) -> bool:
    """Whether `more` takes at most `times` as long as `less`, and `noise` seconds: each the least of some, in turns.

    Another process only ever adds to a time, so a busy machine takes more turns.
    """
    large = small = math.inf
    for _ in range(10):
        large, small = min(large, more()), min(small, less())
        if large < times * small + noise:
            return True
    return False


def _once(work: Callable[[bytes], object], text: bytes) -> float:
    start = time.process_time()
    work(text)
    return time.process_time() - start


@pytest.mark.parametrize("what", BODIES)
def test_time_grows_no_faster_than_the_body(what: str) -> None:
    """The time of each thing does not depend on how many others there are."""
    build, number = BODIES[what]
    assert len(build(number)) < LARGEST
    quarter, whole = build(number // 4), build(number)
    assert at_most(SLOWER, NOISE, lambda: least(review, whole), lambda: least(review, quarter))


LIMITS: Final[Mapping[str, tuple[Callable[[int], bytes], int, str]]] = {
    "variables": (
        lambda n: body(
            {"containers": [{"env": [{"name": "E"}] * (n // 4)}] * 3 + [{"env": [{}] * (n - 3 * (n // 4))}]}
        ),
        names.MAXIMUM_VARIABLES,
        "request.object.spec.containers[3].env: expected at most 100000 in the whole pod",
    ),
    "mounts": (
        lambda n: body({"initContainers": [{"volumeMounts": [{"name": "v"}] * n}]}),
        names.MAXIMUM_MOUNTS,
        "request.object.spec.initContainers[0].volumeMounts: expected at most 25000 in the whole pod",
    ),
    "volumes": (
        lambda n: body({"volumes": [{"name": "v"}] * n}),
        names.MAXIMUM_VOLUMES,
        "request.object.spec.volumes: expected at most 25000 in the whole pod",
    ),
    "sources": (
        lambda n: body({"volumes": [{"name": "v", "projected": {"sources": [{}] * (n - 1)}}]}),
        names.MAXIMUM_VOLUMES,
        "request.object.spec.volumes: expected at most 25000 in the whole pod",
    ),
    "annotations": (
        lambda n: body(None, {"a": "x" * (n // 2), "b": "x" * (n - n // 2 - 2)}),
        names.MAXIMUM_ANNOTATIONS,
        "request.object.metadata.annotations: expected at most 262144 characters",
    ),
}


@pytest.mark.parametrize("what", LIMITS)
def test_what_a_pod_may_have_is_bounded(what: str) -> None:
    """As many as the limit are read, and one more is refused by its name."""
    build, most, refusal = LIMITS[what]
    assert review(build(most))[0] is not None
    decision, answer = review(build(most + 1))
    assert decision is None
    assert answer.decode().startswith(refusal)


@pytest.mark.parametrize(
    "spec",
    [
        {"containers": [{}]},
        {"volumes": [{}]},
        {"volumes": [{"projected": {"sources": [{}]}}]},
        {"containers": [{"env": [{}]}]},
        {"containers": [{"volumeMounts": [{}]}]},
    ],
    ids=["containers", "volumes", "sources", "variables", "mounts"],
)
def test_what_is_refused_is_not_looked_at(spec: Json) -> None:
    """Seven megabytes of one thing take little more time than their JSON."""
    text = body(spec)
    many = text.replace(b"[{}]", b"[" + b"{}," * ((LARGEST - len(text)) // 3) + b"{}]")
    assert review(many)[0] is None
    assert at_most(1.3, 0.01, lambda: least(review, many), lambda: least(orjson.loads, many))


def charged(start: str, each: Callable[[int], str], end: str) -> bytes:
    """JSON with so many of the same thing that it costs a quarter of what a body may, or is as long as one may be."""

    def text(number: int) -> bytes:
        return (start + ",".join(map(each, range(number))) + end).encode()

    sample = text(2000)
    return text(int(2000 * min(MOST / 4 / cost(sample), LARGEST / len(sample))))


USUAL_SHAPE: Final = charged("[", lambda n: f'{{"name":"E{n}","value":"v{n}"}}', "]")
SHAPES: Final[Mapping[str, tuple[str, Callable[[int], str], str]]] = {
    "lists": ("[", lambda n: "[]", "]"),
    "lists in lists": ("[", lambda n: "[[]]", "]"),
    "objects": ("[", lambda n: "{}", "]"),
    "lists in objects": ("[", lambda n: '{"a":[]}', "]"),
    "objects in objects": ("[", lambda n: '{"a":{}}', "]"),
    "objects of one key each": ("[", lambda n: f'{{"{n:x}":0}}', "]"),
    "objects of two keys each": ("[", lambda n: f'{{"{n:x}":0,"b{n:x}":0}}', "]"),
    "one object of many keys": ("{", lambda n: f'"{n:x}":0', "}"),
    "short text": ("[", lambda n: '"ab"', "]"),
    "short text beyond ASCII": ("[", lambda n: '"\xe9"', "]"),
    "short text with escapes": ("[", lambda n: '"\\u00e9"', "]"),
    "keys beyond ASCII": ("[", lambda n: '{"\xe9":"\u4e2d"}', "]"),
    "numbers": ("[", lambda n: "123456789", "]"),
    "fractions": ("[", lambda n: "8.98846567431157953e+307", "]"),
    "one text with escapes": ('["', lambda n: "\\n" * 100, '"]'),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_no_json_takes_much_longer_than_variables_that_cost_as_much(shape: str) -> None:
    """What is charged for a body bounds how long the interpreter is held by the one call that parses it."""
    text = charged(*SHAPES[shape])
    assert at_most(3, NOISE, lambda: least(orjson.loads, text), lambda: least(orjson.loads, USUAL_SHAPE))


def repeated(method: str, what: str, number: int) -> bytes:
    """A pod whose containers all get something long, once or twice."""
    path = "/" + "p" * 4000
    volume = {"name": "v" * 4000 if what == "volume" else "v"}
    projected = {"sources": [token(path=path if what == "file" else "t")]}
    first = {"volumeMounts": [{"name": volume["name"], "mountPath": path if what == "mount" else "/e"}]}
    if what == "mount":
        volume["name"] = first["volumeMounts"][0]["name"] = "m365-identity-token-2"
    listed = {"containers": [first, *[{}] * (number - 1)], "initContainers": [{}] * number}
    return body({**listed, "volumes": [{**volume, "projected": projected}]}, {names.AUTH_METHOD: method})


@pytest.mark.parametrize("method", ["workload_identity", "oidc"])
@pytest.mark.parametrize("what", ["file", "mount", "volume"])
def test_what_is_added_is_bounded(method: str, what: str) -> None:
    """A long path is repeated for each container: what etcd could not store is refused before it is made."""
    decision, answer = review(repeated(method, what, 1000))
    assert decision is not None
    assert (decision.outcome, decision.reason, decision.operations) == ("denied", "too-large", ())
    assert "Pod shop/p: the variables and mounts for 2000 containers have " in decision.problems[0].text
    assert "expected at most 1572864" in decision.problems[0].text
    assert len(answer) < 2000


@pytest.mark.parametrize("method", ["workload_identity", "oidc"])
@pytest.mark.parametrize("what", ["file", "mount", "volume"])
def test_no_answer_is_larger_than_what_an_object_can_have(method: str, what: str) -> None:
    """Base64 of the largest patch; with the most containers as well."""
    longest = max(len(review(repeated(method, what, number))[1]) for number in (40, 60, 90, 120, 180))
    assert longest < 3 * names.MAXIMUM_ADDED


def test_the_most_containers_are_injected() -> None:
    """Two thousand with the usual path, which is not too much for etcd."""
    decision, answer = review(containers(1000, {}, initContainers=[{}] * 1000))
    assert decision is not None
    assert decision.reason == "injected"
    patch = orjson.loads(base64.b64decode(orjson.loads(answer)["response"]["patch"]))
    assert len({each["path"].split("/env")[0] for each in patch if "/env" in each["path"]}) == 2000
    assert len(answer) < 3 * names.MAXIMUM_ADDED


@pytest.mark.parametrize(
    "long",
    [
        {"env": [{"name": names.TOKEN_FILE_VARIABLE, "value": "/" * 3_500_000}]},
        {"env": [{"name": names.TOKEN_FILE_VARIABLE, "value": "/" + "a/../" * 700_000}]},
        {"volumeDevices": [{"devicePath": "/" + "a/../" * 700_000}]},
        {"env": [{"name": "SSL_CERT_FILE", "value": "/" + "a/../" * 700_000}]},
    ],
    ids=["slashes", "dots", "a device", "authorities"],
)
def test_a_path_that_no_system_opens_is_not_taken_apart(long: Json) -> None:
    """One call to normalize it holds the interpreter for 100 ms, and makes millions of pieces of it."""
    text = body({"containers": [{"name": "c", **long}]}, {names.PREFLIGHT: "true"})
    request = parse(text)
    tracemalloc.start()
    try:
        assert decide(request, ACCOUNT, POLICY).reason == "injected"
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_more_folders_of_authorities_than_anybody_has_are_not_shared() -> None:
    """Sixteen are; the user is told what is missing."""
    for number, shared in ((16, True), (17, False)):
        text = authorities(number, [{"name": "v", "mountPath": "/d"}]).replace(b'"emptyDir"', b'"configMap"')
        decision = decide(parse(text), ACCOUNT, POLICY)
        told = [each.text for each in decision.warnings if "SSL_CERT_DIR" in each.text]
        assert bool(told) is not shared
        assert shared or "names more than 16 folders" in told[0]
