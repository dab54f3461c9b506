"""`canary`: its rounds in a time of the test's own, and the command as a process."""

from __future__ import annotations

import math
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from m365_identity import settings
from m365_identity._commands import canary_rounds
from m365_identity._commands.canary_rounds import Canary
from m365_identity._commands.program import main
from m365_identity.retry import Clock
from testbed.entra import Entra
from testbed.entra.directory import TENANT_ID
from tests.helper_commands.processes import SUBJECT, Commands, Pod, Process

pytestmark = pytest.mark.slow

EVERY = 300.0
SUCCESS = "m365_identity_canary_last_success_timestamp_seconds"
EXCHANGES = "m365_identity_exchanges_total"


class End(BaseException):
    """The test has seen enough."""


class Scene:
    """A canary in `pod`, whose pauses pass at once. pauses: those so far. said: its log. chance: as in Clock."""

    def __init__(self, pod: Pod, *, every: float = EVERY, kind: type[Canary] = Canary) -> None:
        self.pod = pod
        self.pauses: list[float] = []
        self.said: list[str] = []
        self.chance = 0.0
        self._passed = 0.0
        clock = Clock(
            wall=pod.entra.clock, monotonic=lambda: self._passed, sleep=self._sleep, chance=lambda: self.chance
        )
        self._left = 0
        known = settings.settings(environ=pod.environ)
        self.canary = kind(known, every=every, environ=pod.environ, tell=self.said.append, clock=clock)

    def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.move(seconds)
        self._left -= 1
        if not self._left:
            raise End

    def move(self, seconds: float) -> None:
        """Time passes."""
        self._passed += seconds
        self.pod.entra.clock.advance(seconds)
        self.pod.token_file.write_text(self.pod.entra.issuer.token(subject=SUBJECT))  # as the kubelet does

    def run(self, rounds: int) -> list[float]:
        """The pauses after so many rounds."""
        self._left = rounds
        before = len(self.pauses)
        with pytest.raises(End):
            self.canary.run()
        return self.pauses[before:]

    def metric(self, name: str, **labels: str) -> float:
        """The value of a series, 0 if it is not there."""
        for family in text_string_to_metric_families(self.canary.exposition().decode()):
            for sample in family.samples:
                if sample.name == name and sample.labels == labels:
                    return sample.value
        return 0.0


@pytest.fixture
def scene(pod: Pod) -> Scene:
    """A pod that Entra trusts."""
    pod.federate()
    return Scene(pod)


def test_each_round_asks_entra_with_what_the_file_holds(scene: Scene) -> None:
    """No round is served from a token that was kept, and a renewed file counts at once."""
    sent = []
    for number in range(3):
        token = scene.pod.entra.issuer.token(subject=SUBJECT, jti=str(number))
        scene.pod.token_file.write_text(token)
        assert scene.run(1) == [EVERY]
        assert len(scene.pod.entra.exchanges) == number + 1
        sent.append(scene.pod.entra.exchanges[-1].claims.get("jti"))
    assert sent == ["0", "1", "2"]
    assert scene.metric(EXCHANGES, outcome="ok", code="") == 3
    assert len(scene.said) == 1
    assert "signed in within" in scene.said[0]


def test_the_last_success_stays_while_it_fails(scene: Scene) -> None:
    """0 before the first one: an alert that compares it with the time fires then, too."""
    assert scene.metric(SUCCESS) == 0.0
    began = scene.pod.entra.clock()
    scene.run(1)
    assert scene.metric(SUCCESS) == pytest.approx(began, abs=60)
    scene.pod.entra.next(times=None, code=700016)
    scene.run(5)
    assert scene.metric(SUCCESS) == pytest.approx(began, abs=60)
    assert scene.metric(EXCHANGES, outcome="refused", code="700016") == 5
    assert scene.metric("m365_identity_canary_interval_seconds") == EVERY


@pytest.mark.parametrize(
    ("fault", "pauses"),
    [
        ({"status": 503}, [15, 30, 60, 120, 240, 300, 300]),
        ({"cut": "reset"}, [15, 30, 60, 120, 240, 300, 300]),
        ({"code": 700016}, [300, 300]),
        ({"status": 429, "retry_after": 7}, [15, 30]),
        ({"status": 429, "retry_after": 900}, [900, 900]),
        ({"status": 429, "retry_after": 86400}, [3600, 3600]),
        ({"status": 429}, [15, 30]),
    ],
    ids=str,
)
def test_the_pause_is_bounded(scene: Scene, fault: dict[str, Any], pauses: list[float]) -> None:
    """It grows with failures that can heal, up to the interval, and obeys Entra, up to an hour; then it starts anew."""
    scene.pod.entra.next(times=None, **fault)
    assert scene.run(len(pauses)) == pauses
    scene.pod.entra.clear()
    assert scene.run(1) == [EVERY]
    scene.pod.entra.next(times=None, status=503)
    assert scene.run(1) == [15]


def test_a_short_interval_is_never_exceeded(pod: Pod) -> None:
    """Nor do canaries that were started together stay together."""
    scene = Scene(pod, every=10.0)
    pod.entra.next(times=None, status=503)
    assert scene.run(3) == [10, 10, 10]
    scene.chance = 0.999
    assert scene.run(1) == [pytest.approx(11, abs=0.1)]


def test_there_is_a_line_with_the_fix_for_each_failure(scene: Scene) -> None:
    """Each on one line, and then one that says that it is over."""
    scene.pod.entra.next(times=2, code=700016)
    scene.run(3)
    first, second, over = scene.said
    assert first == second
    assert first.startswith("sign-in failed: AADSTS700016 (unauthorized_client, HTTP 400): ")
    assert "; fix: " in first
    assert "[WIH" in first
    assert first.endswith("; again in 5 min")
    assert "\n" not in first
    assert over == "signed in again after 10 min; failed attempts: 2"


def test_a_file_that_is_not_there_is_a_failure_too(scene: Scene) -> None:
    """No request was made, so none is counted; the time of the last success says it."""
    scene.pod.token_file.unlink()
    scene.run(1)
    assert "token file" in scene.said[0]
    assert scene.pod.entra.exchanges == []
    assert not scene.metric(SUCCESS)


class Broken(Canary):
    """With a bug."""

    def _sign_in(self) -> None:
        raise RuntimeError("eyJhbGciOiJSUzI1NiJ9.secret")


def test_it_survives_a_bug_and_does_not_print_it(pod: Pod) -> None:
    """The text of an exception may hold a token."""
    scene = Scene(pod, kind=Broken)
    assert scene.run(2) == [EVERY, EVERY]
    assert scene.said == ["sign-in failed: RuntimeError in the canary; again in 5 min"] * 2


def test_the_kubelet_restarts_one_that_hangs(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a long pause nor a failure counts as that. It is ready once it has tried."""
    alive: list[bool] = []
    slow = Scene(pod, every=7200.0)

    def hang(self: Canary) -> None:
        for seconds in (canary_rounds._STUCK - 1, 2):
            slow.move(seconds)
            alive.append(self.is_alive)

    assert (slow.canary.is_alive, slow.canary.is_ready) == (True, False)
    monkeypatch.setattr(Canary, "_sign_in", hang)
    slow.run(1)
    assert (alive, slow.canary.is_ready) == ([True, False], True)
    slow.move(canary_rounds._STUCK - 1)  # after the pause
    assert slow.canary.is_alive
    slow.move(2)
    assert not slow.canary.is_alive


def test_no_metric_names_anybody(scene: Scene) -> None:
    """Neither tenant, application nor ServiceAccount."""
    scene.pod.entra.next(times=1, code=700016)
    scene.run(2)
    text = scene.canary.exposition().decode()
    for secret in (TENANT_ID, scene.pod.application.client_id, SUBJECT, "terraform", "localhost"):
        assert secret not in text


def started(commands: Commands) -> tuple[Process, Callable[[str], str]]:
    """The command with a round a second, and what its port answers at a path."""
    process = commands.start("canary", "--every", "1s", "--metrics-port", "0")
    port = process.line_with("metrics at port").rpartition(" ")[2]

    def get(path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
            found: str = answer.read().decode()
            return found

    return process, get


def test_it_lives_through_an_entra_that_is_away(commands: Commands, entra: Entra) -> None:
    """It says so, goes on, and ends at once with 0."""
    commands.pod.federate()
    process, get = started(commands)
    process.line_with("signed in within")
    entra.next(times=None, cut="handshake")
    process.line_with("sign-in failed: no connection to")
    assert get("/livez") == get("/readyz") == "OK\n"
    assert 'm365_identity_exchanges_total{code="",outcome="unreachable"} ' in get("/metrics")
    entra.clear()
    process.line_with("signed in again after")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get("/")
    process.popen.terminate()
    assert process.wait().code == 0


def test_before_the_first_round_it_is_not_ready(commands: Commands, entra: Entra) -> None:
    """Whatever becomes of it."""
    fault = entra.next(slow=math.inf)
    _, get = started(commands)
    assert fault.reached.wait(30)
    with pytest.raises(urllib.error.HTTPError, match="503"):
        get("/readyz")
    assert get("/livez") == "OK\n"


@pytest.mark.parametrize("wrong", ["", "5", "0s", "25h", "1.5m", "5 m"])
def test_an_interval_is_a_duration(wrong: str, pod: Pod, capsys: pytest.CaptureFixture[str]) -> None:
    """From a second to a day."""
    with pytest.raises(SystemExit) as end:
        main(["canary", "--every", wrong], pod.environ)
    assert end.value.code == 2
    assert f'"{wrong}" is not a duration' in capsys.readouterr().err


def test_a_port_that_is_taken_is_exit_code_1(pod: Pod, capsys: pytest.CaptureFixture[str]) -> None:
    """With the reason."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["canary", "--metrics-port", str(port)], pod.environ) == 1
    assert capsys.readouterr().err == f"m365-identity canary: cannot listen on port {port}: Address already in use\n"


def test_without_prometheus_client_it_says_what_to_install(
    pod: Pod, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The helper's wheel does not need it otherwise."""
    for name in ("m365_identity.metrics", "m365_identity._commands.canary_rounds"):
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    assert main(["canary"], pod.environ) == 2
    assert "canary needs prometheus-client, which is not installed [WIH008]" in capsys.readouterr().err
