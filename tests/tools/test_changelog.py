"""The changelog is dated, in order, and gives a tag its notes."""

from pathlib import Path

import pytest

from tools import changelog, version

GOOD = """# Changelog

## [Unreleased]

### Added
- Later.

## [0.2.0] - 2027-01-15

### Fixed
- Something.

## [0.1.0] - 2026-11-30

The first release.
"""


def test_ours_is_right() -> None:
    """Its newest release is the version of this tree."""
    assert changelog.problems(changelog.PAGE.read_text(), version.source()) == []


def test_a_release_has_the_notes_of_its_section() -> None:
    """Without the heading; a version that is not there has none."""
    sections = changelog.sections(GOOD)
    assert changelog.notes(sections, "0.2.0") == "### Fixed\n- Something."
    assert changelog.notes(sections, "0.1.0") == "The first release."
    assert changelog.notes(sections, "0.3.0") == ""


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("## [Unreleased]\n\n### Added\n- Later.\n\n", "", "the first section is ['[0.2.0] - 2027-01-15']"),
        ("## [0.2.0] - 2027-01-15", "## 0.2.0", "## 0.2.0 is not of the form"),
        ("2027-01-15", "2027-02-30", "## [0.2.0] - 2027-02-30 is not of the form"),
        ("[0.2.0]", "[0.2.1]", "is not that of version 0.2.0"),
        ("2027-01-15", "2026-01-15", "the days of the releases do not fall"),
        ("[0.1.0]", "[0.3.0]", "the versions of the releases do not fall"),
    ],
)
def test_what_is_wrong_is_said(before: str, after: str, problem: str) -> None:
    """Each mistake by itself."""
    assert changelog.problems(GOOD, "0.2.0") == []
    assert any(problem in each for each in changelog.problems(GOOD.replace(before, after), "0.2.0"))


def test_a_release_may_be_withdrawn() -> None:
    """Keep a Changelog says how; the order of days is still checked."""
    assert changelog.problems(GOOD.replace("2027-01-15", "2027-01-15 [YANKED]"), "0.2.0") == []
    assert changelog.problems(GOOD.replace("2027-01-15", "2026-01-15 [YANKED]"), "0.2.0")


def test_an_older_minor_gets_patches_after_a_newer_one_came_out() -> None:
    """Such as a security release: it stands in the order of versions, and its day after that of the patch before it."""
    patches = "## [0.2.0] - 2027-01-15\n\n## [0.1.10] - 2027-03-01\n\n## [0.1.9] - 2027-02-01\n"
    text = GOOD.replace("## [0.2.0] - 2027-01-15\n", patches)
    assert changelog.problems(text, "0.2.0") == []
    assert changelog.problems(text.replace("2027-03-01", "2027-01-20"), "0.2.0")
    first = text.replace("## [0.2.0]", "## [0.2.0-rc.1] - 2027-01-14\n\n## [0.2.0]", 1)
    assert any("versions" in each for each in changelog.problems(first, "0.2.0-rc.1"))


def test_links_to_files_lead_to_the_repository() -> None:
    """On the page of a release they would lead nowhere; links to other sites stay."""
    text = "[lint](docs/lint.md#ci), [pip](https://pip.pypa.io), [above](#top)"
    there = "https://example.com/blob/v1/"
    assert (
        changelog.absolute(text, there) == f"[lint]({there}docs/lint.md#ci), [pip](https://pip.pypa.io), [above](#top)"
    )


def test_a_tag_prints_its_notes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """If it is the tag of this tree's version; any other is refused, before anything is published."""
    page = tmp_path / "CHANGELOG.md"
    page.write_text(GOOD.replace("0.2.0", version.source()).replace("[0.1.0] - 2026", "[0.0.9] - 2026"))
    monkeypatch.setattr(changelog, "PAGE", page)
    assert changelog.main(["--tag", f"v{version.source()}"]) == 0
    assert capsys.readouterr().out == "### Fixed\n- Something.\n"
    assert changelog.main(["--tag", "v9.9.9"]) == 1
    assert "the tag is v9.9.9, and this tree has version" in capsys.readouterr().err
