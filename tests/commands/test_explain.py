"""`m365wi explain`: its flags, its text, its exit codes, and the page that it serves."""

import http.client
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.offline.mutating import ACCOUNT, CLIENT, pod, write
from webhook.commands import main


def explained(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["explain", *arguments])
    out, err = capfd.readouterr()
    return code, out, err


def test_the_text_says_all_that_the_page_says(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Rules, settings, containers, credential; exit code 0."""
    write(tmp_path / "a.yaml", [ACCOUNT, pod()])
    code, out, _ = explained(capfd, "-f", str(tmp_path))
    assert code == 0
    assert out.startswith(
        "Pod shop/p: injected. The pod gets what it is missing.\n  Which pods are asked about (docs/scopes.md)\n"
    )
    for line in (
        "    + AZURE_FEDERATED_TOKEN_FILE=/var/run/secrets/azure/tokens/azure-identity-token",
        "    issuer        the cluster's (m365wi issuer)",
    ):
        assert line in out.splitlines()


def test_a_refused_object_is_exit_code_1(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """As for mutate."""
    account = {**ACCOUNT, "metadata": {**ACCOUNT["metadata"], "annotations": {CLIENT: "no-guid"}}}
    write(tmp_path / "a.yaml", [account, pod()])
    code, out, _ = explained(capfd, "-f", str(tmp_path))
    assert (code, "Refused because" in out) == (1, True)


def test_files_without_pods_are_told(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """In a line on standard error."""
    write(tmp_path / "a.yaml", ACCOUNT)
    code, out, err = explained(capfd, "-f", str(tmp_path))
    assert (code, out) == (0, "")
    assert "[WI451]" in err


def test_every_mistake_is_told_at_once(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Flags, settings, files."""
    write(tmp_path / "a.yaml", "a: b\n\tc")
    code, _, err = explained(capfd, "-f", str(tmp_path), "-n", "No", "--port", "70000", "--cloud", "moon")
    assert (code, len(err.splitlines())) == (2, 4)


def test_files_that_cannot_be_read_are_not_served(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The page would begin without their text."""
    code, _, err = explained(capfd, "--serve", "--no-browser", "-f", str(tmp_path / "missing.yaml"))
    assert (code, "missing.yaml" in err) == (2, True)


def test_a_port_that_is_taken_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    """And not a traceback."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, _, err = explained(capfd, "--serve", "--no-browser", "--port", str(taken.getsockname()[1]))
    assert (code, "Address already in use" in err) == (2, True)


@pytest.mark.slow
def test_the_page_is_served_until_ctrl_c(tmp_path: Path) -> None:
    """On loopback, with the text of the files; a stranger's host name is refused."""
    write(tmp_path / "a.yaml", [ACCOUNT, pod()])
    command = [
        sys.executable,
        "-m",
        "webhook",
        "explain",
        "-f",
        str(tmp_path),
        "--serve",
        "--port",
        "0",
        "--no-browser",
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ}) as process:
        assert process.stderr
        first = process.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/explain", first)
        assert found, first
        port = int(found[1])
        assert _get(port, "/")[0] == 302
        status, page = _get(port, "/explain")
        assert (status, "serviceAccountName: terraform" in page) == (200, True)
        assert _get(port, "/explain", host="attacker.example")[0] == 400
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert (process.returncode, rest) == (0, "")


def _get(port: int, path: str, host: str = "localhost") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path, headers={"Host": f"{host}:{port}"})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_the_example_of_the_page_is_valid() -> None:
    """It names objects that kubectl would take."""
    from webhook.offline.explain.pages import EXAMPLE

    assert [each["kind"] for each in yaml.safe_load_all(EXAMPLE)] == ["ServiceAccount", "Pod"]
