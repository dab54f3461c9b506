"""`preflight`: what it waits for, what it fails at, and how it is ended."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from m365_identity import GraphError
from m365_identity.__main__ import main
from m365_identity._commands.readiness import wait_until_ready
from m365_identity.retry import Clock
from m365_identity.settings import settings
from tests.helper_commands.processes import COMMAND, Commands

pytestmark = pytest.mark.slow


def test_success_is_one_line(commands: Commands) -> None:
    """One exchange, one call of Graph, and a line that says what worked."""
    commands.pod.federate()
    done = commands.run("preflight")
    assert (done.code, done.err) == (0, "")
    application = commands.pod.application
    assert done.out.startswith(f"application {application.client_id} of tenant {application.tenant_id} is signed in")
    assert done.out.endswith(f"and {commands.pod.entra.graph} answers\n")
    assert [asked.path for asked in commands.pod.entra.calls] == ["/v1.0/organization"]
    assert len(commands.pod.entra.exchanges) == 1


def test_a_credential_that_comes_late_is_waited_for(commands: Commands) -> None:
    """A federated credential of 40 s: told in full once, then a line an attempt, then success."""
    commands.pod.federate(delay=40)
    process = commands.start("preflight")
    process.line_with("AADSTS70025 ")
    process.line_with("Trying again in ")
    process.line_with("; again in ")
    commands.pod.entra.clock.advance(40)
    done = process.wait()
    assert done.code == 0, done.err
    assert done.err.count("Fix: ") == 1
    assert "is signed in" in done.out


def test_the_wait_for_a_late_credential_is_bounded(commands: Commands) -> None:
    """--patience is the bound, and the reason comes last."""
    done = commands.run("preflight", "--patience", "4")
    assert (done.code, done.out) == (1, "")
    assert len(commands.pod.entra.exchanges) >= 2
    assert "Fix: " in done.err.rpartition("m365-identity preflight: ")[2]


def test_graph_has_what_is_left_of_the_patience(commands: Commands) -> None:
    """Signing in and Graph share one bound: what login has taken, Graph does not get again."""
    pod = commands.pod
    pod.federate(delay=40)
    pod.entra.next("graph", status=503, times=None)
    passed = 0.0

    def sleep(seconds: float) -> None:
        nonlocal passed
        passed += seconds
        pod.entra.clock.advance(seconds)

    clock = Clock(wall=pod.entra.clock, monotonic=lambda: passed, sleep=sleep)
    with pytest.raises(GraphError, match="HTTP 503"):
        wait_until_ready(
            settings(environ=pod.environ), patience=60, environ=pod.environ, on_retry=lambda *_: None, clock=clock
        )
    assert passed == pytest.approx(60)
    assert len(pod.entra.calls) > 1


def test_retry_after_is_heeded(commands: Commands) -> None:
    """Of Entra and of Graph."""
    commands.pod.federate()
    commands.pod.entra.next("login", status=429, retry_after=2)
    commands.pod.entra.next("graph", status=429, retry_after=3)
    done = commands.run("preflight")
    assert done.code == 0, done.err
    assert "Trying again in 2.0 s." in done.err
    assert "Trying again in 3.0 s." in done.err


def test_a_retry_after_beyond_the_patience_is_not_waited_for(commands: Commands) -> None:
    """It fails at once."""
    commands.pod.federate()
    commands.pod.entra.next("login", status=429, retry_after=3600)
    done = commands.run("preflight", "--patience", "30")
    assert done.code == 1
    assert "HTTP 429" in done.err
    assert len(commands.pod.entra.exchanges) == 1


def test_graph_need_not_tell_who_the_tenant_is(commands: Commands) -> None:
    """403 with Graph's word is an answer to a token that Graph took: many an application may not read the tenant."""
    commands.pod.federate()
    commands.pod.application.roles = ("DeviceManagementApps.ReadWrite.All",)
    done = commands.run("preflight")
    assert (done.code, done.err) == (0, "")
    assert "answers (the application may not read the organization)" in done.out


def test_a_token_without_roles_is_warned_of(commands: Commands) -> None:
    """Signing in works, and nothing else will."""
    commands.pod.federate()
    commands.pod.application.roles = ()
    done = commands.run("preflight")
    assert done.code == 0
    assert "the token has no roles" in done.err


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"status": 401, "code": "InvalidAuthenticationToken"}, "HTTP 401 (InvalidAuthenticationToken)"),
        ({"status": 403, "body": b"<html>blocked</html>", "content_type": "text/html"}, "HTTP 403"),
        ({"status": 200, "body": b"<html>log in</html>", "content_type": "text/html"}, "not a JSON object"),
    ],
)
def test_an_answer_that_is_not_graphs_fails(commands: Commands, fault: dict[str, object], said: str) -> None:
    """A token that Graph does not take; a proxy that blocks; a captive portal."""
    commands.pod.federate()
    commands.pod.entra.next("graph", times=None, **fault)  # type: ignore[arg-type]
    done = commands.run("preflight")
    assert (done.code, done.out) == (1, "")
    assert said in done.err
    assert "Fix: " in done.err


def test_graph_that_cannot_be_reached_fails(commands: Commands) -> None:
    """While login works: Terraform's provider may take that for resources that are gone."""
    commands.pod.federate()
    commands.pod.entra.next("graph", cut="reset", times=None)
    done = commands.run("preflight", "--patience", "0")
    assert (done.code, done.out) == (1, "")
    assert f"no answer from {commands.pod.entra.graph}" in done.err
    assert "lets the login host pass and not Graph" in done.err


@pytest.mark.parametrize("command", ["token", "preflight", "exec"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_wait(commands: Commands, command: str, number: signal.Signals) -> None:
    """At once and as signals end programs, without a traceback, while Entra keeps it waiting."""
    held = commands.pod.entra.next("login", hang=True)
    process = commands.start(command, *(("--", "echo", "ran") if command == "exec" else ()))
    assert held.reached.wait(30)
    os.kill(process.pid, number)
    done = process.wait()
    assert (done.code, done.out, done.err) == (-number, "", "")


def _can_unshare() -> bool:
    tool = shutil.which("unshare")
    command = [tool or "", "--user", "--map-root-user", "--pid", "--fork", "true"]
    return bool(tool) and subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not _can_unshare(), reason="needs a process-id namespace of its own (unshare)")
@pytest.mark.parametrize("command", ["preflight", "exec"])
def test_a_signal_ends_process_1_too(commands: Commands, command: str) -> None:
    """The kernel ignores signals for a container's first process unless they are handled."""
    held = commands.pod.entra.next("login", hang=True)
    unshare = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child")
    process = commands.start(command, *(("--", "echo", "ran") if command == "exec" else ()), before=unshare)
    assert held.reached.wait(30)
    first = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    os.kill(int(first), signal.SIGTERM)
    done = process.wait()
    assert (done.code, done.out, done.err) == (128 + signal.SIGTERM, "", "")


def test_a_signal_ends_what_cannot_be_interrupted(commands: Commands) -> None:
    """As a name that DNS does not answer for: here a mutex that is never free, which no signal wakes from."""
    script = (
        "import ctypes, sys\n"
        "from m365_identity._commands.signals import interruptible\n"
        "mutex, lock = ctypes.create_string_buffer(64), ctypes.CDLL(None).pthread_mutex_lock\n"
        "lock(mutex)\n"
        "def work():\n"
        "    print('working', file=sys.stderr, flush=True)\n"
        "    lock(mutex)\n"
        "interruptible(work)\n"
    )
    process = commands.spawn(COMMAND[0], "-c", script)
    process.line_with("working")
    process.popen.terminate()
    assert process.wait().code == -signal.SIGTERM


def test_an_ignored_signal_stays_ignored(commands: Commands) -> None:
    """As under nohup: a hang-up ends nothing."""
    held = commands.pod.entra.next("login", hang=True, times=1)
    commands.pod.federate()
    process = commands.start("preflight", before=("nohup",))
    assert held.reached.wait(30)
    os.kill(process.pid, signal.SIGHUP)
    held.release()
    assert process.wait().code == 0


def test_signal_handlers_of_an_embedding_program_are_put_back(commands: Commands) -> None:
    """`main` called from another program leaves its handlers as they were."""
    commands.pod.federate()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    assert main(["preflight"], commands.environ) == 0
    assert {number: signal.getsignal(number) for number in before} == before
