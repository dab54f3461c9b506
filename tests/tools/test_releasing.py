"""RELEASING.md is true: its commands exist, its jobs are those of the workflow, its commits are in git."""

import re
from pathlib import Path

import pytest
import yaml

from testbed.node import previous
from tools import changelog, version

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "RELEASING.md").read_text()
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text())


def test_what_it_makes_has_a_target() -> None:
    """In the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    made = set(re.findall(r"\bmake ([a-z][a-z-]+)", PAGE))
    assert {"release", "release-sign", "release-push"} <= made <= targets


def test_its_tools_exist() -> None:
    """And take what they are given."""
    modules = set(re.findall(r"-m (tools\.\w+)", PAGE))
    assert modules
    assert all((ROOT / f"{module.replace('.', '/')}.py").exists() for module in modules)


def test_it_explains_each_job_of_the_workflow() -> None:
    """In their order, by their names."""
    names = [re.sub(r" \(.*\)", "", job["name"]) for job in WORKFLOW["jobs"].values()]
    rows = re.findall(r"^\| ([A-Z][\w ,]+) \| ", PAGE.split("## What the workflow does")[1], re.MULTILINE)
    assert [row.removesuffix(", twice") for row in rows] == names


def test_what_publishes_waits_for_the_approval() -> None:
    """Each job but the builds comes after the one whose environment asks somebody."""
    jobs = WORKFLOW["jobs"]
    assert jobs["sign"]["environment"] == "release"
    for name in set(jobs) - {"build", "sign"}:
        while name != "sign":
            name = jobs[name]["needs"]
    assert jobs["sign"]["needs"] == "build"


def test_a_build_has_no_cache_and_no_rights() -> None:
    """What another run left could be in the release otherwise."""
    text = (ROOT / ".github/workflows/release.yml").read_text()
    assert "actions/cache" not in text
    assert WORKFLOW["jobs"]["build"]["permissions"] == {"contents": "read"}


@pytest.mark.slow
def test_its_commits_are_in_git() -> None:
    """A typing error would be noticed by nobody until the tags are gone; the tag of a release names the same commit."""
    for released in previous.listed(ROOT):
        assert previous.git("cat-file", "-t", released.commit).strip() == b"commit"
    commits = {each.version: each.commit for each in previous.listed(ROOT)}
    for released in previous.tagged(ROOT):
        assert commits.get(released.version, released.commit) == released.commit


def test_each_release_is_in_the_table() -> None:
    """But for the newest, which is tagged before its row can be written, and those that have no section yet."""
    text = changelog.PAGE.read_text()
    released = re.findall(r"^## \[(\d[^\]]*)\]", text, re.MULTILINE)
    rows = re.findall(r"^\| (\d+\.\d+\.\d+) \| `[0-9a-f]{40}` \|$", PAGE, re.MULTILINE)
    assert released[0] == version.source()
    assert len(rows) == len(set(rows))
    assert set(rows) in ({*released}, {*released[1:]})
