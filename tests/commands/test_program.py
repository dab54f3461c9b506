"""The program itself: its names, and what an environment without a library is told."""

import sys

import pytest

from tests.commands.live import run
from webhook.commands import main, onboard, program


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/home/me/.local/bin/m365wi", "m365wi"),
        ("/usr/local/bin/kubectl-m365wi", "kubectl m365wi"),
        ("C:\\Users\\me\\bin\\m365wi.exe", "m365wi"),
        ("C:\\Users\\me\\bin\\kubectl-m365wi.exe", "kubectl m365wi"),
        ("C:\\env\\Scripts\\m365wi-script.py", "m365wi"),
        ("/opt/m365wi/bin/m365-webhook", "m365-webhook"),
        ("/src/webhook/__main__.py", "python -m webhook"),
        ("/env/lib/python3.13/site-packages/m365wi/__main__.py", "python -m m365wi"),
    ],
)
def test_it_is_called_what_the_user_typed(path: str, name: str) -> None:
    """On Linux, on macOS and on Windows."""
    assert program(path) == name


def test_the_name_is_in_usage_and_in_messages(capsys: pytest.CaptureFixture[str]) -> None:
    """Of every command, whichever module prints them."""
    with pytest.raises(SystemExit):
        main(["fic", "--context"], "kubectl m365wi")
    assert "usage: kubectl m365wi fic " in capsys.readouterr().err
    assert main(["mutate"], "m365wi") == 2
    assert capsys.readouterr().err.startswith("m365wi mutate: -f is missing, ")


def test_unknown_flags_are_told_all_at_once_with_what_was_meant(capsys: pytest.CaptureFixture[str]) -> None:
    """By the command, not by the program. The value of such a flag may be a secret, and is not repeated."""
    assert main(["check", "extra", "--servce-account", "hidden", "--frobnicate=hidden", "-x"], "m365wi") == 2
    help_ = "(m365wi check --help)"
    assert capsys.readouterr().err.splitlines() == [
        f"m365wi check: unexpected argument extra {help_} [WI508]",
        "m365wi check: unknown flag --servce-account, did you mean --service-account? [WI506]",
        f"m365wi check: unknown flag --frobnicate {help_} [WI507]",
        f"m365wi check: unknown flag -x {help_} [WI507]",
    ]


@pytest.mark.parametrize("name", ["m365wi", "m365-webhook", "kubectl m365wi"])
@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("check-all -n shop", "unknown command check-all, did you mean check? [WI529]"),
        ("off-board", "unknown command off-board, did you mean offboard? [WI529]"),
        ("frobnicate", "unknown command frobnicate ({name} --help) [WI519]"),
        ("--verson", "unknown flag --verson, did you mean --version? [WI506]"),
        ("--frobnicate=hidden", "unknown flag --frobnicate ({name} --help) [WI507]"),
    ],
)
def test_a_command_that_is_misspelt(capsys: pytest.CaptureFixture[str], name: str, typed: str, said: str) -> None:
    """One line with the command that was meant, and no usage."""
    assert main(typed.split(), name) == 2
    assert capsys.readouterr().err == f"{name}: {said.format(name=name)}\n"


def test_an_action_that_is_misspelt(capsys: pytest.CaptureFixture[str]) -> None:
    """Of `fic`; argparse says it."""
    with pytest.raises(SystemExit):
        main(["fic", "pln", "-A"], "m365wi")
    said = capsys.readouterr().err
    assert said.endswith("unknown 'pln', expected one of print, plan, apply, prune; did you mean plan?\n")


def test_ctrl_c_is_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every command, whatever it waits for; the exit code is that of a shell."""

    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(onboard, "run", interrupted)
    assert main(["onboard", "--service-account", "terraform"], "m365wi") == 130
    assert capsys.readouterr().err == "\nm365wi: stopped\n"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("check", "text, json, html, rbac"),
        ("issuer", "text, json"),
        ("certs", "table, json"),
        ("onboard", "text, json"),
        ("offboard", "text, json"),
    ],
)
def test_a_wrong_output_is_told_with_the_other_mistakes(
    capsys: pytest.CaptureFixture[str], flags: str, expected: str
) -> None:
    """Of every command: -o does not stand alone."""
    assert main([flags, "-o", "xml", "--kubeconfig", "missing"], "m365wi") == 2
    lines = capsys.readouterr().err.splitlines()
    assert f'm365wi {flags}: -o is "xml", expected one of {expected} [WI501]' in lines
    assert len(lines) > 1


def test_a_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it, instead of a traceback."""
    for name in [name for name in sys.modules if name.startswith("argcomplete")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "webhook.commands.completion", raising=False)
    monkeypatch.setitem(sys.modules, "argcomplete", None)
    done = run("completion", "bash")
    assert done.code == 2
    assert "`completion` needs Python libraries that are not installed: argcomplete (pipx install " in done.err


def test_the_server_needs_more_than_the_other_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of its libraries that are missing, at once, before its settings are read."""
    monkeypatch.setitem(sys.modules, "uvloop", None)
    monkeypatch.setitem(sys.modules, "flask", None)
    done = run("serve")
    assert done.code == 2
    fix = 'pipx install --force "m365wi[serve]"; in a checkout: pipx install --force "./cli[serve]"'
    assert f"not installed: flask, uvloop ({fix})" in done.err
