"""docs/cli.md is made from the commands."""

from pathlib import Path

import pytest

from tools import cli
from webhook.commands import COMMANDS


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A page in a folder of its own, as the tool writes it."""
    page = tmp_path / "cli.md"
    monkeypatch.setattr(cli, "PAGE", page)
    assert cli.main([]) == 0
    return page


def test_the_page_has_every_command_with_its_flags(written: Path) -> None:
    """A heading for each, and a row for each flag with its value and its help."""
    text = written.read_text()
    assert [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")][2:] == [*COMMANDS]
    assert "| `--request-timeout DURATION` | the limit of each request, such as 30s (by request) |" in text
    assert "| `--ca` | rotate: the CA too, not only each replica's certificate |" in text
    assert "| `bash\\|zsh\\|fish\\|powershell` | the shell |" in text


def test_a_page_that_differs_is_shown(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the line as it should be; a page that is missing differs, too."""
    assert (cli.main(["--check"]), capsys.readouterr().out) == (0, "")
    written.write_text(written.read_text().replace("answer kube-apiserver", "reply to it", 1))
    assert cli.main(["--check"]) == 1
    assert "+| [`serve`](#serve) | answer kube-apiserver |" in capsys.readouterr().out
    written.unlink()
    assert cli.main(["--check"]) == 1
