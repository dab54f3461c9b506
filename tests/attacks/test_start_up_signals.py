"""A signal at any moment of a command's start: it ends the process as it ends any program, without a traceback."""

from __future__ import annotations

import itertools
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.entra import running
from tests.helper_commands.processes import Commands, Pod

pytestmark = pytest.mark.slow

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# Runs `m365-identity` and raises signal NUMBER at the moment AT of those that it counts: the imports after
# that of `signal`, or the lines of the modules that handle signals or become the command. After the last moment
# of the counted ones the process reports how many they were.
PROGRAM = """
import os, sys
at, number, kind, sys.argv = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], ['m365-identity', *sys.argv[4:]]
moments, began, done = 0, False, False

def moment():
    global moments
    moments += 1
    if moments == at:
        os.kill(os.getpid(), number)

def report():
    global done
    if not done:
        done = True
        os.write(2, str(moments).encode())

def hook(event, arguments):
    global began
    if event == 'import' and arguments[0] == 'm365_identity._commands.program':
        began = True
    if began and kind == 'imports' and event == 'import':
        moment()
    if event == 'os.exec':
        if kind == 'becoming':
            moment()
        if kind == 'given':
            import signal
            given = {signal.getsignal(each) for each in (1, 2, 15)}
            os.write(2, repr((given == {signal.SIG_DFL}, signal.pthread_sigmask(signal.SIG_BLOCK, []))).encode())
        if not at and kind != 'given':
            report()

HERE = ('_commands/ending.py', '_commands/exec.py', '_commands/signals.py', '_commands/program.py')

def trace(frame, event, argument):
    if not frame.f_code.co_filename.endswith(HERE) or frame.f_code.co_name == 'end':
        return None
    if began and event == 'line':
        moment()
    return trace

sys.addaudithook(hook)
if kind == 'lines':
    sys.settrace(trace)
from m365_identity.__main__ import main
code = main()
if not at:
    report()
sys.exit(code)
"""


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    """Commands in a pod that can sign in."""
    folder: Path = tmp_path_factory.mktemp("pod")
    with running() as entra:
        pod = Pod(entra, folder)
        pod.federate()
        with Commands(pod) as commands:
            yield commands


def start(commands: Commands, at: int, number: int, kind: str, *arguments: str) -> tuple[int, str, str]:
    """The exit code and the two outputs of a command that gets a signal at a moment."""
    done = commands.spawn(sys.executable, "-c", PROGRAM, str(at), str(number), kind, *arguments).wait()
    return done.code, done.out, done.err


@pytest.mark.parametrize(
    ("kind", "arguments", "points"),
    [
        ("imports", ("exec", "--", "echo", "ran"), 12),
        ("lines", ("exec", "--", "echo", "ran"), 20),
        ("becoming", ("exec", "--", "echo", "ran"), 1),
        ("imports", ("whoami",), 6),
    ],
)
def test_a_signal_at_any_moment_ends_the_process(
    commands: Commands, kind: str, arguments: tuple[str, ...], points: int
) -> None:
    """The first moment, the last one and some between: each signal in turn, none lost, no traceback."""
    code, _, said = start(commands, 0, signal.SIGINT, kind, *arguments)
    assert code == 0
    # Two threads import, so the count may differ a little between two runs.
    moments = int(said) * 9 // 10 if kind == "imports" else int(said)
    assert moments >= points
    chosen = sorted({1, *(1 + (moments - 1) * n // max(points - 1, 1) for n in range(points)), moments})
    ends = {}
    for at, number in zip(chosen, itertools.cycle(SIGNALS), strict=False):
        code, out, said = start(commands, at, number, kind, *arguments)
        # The thread that does the work may print a result before the main thread gets the signal.
        ends[at, number] = (code, "ran" in out, said)
    assert ends == {(at, number): (-number, False, "") for at, number in ends}


def test_the_command_has_its_signals_before_it_is_run(commands: Commands) -> None:
    """A handler of Python that is still set when the kernel takes over would lose a signal that comes right then."""
    assert start(commands, 0, signal.SIGINT, "given", "exec", "--", "echo", "ran") == (0, "ran\n", "(True, set())")


def test_an_ignored_signal_is_ignored_from_the_start_on(commands: Commands) -> None:
    """As under nohup: the command runs, although the signal comes at its first import."""
    program = (sys.executable, "-c", PROGRAM, "1", str(int(signal.SIGHUP)), "imports")
    done = commands.spawn("nohup", *program, "exec", "--", "echo", "ran").wait()
    assert (done.code, done.out) == (0, "ran\n")
