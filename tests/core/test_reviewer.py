"""From the body of a call to its answer, whatever goes wrong on the way."""

import asyncio
import base64
import copy
import gc
import logging
import time
import tracemalloc
from typing import Any

import jsonpatch
import orjson
import pytest

from tests.core.cases import CLIENT, TENANT, USUAL_ENV
from tests.core.support import Accounts, account, answered, body, container, mount, pod, token_volume
from webhook.accounts.source import LookupFailed
from webhook.core import mutation, names
from webhook.core.mutation import UnsoundPatch
from webhook.core.policy import CLUSTER, Policy
from webhook.core.volumes import Access, Mount, Placement
from webhook.reviewer import Answer, Reviewer

UID = "705ab4f5-6393-11e8-b7cc-42010a800002"


async def apart(work: Any, *arguments: Any, **named: Any) -> Any:
    """On the event loop, after another turn of it."""
    await asyncio.sleep(0)
    return work(*arguments, **named)


review_apart = False


@pytest.fixture(autouse=True, params=[False, True], ids=["at once", "apart"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large reviews are answered in another way, and alike."""
    monkeypatch.setattr("tests.core.test_reviewer.review_apart", request.param)


async def reviewed(text: bytes, accounts: Accounts | None = None, policy: Policy = Policy()) -> Answer:
    reviewer = Reviewer(accounts or Accounts(account()), policy)
    if review_apart:
        return await reviewer.review_apart(text, timeout=4.5, apart=apart)  # type: ignore[arg-type]
    return await answered(reviewer.review(text, timeout=4.5))


def response(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(answer.body)["response"]
    return found


def failing(error: BaseException) -> Accounts:
    def fail() -> None:
        raise error

    return Accounts(before=fail)


async def test_a_pod_is_injected() -> None:
    """The patch in the answer gives the pod its variables, its mount and its volume."""
    answer = await reviewed(body(pod()))
    assert answer.status == 200
    patch = orjson.loads(base64.b64decode(response(answer)["patch"]))
    after = jsonpatch.apply_patch(copy.deepcopy(pod()), patch)
    assert [entry["name"] for entry in after["spec"]["containers"][0]["env"]] == list(USUAL_ENV)


async def test_an_answer_tells_what_to_log() -> None:
    """Everything that a log line needs, and nothing else of the body."""
    answer = await reviewed(body(pod(), dryRun=True))
    assert (answer.uid, answer.namespace, answer.pod, answer.account) == (UID, "shop", "terraform", "terraform")
    assert answer.dry_run
    assert answer.retry_after is None
    assert answer.seconds_lookup >= 0
    assert (answer.decision.outcome, answer.decision.reason) == ("injected", "injected")
    assert response(answer)["uid"] == UID


async def test_a_dry_run_has_the_same_answer() -> None:
    """Because there are no side effects."""
    assert (await reviewed(body(pod(), dryRun=True))).body == (await reviewed(body(pod()))).body


async def test_the_account_is_asked_for_in_the_requests_namespace_and_time() -> None:
    """The pod's own namespace may be empty or another's."""
    accounts = Accounts(account())
    sent = pod()
    sent["metadata"]["namespace"] = "elsewhere"
    await reviewed(body(sent, namespace="here"), accounts)
    ((namespace, name, seconds),) = accounts.asked
    assert (namespace, name) == ("here", "terraform")
    assert 4 < seconds <= 4.5


@pytest.mark.parametrize(
    "sent",
    [
        pod(labels={}),
        pod(labels={names.USE_LABEL: "false"}),
        pod(annotations={names.SKIP_CONTAINERS: "app"}),
        pod(annotations={names.MIRROR_ANNOTATION: "x"}),
    ],
    ids=["not selected", "opted out", "all skipped", "mirror"],
)
async def test_nobody_asks_for_an_account_that_does_not_matter(sent: dict[str, Any]) -> None:
    """Such a pod is let through while the API server is away."""
    accounts = failing(LookupFailed("away"))
    answer = await reviewed(body(sent), accounts)
    assert response(answer) == {"uid": UID, "allowed": True, "auditAnnotations": dict(answer.decision.audit)}
    assert accounts.asked == []


async def test_the_policy_is_applied() -> None:
    """Scope, tenant and cloud."""
    policy = Policy(scope=CLUSTER, tenant_id="contoso.com", cloud="china")
    answer = await reviewed(body(pod(labels={})), Accounts(account({names.AZURE_CLIENT_ID: CLIENT})), policy)
    assert answer.decision.audit["identity"] == f"{CLIENT}@contoso.com"


async def test_a_users_mistake_is_a_denial() -> None:
    """Whatever the failurePolicy, the user hears what is wrong."""
    answer = await reviewed(body(pod()), Accounts(account({names.AZURE_CLIENT_ID: "contoso-app"})))
    assert answer.status == 200
    assert response(answer)["allowed"] is False
    assert response(answer)["status"]["code"] == 422
    assert "contoso-app" in response(answer)["status"]["message"]


async def test_an_account_that_is_not_there_lets_the_pod_through() -> None:
    """With a warning and no patch."""
    answer = await reviewed(body(pod()), Accounts())
    assert response(answer)["allowed"] is True
    assert "patch" not in response(answer)
    assert len(response(answer)["warnings"]) == 1


async def test_a_look_up_that_failed_is_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    """503 with Retry-After makes kube-apiserver ask again; the reason is for the log, not for the caller."""
    with caplog.at_level(logging.WARNING):
        answer = await reviewed(body(pod()), failing(LookupFailed("10.0.0.1 refused")))
    assert (answer.status, answer.retry_after) == (503, 1)
    assert answer.body == b"the ServiceAccount could not be read: try again\n"
    assert (answer.decision.outcome, answer.decision.reason) == ("error", "lookup-failed")
    assert (answer.uid, answer.namespace, answer.account) == (UID, "shop", "terraform")
    assert caplog.messages == ["10.0.0.1 refused"]


@pytest.mark.parametrize("error", [RuntimeError("x"), UnsoundPatch("x"), KeyError("x"), RecursionError("x")])
async def test_a_mistake_of_ours_is_never_a_denial(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """500 lets the failurePolicy decide; the traceback is for the log."""
    answer = await reviewed(body(pod()), failing(error))
    assert answer.status == 500
    assert answer.body == b"internal error: see the webhook's log\n"
    assert (answer.decision.outcome, answer.decision.reason, answer.retry_after) == ("error", "internal", None)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert UID in caplog.text


async def test_an_unsound_patch_is_never_sent(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A patch that kube-apiserver would refuse whatever the failurePolicy becomes our own error."""
    twice = Placement((Access("/v/token", Mount("v", "/v")),), (), ())
    monkeypatch.setattr(mutation, "place_tokens", lambda *_: twice)
    sent = pod(container(volumeMounts=[mount("v", "/v")]), volumes=[{"name": "v", "emptyDir": {}}])
    answer = await reviewed(body(sent))
    assert answer.status == 500
    assert "UnsoundPatch" in caplog.text


@pytest.mark.parametrize("text", [b"", b"{}", b"\xff", body(pod(), operation="DELETE"), body(None), b"[" * 5000])
async def test_what_is_no_review_is_refused(text: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """400, one line of text, no traceback, and no look-up."""
    accounts = Accounts(account())
    answer = await reviewed(text, accounts)
    assert answer.status == 400
    assert (answer.decision.outcome, answer.decision.reason) == ("error", "bad-request")
    assert answer.body.endswith(b"\n")
    assert answer.body.count(b"\n") == 1
    assert answer.uid == ""
    assert accounts.asked == []
    assert caplog.records == []


async def test_a_caller_that_hangs_up_ends_its_review() -> None:
    """Cancellation is not an answer and must not be turned into one."""
    review = asyncio.ensure_future(reviewed(body(pod()), failing(asyncio.CancelledError())))
    with pytest.raises(asyncio.CancelledError):
        await review


async def test_no_token_and_no_foreign_field_is_in_an_answer() -> None:
    """The answer holds what was added, not what the pod brought along."""
    secret = "hunter2"
    sent = pod(container(env=[{"name": "PASSWORD", "value": secret}], command=[secret]))
    sent["metadata"]["annotations"] = {"note": secret}
    answer = await reviewed(body(sent))
    patch = base64.b64decode(response(answer)["patch"]).decode()
    assert secret not in answer.body.decode() + patch
    assert TENANT in patch


def large(what: str, number: int) -> bytes:
    """A body with `number` of two things, so that work for each pair of them shows."""
    annotations = None
    app = [container()]
    volume = token_volume("v")
    if what == "mounts and tokens":
        app = [container(volumeMounts=[mount("a", "/b")] * number)]
        volume["projected"]["sources"] *= number
    elif what == "taken paths":
        paths = ["", *(f"-{index}" for index in range(2, number))]
        taken = [mount("a", names.OTHER_MOUNT_PATH + each) for each in paths]
        app = [container(volumeMounts=[mount("a", names.MOUNT_PATH), *taken])]
    elif what == "names to skip":
        annotations = {names.SKIP_CONTAINERS: ";".join(f"a{index}" for index in range(number))}
        app = [container("b")] * number
    elif what == "named files and tokens":
        env = [{"name": "AZURE_FEDERATED_TOKEN_FILE", "value": "/e/t"}]
        app = [{"name": "a", "env": env, "volumeMounts": [mount("v", "/e")]}] * min(number, 1000)
        volume = token_volume("v", audience="x")
        volume["projected"]["sources"] *= number
    return body(pod(*app, annotations=annotations, volumes=[volume]))


async def seconds(text: bytes) -> float:
    """Processor time of a review, without what the garbage of other tests costs."""
    gc.disable()
    try:
        start = time.process_time()
        await reviewed(text)
        return time.process_time() - start
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "what",
    [
        "mounts and tokens",
        "taken paths",
        "names to skip",
        "named files and tokens",
    ],
)
async def test_a_strangers_large_pod_does_not_stop_everybody(what: str) -> None:
    """Any pod can reach the endpoint: eight times as much of its making may cost eight times as much, not 64 times."""
    little, much = [min([await seconds(large(what, number)) for _ in range(3)]) for number in (500, 4000)]
    assert much < 24 * little + 0.02


async def test_a_strangers_many_containers_do_not_fill_the_memory() -> None:
    """No real pod has ten thousand containers; such a review is refused, or answered briefly."""
    answer = await reviewed(body(pod(*[{}] * 10_000)))
    assert answer.status in (200, 400)
    assert len(answer.body) < 3_000_000


@pytest.mark.parametrize("what", ["mount path", "token path"])
async def test_a_strangers_long_path_does_not_fill_the_memory(what: str) -> None:
    """No file system has paths of 30 000 characters; what is repeated for each container must be short."""
    long = "x" * 30_000
    path, file = ("/" + long, "token") if what == "mount path" else ("/entra", long)
    first = container(volumeMounts=[mount("e", path)])
    answer = await reviewed(body(pod(first, *[{}] * 900, volumes=[token_volume("e", path=file)])))
    assert answer.status in (200, 400)
    assert len(answer.body) < 3_000_000


@pytest.mark.parametrize("method", ["workload_identity", "oidc"])
async def test_nothing_of_a_review_is_kept(method: str) -> None:
    """A stranger's text is gone after the answer, from the variables that name the file, too."""
    reviewer = Reviewer(Accounts(account()), Policy())
    await answered(reviewer.review(body(pod()), timeout=1))
    gc.freeze()  # what pytest holds takes long to visit
    tracemalloc.start()
    try:
        for number in range(5):
            env = [{"name": "AZURE_FEDERATED_TOKEN_FILE", "value": f"/{number}" + "x" * 1_000_000}]
            text = body(pod(container(env=env), annotations={names.AUTH_METHOD: method}))
            await answered(reviewer.review(text, timeout=1))
        del env, text
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < 1_000_000
    finally:
        tracemalloc.stop()
        gc.unfreeze()


@pytest.mark.parametrize("what", ["uid", "namespace", "name", "account"])
async def test_what_is_logged_is_short(what: str) -> None:
    """A log line names the review, the pod and its ServiceAccount, which Kubernetes keeps under 254 characters each."""
    long = "x" * 10_000
    sent = pod(serviceAccountName=long) if what == "account" else pod()
    if what == "name":
        sent["metadata"]["name"] = long
    answer = await reviewed(body(sent, **({what: long} if what in ("uid", "namespace") else {})))
    assert answer.status in (200, 400)
    assert max(map(len, (answer.uid, answer.namespace, answer.pod, answer.account))) <= 300


async def test_what_takes_long_is_done_apart() -> None:
    """Reading the body, and deciding; the look-up, which waits, is not, and neither is the time before it free."""
    done: list[str] = []

    async def slow(work: Any, *arguments: Any, **named: Any) -> Any:
        await asyncio.sleep(0.02)
        done.append(type(arguments[0]).__name__)
        return work(*arguments, **named)

    accounts = Accounts(account(), before=lambda: done.append("looked up"))
    answer = await Reviewer(accounts, Policy()).review_apart(body(pod()), timeout=4.5, apart=slow)  # type: ignore[arg-type]
    assert done == ["bytes", "looked up", "Request"]
    assert accounts.asked[0][2] < 4.49
    assert answer.seconds_lookup < 0.02


async def test_apart_too_an_account_that_is_remembered_is_not_looked_up() -> None:
    """It is found while nothing else runs."""
    accounts = Accounts()
    reviewer = Reviewer(accounts, Policy(), kept=lambda *_: account())
    answer = await reviewer.review_apart(body(pod()), timeout=4.5, apart=apart)  # type: ignore[arg-type]
    assert (answer.decision.outcome, answer.seconds_lookup, accounts.asked) == ("injected", 0.0, [])
