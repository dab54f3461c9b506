"""The metrics of signing in: what is counted, for both credentials alike, and that labels are bounded."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from m365_identity import ExchangeError, WorkloadIdentityCredential, aio
from m365_identity._advice.codes import BY_CODE
from m365_identity._attempts import THROTTLED
from m365_identity._failures import Failure, FailureKind
from m365_identity._measured import Measured, Outcome, code_of, outcome_of
from m365_identity.metrics import SignInMetrics
from testbed.entra import Entra
from tests.helper.support import SCOPE, Flavour, Pod, run
from tests.helper.test_credential import move

pytestmark = pytest.mark.slow  # a real emulator for most, and processes

EXCHANGES = "m365_identity_exchanges_total"
SECONDS = "m365_identity_exchange_seconds"
ISSUED = "m365_identity_service_account_token_issued_timestamp_seconds"
EXPIRES = "m365_identity_service_account_token_expires_timestamp_seconds"
ACCESS_EXPIRES = "m365_identity_access_token_expires_timestamp_seconds"
THROTTLED_UNTIL = "m365_identity_throttled_until_timestamp_seconds"

Samples = dict[str, dict[tuple[str, ...], float]]


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> SignInMetrics:
    return SignInMetrics(registry)


def samples(registry: CollectorRegistry) -> Samples:
    """What Prometheus reads: by name, and by the values of the labels, those of `outcome` first."""
    found: Samples = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for each in family.samples:
            labels = tuple(each.labels[name] for name in sorted(each.labels, reverse=True))
            found.setdefault(each.name, {})[labels] = each.value
    return found


def counted(registry: CollectorRegistry) -> dict[tuple[str, ...], float]:
    """The attempts that were counted, by outcome and code."""
    return {labels: count for labels, count in samples(registry)[EXCHANGES].items() if count}


def test_before_the_first_sign_in(registry: CollectorRegistry, metrics: SignInMetrics) -> None:
    """Each outcome starts at 0, so that the first failure is a rise; no time is a wrong one, in 1970."""
    found = samples(registry)
    assert found[EXCHANGES] == {(outcome.value, ""): 0.0 for outcome in Outcome}
    assert found[f"{SECONDS}_count"] == {(): 0.0}
    assert set(found) == {EXCHANGES, *(f"{SECONDS}_{part}" for part in ("bucket", "count", "sum"))}


def test_a_sign_in_is_counted(
    pod: Pod, entra: Entra, kind: Flavour, registry: CollectorRegistry, metrics: SignInMetrics
) -> None:
    """Once, with the times of both tokens; what is kept costs no exchange and is not counted."""
    pod.federate()
    with pod.credential(kind, metrics=metrics) as get:
        tokens = {get(SCOPE).expires_on for _ in range(3)}
    found = samples(registry)
    assert counted(registry) == {("ok", ""): 1.0}
    assert found[f"{SECONDS}_count"] == {(): 1.0}
    (asked,) = entra.exchanges
    assert found[ISSUED] == {(): asked.claims["iat"]}
    assert found[EXPIRES] == {(): asked.claims["exp"]}
    assert found[ACCESS_EXPIRES] == {(): float(tokens.pop())}
    assert THROTTLED_UNTIL not in found


@pytest.mark.parametrize(
    ("fault", "labels"),
    [
        ({"code": 700213}, ("refused", "700213")),
        ({"code": 700016}, ("refused", "700016")),
        ({"code": 7654321}, ("refused", "other")),
        ({"status": 503}, ("refused", "90033")),
        ({"body": b"{", "status": 502}, ("refused", "")),
        ({"status": 429}, ("throttled", "90055")),
        ({"status": 429, "body": b"{}"}, ("throttled", "")),
        ({"code": 50196}, ("throttled", "50196")),
        ({"cut": "answer"}, ("unreachable", "")),
        ({"cut": "handshake"}, ("unreachable", "")),
        ({"cut": "headers"}, ("unreachable", "")),
        ({"cut": "body"}, ("unreachable", "")),
    ],
)
def test_a_failure_is_counted(
    pod: Pod,
    entra: Entra,
    kind: Flavour,
    registry: CollectorRegistry,
    metrics: SignInMetrics,
    fault: dict[str, object],
    labels: tuple[str, str],
) -> None:
    """By its outcome, with the code if the table of advice knows it."""
    pod.federate()
    entra.next("login", **fault)  # type: ignore[arg-type]
    pod.fails(kind, metrics=metrics)
    assert counted(registry) == {labels: 1.0}
    found = samples(registry)
    assert found[f"{SECONDS}_count"] == {(): 1.0}
    assert EXPIRES in found
    assert ACCESS_EXPIRES not in found


def test_a_host_that_is_not_there_is_unreachable(
    pod: Pod, kind: Flavour, registry: CollectorRegistry, metrics: SignInMetrics
) -> None:
    """Of which no part of azure-identity says that a request was made."""
    pod.fails(kind, metrics=metrics, authority="https://127.0.0.1:1/")
    assert counted(registry) == {("unreachable", ""): 1.0}


def test_each_attempt_is_counted(
    pod: Pod, entra: Entra, kind: Flavour, registry: CollectorRegistry, metrics: SignInMetrics
) -> None:
    """Also those that heal: a caller sees a slow sign-in, and the page sees why."""
    pod.federate()
    entra.next("login", code=700213)
    entra.next("login", status=429, retry_after=7)
    with pod.credential(kind, bound=60, metrics=metrics) as get:
        wall = pod.time.clock(kind).wall
        began = wall()
        get(SCOPE)
        ended = wall() - sum(pod.time.pauses[1:])
    assert counted(registry) == {("refused", "700213"): 1.0, ("throttled", "90055"): 1.0, ("ok", ""): 1.0}
    until = samples(registry)[THROTTLED_UNTIL][()]
    assert began + pod.time.pauses[0] + 7 - 1 <= until <= ended + 7


@pytest.mark.parametrize(
    ("fault", "labels"),
    [
        ({"status": 503}, ("refused", "90033")),
        ({"cut": "answer"}, ("unreachable", "")),
        ({"code": 700016}, ("refused", "700016")),
        ({"status": 429, "retry_after": 60}, ("throttled", "90055")),
    ],
)
@pytest.mark.parametrize("moment", ["aging", "near its end"])
def test_a_renewal_that_fails_is_counted_although_no_caller_sees_it(
    pod: Pod,
    entra: Entra,
    kind: Flavour,
    monkeypatch: pytest.MonkeyPatch,
    registry: CollectorRegistry,
    metrics: SignInMetrics,
    moment: str,
    fault: dict[str, object],
    labels: tuple[str, str],
) -> None:
    """The token is still good, which azure-identity or this library gives: an alert can come before it expires."""
    pod.federate()
    entra.behaviour.token_lifetime, entra.behaviour.refresh_in = (3599, 1800) if moment == "aging" else (600, None)
    with pod.credential(kind, bound=30, metrics=metrics) as get:
        first = get(SCOPE)
        entra.next("login", times=None, **fault)  # type: ignore[arg-type]
        move(monkeypatch, entra, 2000 if moment == "aging" else 400)
        assert get(SCOPE).token == first.token
    assert counted(registry) == {("ok", ""): 1.0, labels: 1.0}
    assert samples(registry)[ACCESS_EXPIRES] == {(): float(first.expires_on)}


def test_without_a_request_nothing_is_counted(
    pod: Pod, kind: Flavour, registry: CollectorRegistry, metrics: SignInMetrics
) -> None:
    """A token file that is missing is not Entra's doing; then the times of its token are not known either."""
    pod.token_file.unlink()
    pod.fails(kind, metrics=metrics)
    found = samples(registry)
    assert counted(registry) == {}
    assert EXPIRES not in found
    assert ISSUED not in found


def test_the_file_is_read_for_each_scrape(pod: Pod, registry: CollectorRegistry, metrics: SignInMetrics) -> None:
    """An idle program has sent a token that expired long ago, and the kubelet has renewed it since."""
    with WorkloadIdentityCredential(environ=pod.environ, metrics=metrics):
        pod.write(iat=1000, exp=2000)
        assert (samples(registry)[ISSUED][()], samples(registry)[EXPIRES][()]) == (1000.0, 2000.0)
        pod.write(iat=1800, exp=2800)
        assert samples(registry)[EXPIRES] == {(): 2800.0}
        pod.token_file.write_text("x")
        assert EXPIRES not in samples(registry)


def test_of_several_files_the_first_to_expire_counts(
    pod: Pod, registry: CollectorRegistry, metrics: SignInMetrics, tmp_path: Path
) -> None:
    """One metrics object for all credentials of a program."""
    other = tmp_path / "other"
    other.write_text(pod.write(iat=1000, exp=2000))
    pod.write(iat=1500, exp=2500)
    for file in (pod.token_file, other):
        with WorkloadIdentityCredential(environ=pod.environ, token_file=file, metrics=metrics):
            pass
    assert (samples(registry)[ISSUED][()], samples(registry)[EXPIRES][()]) == (1000.0, 2000.0)


def test_settings_that_are_missing_have_no_file(registry: CollectorRegistry, metrics: SignInMetrics) -> None:
    """Such a credential stands in a chain and signs in nowhere."""
    with WorkloadIdentityCredential(environ={}, metrics=metrics):
        assert EXPIRES not in samples(registry)


def test_a_registry_takes_the_metrics_once(registry: CollectorRegistry, metrics: SignInMetrics) -> None:
    """Also before anything is known: two would give each series twice. Without a registry there may be several."""
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        SignInMetrics(registry)
    SignInMetrics(None)


def test_a_failure_to_count_does_not_fail_a_sign_in(
    pod: Pod, kind: Flavour, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """In multiprocess mode the disk may be full."""
    pod.federate()
    metrics = SignInMetrics(None)
    monkeypatch.setattr(metrics, "observe", lambda measured: (_ for _ in ()).throw(OSError("disk full")))
    with pod.credential(kind, metrics=metrics) as get:
        assert get(SCOPE).token
    assert "a sign-in was not counted: OSError" in caplog.text


def test_a_task_that_is_cancelled_is_not_a_failure(
    pod: Pod, entra: Entra, registry: CollectorRegistry, metrics: SignInMetrics
) -> None:
    """The program did not want the answer any more."""
    held = entra.next("login", slow=float("inf"))

    async def use() -> None:
        async with aio.WorkloadIdentityCredential(environ=pod.environ, metrics=metrics) as credential:
            asking = asyncio.create_task(credential.get_token(SCOPE))
            assert await asyncio.to_thread(held.reached.wait, 10)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            entra.clear()

    run(use())
    assert counted(registry) == {}


def test_threads_and_tasks_are_told_apart(pod: Pod, registry: CollectorRegistry, metrics: SignInMetrics) -> None:
    """Many at the same time, each with its own result: every second one asks for an API that is not there."""
    pod.federate()
    scopes = [SCOPE, "api://nowhere/.default"] * 8

    def ask(scope: str) -> None:
        with WorkloadIdentityCredential(environ=pod.environ, metrics=metrics) as credential:
            with contextlib.suppress(ExchangeError):
                credential.get_token(scope)

    async def use() -> None:
        async def task(scope: str) -> None:
            async with aio.WorkloadIdentityCredential(environ=pod.environ, metrics=metrics) as waiting:
                with contextlib.suppress(ExchangeError):
                    await waiting.get_token(scope)

        await asyncio.gather(*map(task, scopes))

    with ThreadPoolExecutor(len(scopes)) as pool:
        list(pool.map(ask, scopes))
    run(use())
    assert counted(registry) == {("ok", ""): 16.0, ("refused", "500011"): 16.0}
    assert samples(registry)[f"{SECONDS}_count"] == {(): 32.0}


FAILURES = st.builds(
    Failure,
    kind=st.sampled_from(FailureKind),
    description=st.text(),
    http_status=st.integers(0, 999),
    error=st.text(),
    codes=st.lists(st.integers() | st.sampled_from(sorted(BY_CODE))).map(tuple),
    correlation_id=st.text(),
    retry_after=st.none() | st.floats(0, 1e9),
)


@hypothesis.settings(deadline=None)
@given(st.none() | FAILURES)
def test_the_labels_are_bounded(failure: Failure | None) -> None:
    """Whatever a server answers: four outcomes, and the codes of our own table."""
    assert outcome_of(failure) in set(Outcome)
    assert code_of(failure.codes if failure else ()) in {"", "other", *map(str, BY_CODE)}


@hypothesis.settings(deadline=None)
@given(st.lists(FAILURES, max_size=20))
def test_no_words_of_a_server_are_shown(failures: list[Failure]) -> None:
    """Each sample has a known name, and its labels have only values that the table lists."""
    registry = CollectorRegistry()
    metrics = SignInMetrics(registry)
    for each in failures:
        metrics.observe(Measured(outcome=outcome_of(each), code=code_of(each.codes), seconds=1.0))
    found = samples(registry)[EXCHANGES]
    allowed = {(outcome.value, code) for outcome in Outcome for code in ("", "other", *map(str, BY_CODE))}
    assert set(found) <= allowed
    assert sum(found.values()) == len(failures)


def test_codes_that_mean_throttling_are_known() -> None:
    """They would all be `other` otherwise."""
    assert set(BY_CODE) >= THROTTLED


def forked(work: Callable[[], object]) -> int:
    """The exit code of `work` in a forked process."""
    child = os.fork()
    if child == 0:
        status = 1
        signal.alarm(20)  # a child that waits for a lock waits for ever
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.fixture
def busy(metrics: SignInMetrics, registry: CollectorRegistry) -> Iterator[None]:
    """Threads that count and are scraped without a pause: at most moments one of them holds a lock."""
    stop = threading.Event()

    def count() -> None:
        while not stop.is_set():
            metrics.observe(Measured(outcome=Outcome.OK, code="", seconds=1.0))

    def scrape() -> None:
        while not stop.is_set():
            generate_latest(registry)

    threads = [threading.Thread(target=work) for work in (count, scrape)]
    for thread in threads:
        thread.start()
    yield
    stop.set()
    for thread in threads:
        thread.join()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.usefixtures("busy")
def test_a_fork_inherits_no_lock_that_is_held(metrics: SignInMetrics) -> None:
    """Whenever it comes, the child counts and is scraped."""

    def work() -> None:
        metrics.observe(Measured(outcome=Outcome.OK, code="", seconds=1.0))
        list(metrics.collect())

    assert [forked(work) for _ in range(30)] == [0] * 30


MULTIPROCESS = """
import os
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from m365_identity._measured import Measured, Outcome
from m365_identity.metrics import SignInMetrics
metrics = SignInMetrics()
for number in range(3):
    if os.fork() == 0:
        metrics.observe(Measured(outcome=Outcome.OK, code="", seconds=1.0, expires=1000.0 + number))
        os._exit(0)
    os.wait()
registry = CollectorRegistry()
MultiProcessCollector(registry)
print(generate_latest(registry).decode())
"""


def test_the_workers_of_a_server_are_added_up(tmp_path: Path) -> None:
    """In prometheus_client's multiprocess mode, as gunicorn's workers use it; of a time the last one counts."""
    environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    command = [sys.executable, "-W", "error", "-c", MULTIPROCESS]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f'{EXCHANGES}{{code="",outcome="ok"}} 3.0' in done.stdout
    assert f"{SECONDS}_count 3.0" in done.stdout
    assert f"{EXPIRES} 1002.0" in done.stdout
