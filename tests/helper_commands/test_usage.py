"""What is wrong with flags and settings, help, and what is put out where."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from m365_identity import __version__
from m365_identity.__main__ import main
from tests.helper_commands.processes import COMMAND, Commands

pytestmark = pytest.mark.slow

NAMES = ("token", "whoami", "preflight", "exec", "serve", "canary")


def test_every_wrong_setting_is_reported_at_once_with_the_name_it_was_given(commands: Commands) -> None:
    """Flags by their flag, variables by their name, what is missing too; exit code 2."""
    del commands.environ["M365_TENANT_ID"], commands.environ["AZURE_TENANT_ID"]
    commands.environ |= {"M365_CLOUD": "mars", "REQUESTS_CA_BUNDLE": "/nowhere/ca.pem"}
    done = commands.run("token", "--client-id", "contoso-app", "--token-file", "")
    assert done.code == 2
    assert done.out == ""
    lines = done.err.splitlines()
    assert all(line.startswith("m365-identity token: ") for line in lines)
    for said in (
        "--token-file is empty",
        '--client-id is "contoso-app"',
        'M365_CLOUD is "mars"',
        "no tenant id",
        "ca.pem",
    ):
        assert sum(said in line for line in lines) == 1, (said, lines)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("tokens",),
        ("token", "--outp", "json"),
        ("token", "--patience", "-1"),
        ("token", "--patience", "nan"),
        ("token", "--scope", " "),
        ("token", "--scope", "https://a.example/.default https://b.example/.default"),
        ("token", "--", "ls"),
        ("exec",),
        ("exec", "--"),
        ("exec", "ls"),
        ("exec", "ls", "--", "ls"),
    ],
)
def test_wrong_usage_is_exit_code_2(commands: Commands, arguments: tuple[str, ...]) -> None:
    """With a word about it, and without a request to Entra."""
    done = commands.run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert "m365-identity" in done.err
    assert "Traceback" not in done.err
    assert not commands.pod.entra.requests


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("doctr --json", ": unknown command doctr, did you mean doctor? [WIH012]"),
        ("frobnicate", ": unknown command frobnicate: m365-identity --help has them all [WIH011]"),
        ("--verson", ": unknown flag --verson, did you mean --version? [WIH014]"),
        ("token --tenat-id hidden", " token: unknown flag --tenat-id, did you mean --tenant-id? [WIH014]"),
        ("token --x=hidden", " token: unknown flag --x: m365-identity token --help has them all [WIH013]"),
        ("whoami me", " whoami: unexpected argument me: m365-identity whoami --help has those that it takes [WIH015]"),
    ],
)
def test_words_that_are_misspelt(capsys: pytest.CaptureFixture[str], typed: str, said: str) -> None:
    """One line with what was meant, and without a value, which may be a secret."""
    assert main(typed.split(), {}) == 2
    assert capsys.readouterr().err == f"m365-identity{said}\n"


@pytest.mark.parametrize("name", NAMES)
def test_help_tells_flags_and_exit_codes(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command's help has the common flags, the variables behind them and what its exit codes mean."""
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    for part in ("Exit codes", "--tenant-id", "AZURE_FEDERATED_TOKEN_FILE", "--graph"):
        assert part in said
    assert ("--patience" in said) == (name != "canary")  # its next round is the next attempt


def test_the_page_has_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    """The flags can be read without running a command."""
    page = (Path(__file__).parents[2] / "docs" / "helper-commands.md").read_text()
    for name in (*NAMES, "doctor"):
        with pytest.raises(SystemExit):
            main([name, "--help"])
        flags = set(re.findall(r"--[a-z][a-z-]*", capsys.readouterr().out)) - {"--help"}
        assert {flag for flag in flags if flag not in page} == set(), name


def test_help_and_version_need_no_settings(capsys: pytest.CaptureFixture[str]) -> None:
    """The list of commands, and the version."""
    for flag, expected in (("--help", NAMES), ("--version", (__version__,))):
        with pytest.raises(SystemExit) as ended:
            main([flag], {})
        assert ended.value.code == 0
        said = capsys.readouterr().out
        assert all(part in said for part in expected)


def test_only_the_module_of_the_command_is_imported(commands: Commands) -> None:
    """A command imports only what it needs: azure-identity only if it signs in."""
    script = (
        "import sys; from m365_identity.__main__ import main; code = main(['serve', '--check']);"
        "print(code, *sorted(name for name in sys.modules if name.startswith(('m365_identity._c', 'azure.identity'))))"
    )
    environ = commands.environ | {"IDENTITY_ENDPOINT": "http://127.0.0.1:1/"}
    done = subprocess.run([COMMAND[0], "-c", script], env=environ, capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert loaded[0] == "1"
    assert "m365_identity._commands.serve" in loaded
    assert not {"m365_identity._commands.token", "m365_identity._commands.doctor", "azure.identity"} & set(loaded)


@pytest.mark.parametrize("command", ["token", "whoami", "preflight", "doctor", "doctor -o json"])
def test_a_full_or_closed_standard_output_is_an_error(commands: Commands, command: str) -> None:
    """A token that was not written is not a success; a reader that closed the pipe gets no complaint."""
    commands.pod.federate()
    arguments = [*COMMAND, *command.split()]
    name = command.split()[0]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            arguments, env=commands.environ, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr == f"m365-identity {name}: standard output: No space left on device\n"
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as gone:
        done = subprocess.run(
            arguments, env=commands.environ, stdout=gone, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (1, "")
    closed = commands.start(*command.split(), before=("sh", "-c", 'exec "$@" >&-', "sh")).wait()
    assert (closed.code, closed.err) == (1, f"m365-identity {name}: standard output is closed\n")


def test_without_standard_error_nothing_else_changes(commands: Commands) -> None:
    """Closed or without a reader: the exit code says what there is to say."""
    commands.pod.federate()
    shell = ("sh", "-c", 'exec "$@" 2>&-', "sh")
    assert commands.start("token", before=shell).wait().code == 0
    assert commands.start("token", "--tenant-id", "?", before=shell).wait().code == 2
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as gone:
        arguments = [*COMMAND, "token", "--tenant-id", "?"]
        assert subprocess.run(arguments, env=commands.environ, stderr=gone, check=False).returncode == 2


def test_flags_win_over_variables(commands: Commands) -> None:
    """All settings from flags, with an environment that has none of them but the trusted certificates."""
    commands.pod.federate()
    given = dict(commands.environ)
    for name in given:
        if name.startswith(("AZURE_", "M365_")):
            del commands.environ[name]
    commands.environ["M365_CLIENT_ID"] = "11111111-0000-4000-8000-000000000000"
    done = commands.run(
        *("whoami", "-o", "json", "--tenant-id", given["AZURE_TENANT_ID"], "--client-id", given["AZURE_CLIENT_ID"]),
        *("--token-file", given["AZURE_FEDERATED_TOKEN_FILE"], "--cloud", "public"),
        *("--authority", given["AZURE_AUTHORITY_HOST"], "--graph", given["M365_GRAPH_HOST"]),
    )
    assert done.code == 0, done.err
    assert json.loads(done.out)["client_id"] == given["AZURE_CLIENT_ID"]
