"""`exec`: what it becomes, what that finds, and what it ends with."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.helper_commands.processes import Commands, Done

pytestmark = pytest.mark.slow

# What a process is given when it starts, as JSON.
INHERITED = """
import json, os, sys
status = dict(line.split(':', 1) for line in open('/proc/self/status'))
# Pipes have numbers, and the folder that is listed is open meanwhile.
names = (f'/proc/self/fd/{name}' for name in os.listdir('/proc/self/fd'))
files = {name: os.readlink(name).split(':')[0] for name in names if os.path.lexists(name)}
print(json.dumps({
    'argv': sys.argv[1:],
    'environ': open('/proc/self/environ', 'rb').read().decode().split('\\0'),
    'descriptors': files,
    'signals': {name: status[name].strip() for name in ('SigBlk', 'SigPnd', 'ShdPnd', 'Threads')},
    'limits': open('/proc/self/limits').read(),
    'directory': os.getcwd(),
    'pid': os.getpid(),
}))
"""


def test_nothing_is_added_to_the_process(commands: Commands) -> None:
    """Same process, environment, descriptors, signals, limits and directory as without `exec`; no standard output."""
    commands.pod.federate()
    program = (sys.executable, "-c", INHERITED, "--flag", "--", "-x", "")
    process = commands.start("exec", "--", *program)
    done = process.wait()
    assert (done.code, done.err) == (0, "")
    with_exec, without = json.loads(done.out), json.loads(commands.spawn(*program).wait().out)
    assert with_exec.pop("pid") == process.pid
    assert without.pop("pid") != process.pid
    assert with_exec["argv"] == ["--flag", "--", "-x", ""]
    assert with_exec == without


def test_no_token_is_among_the_arguments_of_any_process(commands: Commands) -> None:
    """Everybody on the node can read them: those of `exec` before and after it has become the command, and children."""
    commands.pod.federate()
    script = "cat /proc/$$/cmdline /proc/$PPID/cmdline; tr '\\0' ' ' < /proc/self/environ"
    done = commands.run("exec", "--", "sh", "-c", script)
    assert done.code == 0, done.err
    assert done.out.startswith(f"sh\0-c\0{script}\0")
    for part in commands.pod.token_file.read_text().split("."):
        assert part not in done.out
    assert "eyJ" not in done.out


@pytest.mark.parametrize("variables", [{}, {"LC_CTYPE": "C.UTF-8"}, {"LC_ALL": "C"}])
def test_python_s_own_variable_is_not_passed_on(commands: Commands, variables: Mapping[str, str]) -> None:
    """In the C locale Python sets LC_CTYPE for itself and its children (PEP 538); one that the user set stays."""
    commands.pod.federate()
    del commands.environ["LANG"]
    commands.environ |= variables
    done = commands.run("exec", "--", "env", "-0")
    assert done.code == 0, done.err
    assert dict(entry.split("=", 1) for entry in done.out.rstrip("\0").split("\0")) == commands.environ


def test_signals_that_python_ignores_are_not_ignored_by_the_command(commands: Commands) -> None:
    """SIGPIPE and SIGXFSZ are as they were before Python: a pipeline ends when its reader does."""
    commands.pod.federate()
    done = commands.run("exec", "--", "grep", "SigIgn", "/proc/self/status")
    direct = subprocess.run(["grep", "SigIgn", "/proc/self/status"], capture_output=True, text=True, check=True)
    assert done.out == direct.stdout


@pytest.mark.parametrize("code", [0, 3, 255])
def test_the_exit_code_is_the_command_s(commands: Commands, code: int) -> None:
    """Whatever it is."""
    commands.pod.federate()
    assert commands.run("exec", "--", "sh", "-c", f"exit {code}").code == code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGKILL])
def test_signals_are_the_command_s(commands: Commands, number: signal.Signals) -> None:
    """The process is the command: it is ended by what ends it."""
    commands.pod.federate()
    process = commands.start("exec", "--", "sh", "-c", "echo ready >&2; exec sleep 100")
    process.line_with("ready")
    os.kill(process.pid, number)
    assert process.wait().code == -number


def test_a_command_that_handles_a_signal_does(commands: Commands) -> None:
    """As Terraform does on SIGINT: it ends in its own time with its own code."""
    commands.pod.federate()
    script = "import signal, sys; signal.signal(2, lambda *_: sys.exit(7)); print('ready', file=sys.stderr, flush=True)"
    process = commands.start("exec", "--", sys.executable, "-c", f"{script}; signal.pause()")
    process.line_with("ready")
    process.popen.send_signal(signal.SIGINT)
    assert process.wait().code == 7


def test_the_command_does_not_run_before_signing_in_works(commands: Commands) -> None:
    """It is waited for, as `preflight` does; what is said about that goes to standard error."""
    commands.pod.federate(delay=40)
    process = commands.start("exec", "--", "echo", "ran")
    process.line_with("Trying again in ")
    assert process.popen.poll() is None
    commands.pod.entra.clock.advance(40)
    done = process.wait()
    assert (done.code, done.out) == (0, "ran\n")


def _without_signing_in(commands: Commands, command: str) -> Done:
    done = commands.run("exec", "--", command)
    assert not commands.pod.entra.requests, "it signed in for nothing"
    assert done.out == ""
    return done


def test_a_command_that_is_not_there_is_127(commands: Commands) -> None:
    """By name and by path, as shells have it, and before signing in."""
    assert _without_signing_in(commands, "no-such-command").code == 127
    done = _without_signing_in(commands, "./no-such-command")
    assert (done.code, done.err) == (127, "m365-identity exec: ./no-such-command: not found\n")


def test_a_command_that_cannot_be_run_is_126(commands: Commands, tmp_path: Path) -> None:
    """A folder, a file without the right to run it, by path or on PATH."""
    file = tmp_path / "just-a-file"
    file.touch(mode=0o644)
    assert _without_signing_in(commands, str(file)).code == 126
    assert _without_signing_in(commands, str(tmp_path)).code == 126
    commands.environ["PATH"] += f"{os.pathsep}{tmp_path}"
    assert _without_signing_in(commands, "just-a-file").code == 126


@pytest.mark.parametrize(("content", "code"), [("no program at all", 126), ("#!/no/such/interpreter\n", 127)])
def test_what_the_kernel_does_not_run(commands: Commands, tmp_path: Path, content: str, code: int) -> None:
    """A file that is not a program and a script whose interpreter is missing: found out after signing in."""
    commands.pod.federate()
    script = tmp_path / "script"
    script.touch(mode=0o755)
    script.write_text(content)
    done = commands.run("exec", "--", str(script))
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith(f"m365-identity exec: {script}: ")


def test_the_command_is_found_on_the_path_of_its_environment(commands: Commands, tmp_path: Path) -> None:
    """PATH decides, in its order."""
    commands.pod.federate()
    script = tmp_path / "sh"
    script.touch(mode=0o755)
    script.write_text("#!/bin/sh\necho found\n")
    commands.environ["PATH"] = f"{tmp_path}{os.pathsep}{commands.environ['PATH']}"
    assert commands.run("exec", "--", "sh").out == "found\n"


def test_a_warning_does_not_keep_the_command_from_running(commands: Commands) -> None:
    """A token without roles is warned of on standard error."""
    commands.pod.federate()
    commands.pod.application.roles = ()
    done = commands.run("exec", "--", "echo", "ran")
    assert (done.code, done.out) == (0, "ran\n")
    assert "the token has no roles" in done.err
