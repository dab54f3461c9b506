"""The version of a release is the same in every place that has it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

import m365_identity
import webhook
from tools import version


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copies of the files that have the version."""
    for name, _ in version.PLACES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(version.ROOT / name, tmp_path / name)
    monkeypatch.setattr(version, "ROOT", tmp_path)
    return tmp_path


def test_this_tree_has_one_version() -> None:
    """Programs, chart and image agree."""
    assert version.differences() == []
    chart = yaml.safe_load((version.ROOT / "manifests/chart/Chart.yaml").read_text())
    assert {webhook.__version__, m365_identity.__version__, chart["version"], chart["appVersion"]} == {version.source()}


LOCKED = "|".join(
    (
        r"^manifests/install.*yaml$",
        r"^requirements.*txt$",
        r"(go\.(mod|sum)|package-lock\.json)$",
        r"^testbed/third_party/(npm|python|rust)/",
        r"^tests/",
        r"^(CHANGELOG|RELEASING)",
    )
)


def following() -> list[str]:
    """This version, and those that may come after it."""
    first, second, third = map(int, version.source().partition("-")[0].split("."))
    return [version.source(), f"{first}.{second}.{third + 1}", f"{first}.{second + 1}.0"]


@pytest.mark.slow
@pytest.mark.parametrize("number", following())
def test_no_other_file_of_ours_has_it(number: str) -> None:
    """A place that the list forgets is missed here. Rendered manifests and lock files come from other files.

    An example with the version after this one would be missed when that is released, too late.
    """
    listed = {name for name, _ in version.PLACES} if number == version.source() else set()
    pattern = rf"(?<![\w.=]){re.escape(number)}(?![\w.])"
    files = subprocess.run(["git", "ls-files"], cwd=version.ROOT, capture_output=True, text=True, check=True).stdout
    others = {
        name
        for name in files.splitlines()
        if not re.search(LOCKED, name)
        and re.search(pattern, (version.ROOT / name).read_text(encoding="utf-8", errors="replace"))
    }
    assert others <= listed


@pytest.mark.parametrize("name", sorted({name for name, _ in version.PLACES} - {version.SOURCE}))
def test_a_place_that_differs_is_named(root: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With both versions; so is a place that has lost its version."""
    text = (root / name).read_text()
    (root / name).write_text(text.replace(version.source(), "9.9.9"))
    assert version.main([]) == 1
    assert (
        f"{name}: version 9.9.9, expected {version.source()} as in m365_identity/__init__.py\n"
        in capsys.readouterr().out
    )
    (root / name).write_text(text.replace(version.source(), "none"))
    assert version.main([]) == 1
    assert f"{name}: the version is missing" in capsys.readouterr().out


def test_a_new_version_is_written_everywhere(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And nothing else changes."""
    before = {name: (root / name).read_text() for name, _ in version.PLACES}
    old = version.source()
    assert version.main(["1.20.3-rc.1"]) == 0
    assert capsys.readouterr().out == "1.20.3-rc.1\n"
    assert {name: (root / name).read_text() for name in before} == {
        name: text.replace(old, "1.20.3-rc.1") for name, text in before.items()
    }
    with pytest.raises(SystemExit):
        version.main(["v1"])
    assert "v1 is not a version such as 1.2.3" in capsys.readouterr().err
