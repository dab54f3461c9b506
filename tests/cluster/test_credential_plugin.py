"""The credential plugin of a kubeconfig: real programs, run as kubectl runs them."""

import json
import os
import pty
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, Protocol

import pytest

from testbed.cluster.processes import wait_until
from webhook.cluster.credential_plugin import PluginCredential, run_plugin
from webhook.cluster.kube import Kube, Unavailable
from webhook.cluster.kubeconfig import BadKubeconfig

pytestmark = pytest.mark.slow
VERSION = "client.authentication.k8s.io/v1"
CLUSTER = {"server": "https://127.0.0.1:9", "certificate-authority": "/not/told", "tls-server-name": "api"}


class Write(Protocol):
    """Makes a plugin of a program's text."""

    def __call__(self, body: str, **members: Any) -> dict[str, Any]: ...


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A plugin with this Python text as its body; `answer(**status)` in it prints a credential."""

    def plugin(body: str, **members: Any) -> dict[str, Any]:
        program = tmp_path / "plugin"
        answer = (
            f"import json, os, sys\ndef answer(version={VERSION!r}, **status):\n"
            "    print(json.dumps({'apiVersion': version, 'kind': 'ExecCredential', 'status': status}))\n"
        )
        program.write_text(f"#!{sys.executable} -I\n{answer}{body}\n")
        program.chmod(0o755)
        return {"apiVersion": VERSION, "command": str(program), "interactiveMode": "Never", **members}

    return plugin


def spoil(program: Path, text: str, mode: int) -> None:
    """Makes the program one that cannot be run."""
    program.write_text(text)
    program.chmod(mode)


async def refusal(plugin: dict[str, Any]) -> str:
    """What is said of a plugin that gives no credential."""
    with pytest.raises(BadKubeconfig) as caught:
        await run_plugin(plugin, CLUSTER)
    (problem,) = caught.value.problems
    return str(problem).replace(str(plugin["command"]), "PLUGIN")


async def test_a_token_and_its_end_are_taken(write: Write) -> None:
    """As the plugin prints them."""
    found = await run_plugin(write("answer(token='abc', expirationTimestamp='2030-01-02T03:04:05Z')"), CLUSTER)
    assert found == PluginCredential(token="abc", expires=datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC))


async def test_a_certificate_is_taken_with_its_key(write: Write) -> None:
    """PEM, both together or neither."""
    found = await run_plugin(write("answer(clientCertificateData='C', clientKeyData='K')"), CLUSTER)
    assert found == PluginCredential(certificate="C", key="K")
    assert "neither a token nor a certificate with its key" in await refusal(write("answer(clientCertificateData='C')"))


async def test_it_gets_arguments_variables_and_the_request(write: Write) -> None:
    """Those of the kubeconfig; of the cluster only if it wants that, and no path of a file."""
    body = "answer(token=json.dumps([sys.argv[1:], os.environ['LAB'], json.loads(os.environ['KUBERNETES_EXEC_INFO'])]))"
    members = {"args": ["login", 7], "env": [{"name": "LAB", "value": "x"}]}
    arguments, variable, request = json.loads((await run_plugin(write(body, **members), CLUSTER)).token)
    assert (arguments, variable) == (["login", "7"], "x")
    assert request == {"apiVersion": VERSION, "kind": "ExecCredential", "spec": {"interactive": False}}
    extended = {**CLUSTER, "extensions": [{"name": "client.authentication.k8s.io/exec", "extension": {"a": 1}}]}
    found = await run_plugin(write(body, provideClusterInfo=True, **members), extended)
    expected = {"server": "https://127.0.0.1:9", "tls-server-name": "api", "config": {"a": 1}}
    assert json.loads(found.token)[2]["spec"]["cluster"] == expected


async def test_its_own_words_are_the_reason(write: Write) -> None:
    """In one line; without words, its exit status."""
    body = "sys.exit('the login has expired:\\n  run lab login')"
    assert (await refusal(write(body))).startswith(
        'the credential plugin "PLUGIN" of the kubeconfig failed: the login has expired: run lab login (exit status 1)'
    )
    assert "failed: exit status 3 (" in await refusal(write("sys.exit(3)"))
    assert "failed: ended by signal 9 (" in await refusal(write("os.kill(os.getpid(), 9)"))


async def test_one_that_hangs_is_ended_with_all_that_it_started(write: Write, tmp_path: Path) -> None:
    """Nobody can answer it; a program that it waits for holds its output open."""
    pid = tmp_path / "pid"
    body = (
        f"import subprocess; p = subprocess.Popen(['sleep', '99']); open({str(pid)!r}, 'w').write(str(p.pid)); p.wait()"
    )
    with pytest.raises(BadKubeconfig) as caught:
        await run_plugin(write(body), CLUSTER, seconds=1)
    (problem,) = caught.value.problems
    assert "of the kubeconfig did not end within 1 s (run the command in a terminal" in str(problem)
    wait_until(lambda: not running(int(pid.read_text())), "the end of what it started", seconds=10)


def running(pid: int) -> bool:
    """Whether the process runs; one that waits for its parent to take note of its end does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("print('hello')", "what it printed is not an ExecCredential with a status"),
        ("print('[]')", "what it printed is not an ExecCredential with a status"),
        ("print('{}')", "what it printed is not an ExecCredential with a status"),
        ("answer()", "it printed neither a token nor a certificate with its key"),
        ("answer('v9', token='abc')", f"it answers in v9, and the kubeconfig expects {VERSION}"),
    ],
)
async def test_an_answer_without_a_credential_is_refused(write: Write, body: str, reason: str) -> None:
    """Nothing of it is shown, because it may hold a token."""
    assert f"failed: {reason} (" in await refusal(write(body))


@pytest.mark.parametrize("end", ["soon", "2030-01-02T03:04:05", 1893553445])
async def test_an_end_that_is_not_a_moment_is_refused(write: Write, end: object) -> None:
    """Without its zone a time cannot be compared with now."""
    reason = f"its expirationTimestamp is {end}, expected a time with its zone, such as 2030-01-02T03:04:05Z"
    assert f"failed: {reason} (" in (await refusal(write(f"answer(token='t', expirationTimestamp={end!r})"))).replace(
        '"', ""
    )


async def test_a_missing_one_has_its_hint(write: Write, tmp_path: Path) -> None:
    """That of the kubeconfig, in one line, or the plain advice."""
    absent = {"apiVersion": VERSION, "command": "lab-plugin-not-there"}
    start = 'the credential plugin "PLUGIN" of the kubeconfig cannot be run: '
    hinted = await refusal({**absent, "installHint": "get it\nfrom the lab"})
    assert hinted == f"{start}it is not in PATH (get it from the lab) [WI541]"
    assert "(install PLUGIN, and try again)" in await refusal(absent)


@pytest.mark.parametrize(
    ("mode", "text", "reason"),
    [
        (0o644, "#!/bin/sh\n", "it is not there, or not executable"),
        (0o755, "#!/nonexistent/python\n", "No such file or directory"),
    ],
)
async def test_one_that_cannot_be_run_is_named(write: Write, mode: int, text: str, reason: str) -> None:
    """With the system's reason."""
    plugin = write("")
    spoil(Path(plugin["command"]), text, mode)
    assert f"cannot be run: {reason} (" in await refusal(plugin)


ASKS = "answer(token=json.dumps([json.loads(os.environ['KUBERNETES_EXEC_INFO'])['spec'], sys.stdin.isatty()]))"


@contextmanager
def standard_input(file: IO[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`file` is the standard input of this process and of those that it starts."""
    before = os.dup(0)
    os.dup2(file.fileno(), 0)
    try:
        with monkeypatch.context() as patch:
            patch.setattr("sys.stdin", file)
            yield
    finally:
        os.dup2(before, 0)
        os.close(before)


@pytest.fixture
def without_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Standard input is empty."""
    with Path(os.devnull).open() as nothing, standard_input(nothing, monkeypatch):
        yield


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Standard input is a terminal."""
    ours, theirs = pty.openpty()
    with os.fdopen(ours), os.fdopen(theirs) as file, standard_input(file, monkeypatch):
        yield


@pytest.mark.usefixtures("without_terminal")
async def test_one_that_must_ask_needs_a_terminal(write: Write) -> None:
    """interactiveMode Always; IfAvailable goes on without one."""
    assert "wants to ask, but standard input is not a terminal" in await refusal(write(ASKS, interactiveMode="Always"))
    found = await run_plugin(write(ASKS, interactiveMode="IfAvailable"), CLUSTER)
    assert json.loads(found.token) == [{"interactive": False}, False]


@pytest.mark.usefixtures("terminal")
async def test_one_that_asks_gets_the_terminal(write: Write) -> None:
    """Unless it never asks."""
    for mode, expected in (("Always", True), ("IfAvailable", True), ("Never", False)):
        found = await run_plugin(write(ASKS, interactiveMode=mode), CLUSTER)
        assert json.loads(found.token) == [{"interactive": expected}, expected]


def kubeconfig(folder: Path, plugin: dict[str, Any]) -> Path:
    """One whose user signs in by that plugin."""
    document = {
        "current-context": "a",
        "contexts": [{"name": "a", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}],
        "users": [{"name": "u", "user": {"exec": plugin}}],
    }
    path = folder / "config"
    path.write_text(json.dumps(document))
    return path


async def test_a_failure_stops_the_connection(write: Write, tmp_path: Path) -> None:
    """The Kubernetes client would go on as system:anonymous."""
    with pytest.raises(BadKubeconfig, match="failed: exit status 3"):
        await Kube(kubeconfig(tmp_path, write("sys.exit(3)"))).__aenter__()


async def test_a_credential_that_ends_is_asked_for_again(write: Write, tmp_path: Path) -> None:
    """Before the request after its end, and not before each."""
    count = tmp_path / "count"
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    body = f"open({str(count)!r}, 'a').write('.'); answer(token='t', expirationTimestamp={{}})"
    for end, times in ((soon, 1), ("2020-01-01T00:00:00Z", 3)):
        count.write_text("")
        async with Kube(kubeconfig(tmp_path, write(body.format(repr(end))))) as kube:
            for _ in range(2):
                with pytest.raises(Unavailable):
                    await kube.request("GET", "/version", seconds=5)
        assert len(count.read_text()) == times
