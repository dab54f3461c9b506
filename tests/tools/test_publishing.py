"""The scripts of the workflows that publish, run as GitHub runs them, with programs that only note what they get."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
WORKFLOWS = {path.name: yaml.safe_load(path.read_text()) for path in (ROOT / ".github/workflows").glob("*.yml")}
SOMEBODY = {f"GIT_{who}_{what}": "x@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
ENVIRONMENT = os.environ | SOMEBODY | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
TAGS = ("v0.9.1", "v0.10.0", "v0.11.0-rc.1")
# gh knows the releases of a folder, and writes down the commands that change one.
GH = """#!/bin/sh
if [ "$1 $2" = "release view" ]; then test -e "$RELEASES/$3"; else echo "$*" >> "$RELEASES/log"; fi
"""
# make commits to gh-pages. At its first run, somebody else has pushed to it meanwhile.
MAKE = """#!/bin/sh
set -e
commit() { git commit-tree "$(git mktree </dev/null)" -m "$1" $2; }
parent=$(git rev-parse --verify --quiet gh-pages) || true
if [ ! -e ../raced ]; then
  touch ../raced
  git push --quiet origin "$(commit theirs "${parent:+-p $parent}"):refs/heads/gh-pages"
fi
git update-ref refs/heads/gh-pages "$(commit "$2" "${parent:+-p $parent}")"
"""


def script(workflow: str, job: str, name: str) -> str:
    """The script of one step."""
    steps: list[dict[str, Any]] = WORKFLOWS[workflow]["jobs"][job]["steps"]
    (found,) = [step["run"] for step in steps if step.get("name") == name]
    return str(found)


def git(folder: Path, *arguments: str) -> str:
    """What git prints."""
    done = subprocess.run(["git", *arguments], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    return done.stdout


def run(text: str, folder: Path, **variables: str) -> None:
    """Runs a script as a step of a workflow without `shell`."""
    path = f"{folder.parent / 'bin'}:{os.environ['PATH']}"
    subprocess.run(["bash", "-e", "-c", text], cwd=folder, env=ENVIRONMENT | variables | {"PATH": path}, check=True)


def program(folder: Path, name: str, text: str) -> None:
    """A program that comes before the machine's own."""
    path = folder / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with releases; its origin is another one."""
    git(tmp_path, "init", "--quiet", "--bare", "origin")
    git(tmp_path, "clone", "--quiet", "origin", "checkout")
    folder = tmp_path / "checkout"
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "x")
    for tag in TAGS:
        git(folder, "tag", tag)
    program(tmp_path, "gh", GH)
    program(tmp_path, "make", MAKE)
    return folder


def publish(checkout: Path, tag: str, *there: str) -> list[str]:
    """What is asked of GitHub to publish a tag, if releases are there."""
    releases = checkout.parent / "releases"
    releases.mkdir()
    for each in there:
        (releases / each).touch()
    for name in ("image.oci/blobs/layer", "sbom/chart.cdx.json", "SHA256SUMS"):
        path = checkout / "dist/release" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (checkout / f"dist/air-gapped-{tag[1:]}.tar").touch()
    run(script("release.yml", "github", "Publish"), checkout, GITHUB_REF_NAME=tag, RELEASES=str(releases))
    return (releases / "log").read_text().splitlines()


@pytest.mark.parametrize(
    ("tag", "kind"), [("v0.10.0", "--latest"), ("v0.9.1", "--latest=false"), ("v0.11.0-rc.1", "--prerelease")]
)
def test_a_release_is_the_latest_if_it_is_the_newest(checkout: Path, tag: str, kind: str) -> None:
    """A patch of an older minor is not, and neither is a candidate. Files only: no part of the image."""
    (said,) = publish(checkout, tag)
    words = said.split()
    assert words[:5] == ["release", "create", tag, "--verify-tag", kind]
    files = {f"dist/air-gapped-{tag[1:]}.tar", "dist/release/SHA256SUMS", "dist/release/sbom/chart.cdx.json"}
    assert {word for word in words if word.startswith("dist/")} == files | {"dist/notes.md"}


def test_a_release_that_was_half_made_is_completed(checkout: Path) -> None:
    """The job runs again: files are uploaded over those that are there, and the notes stay as somebody edited them."""
    uploaded, edited = publish(checkout, "v0.10.0", "v0.10.0")
    assert uploaded.startswith("release upload v0.10.0 --clobber dist/")
    assert edited == "release edit v0.10.0 --draft=false"


@pytest.mark.parametrize("exists", [True, False])
def test_two_versions_of_the_site_may_be_pushed_at_the_same_time(checkout: Path, exists: bool) -> None:
    """A tag and the commit after it: the second takes what the first pushed, and pushes again."""
    if exists:
        git(checkout, "push", "--quiet", "origin", "HEAD:refs/heads/gh-pages")
    text = script("docs.yml", "publish", "Put this version beside the others")
    run(text, checkout, VERSION="v0.10.0", RELEASES=str(checkout.parent))
    subjects = git(checkout.parent / "origin", "log", "--format=%s", "gh-pages").split("\n")
    assert subjects[:2] == ["DOCS_VERSION=v0.10.0", "theirs"]


@pytest.mark.parametrize("workflow", ["release.yml", "docs.yml"])
def test_a_tag_waits_for_no_other(workflow: str) -> None:
    """GitHub cancels what waits in a group if another one comes: a security release has several tags."""
    group = WORKFLOWS[workflow]["concurrency"]["group"]
    assert "github.ref }}" in group


@pytest.mark.parametrize(("workflow", "job"), [("ci.yml", "ci"), ("nightly.yml", "release")])
def test_a_node_has_a_file_system_that_layers_can_be_stacked_in(workflow: str, job: str) -> None:
    """containerd's folder is below /tmp. overlayfs refuses the file system of a container, which is a stack itself."""
    container = WORKFLOWS[workflow]["jobs"][job]["container"]
    assert "--privileged" in container["options"]
    assert container["volumes"] == ["/tmp"]


@pytest.mark.parametrize("job", ["build", "sign"])
def test_a_job_that_runs_again_may_upload_again(job: str) -> None:
    """An artefact's name can be taken once in a run."""
    uploads = [step for step in WORKFLOWS["release.yml"]["jobs"][job]["steps"] if "upload" in step.get("uses", "")]
    assert uploads
    assert all(step["with"]["overwrite"] is True for step in uploads)


def test_a_fork_publishes_nothing() -> None:
    """Somebody who pushes our tags to a fork has made no release. Every job but the builds needs the one that asks."""
    assert WORKFLOWS["release.yml"]["jobs"]["sign"]["if"] == "${{ !github.event.repository.fork }}"
