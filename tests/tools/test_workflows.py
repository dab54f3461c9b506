"""The workflows are safe, and what they call exists: make targets, scripts, modules of ours."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools import workflows

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
WORKFLOWS = {path.name: yaml.safe_load(path.read_text()) for path in FILES}
JOBS = [(name, job, workflow["jobs"][job]) for name, workflow in WORKFLOWS.items() for job in workflow["jobs"]]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):.*##", MAKEFILE, re.MULTILINE))
# Rights to change something, and the only jobs that have them.
WRITERS = {
    ("codeql.yml", "analyze"): {"security-events"},
    ("docs.yml", "publish"): {"contents"},
    ("locks.yml", "propose"): {"actions", "contents", "pull-requests"},
    ("release.yml", "sign"): {"attestations", "id-token"},
    ("release.yml", "registry"): {"packages"},
    ("release.yml", "pypi"): {"id-token"},
    ("release.yml", "github"): {"contents"},
    ("scorecard.yml", "scorecard"): {"id-token", "security-events"},
}


def steps(job: dict[str, Any], key: str) -> list[Any]:
    """The values of a key in the steps of a job."""
    return [step[key] for step in job["steps"] if key in step]


@pytest.mark.slow
def test_both_tools_find_nothing() -> None:
    """actionlint and zizmor, as in `make check`."""
    assert workflows.problems() == ""


BAD = """
name: Bad
on: pull_request
jobs:
  one:
    runs-on: ubuntu-24.04
    needs: two
    steps:
      - uses: actions/checkout@v7
      - run: echo "${{ github.event.pull_request.title }}"
"""


@pytest.mark.slow
def test_both_tools_are_heard(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A job that does not exist, an action without a commit, a stranger's text in a script: each is named."""
    (tmp_path / ".github/workflows").mkdir(parents=True)
    (tmp_path / ".github/workflows/bad.yml").write_text(BAD)
    assert workflows.main(tmp_path) == 1
    said = capsys.readouterr().out
    for found in (
        'needs job "two"',
        "[unpinned-uses]",
        "[template-injection]",
        "[artipacked]",
        "[excessive-permissions]",
    ):
        assert found in said


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_action_is_pinned_by_its_commit(path: Path) -> None:
    """With the version beside it, which Dependabot reads and writes."""
    lines = re.findall(r"uses: (.*)", path.read_text())
    assert [line for line in lines if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []


def test_an_action_has_one_version() -> None:
    """In every workflow, so that an upgrade forgets none."""
    pins = {pin for path in FILES for pin in re.findall(r"uses: (.*)", path.read_text())}
    repositories = [re.sub(r"^([^/]+/[^/@]+)[^@]*(@.*)$", r"\1 \2", pin) for pin in pins]
    assert len({each.split()[0] for each in repositories}) == len(set(repositories))


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_has_no_rights_of_its_own(name: str) -> None:
    """And one run at a time, so that none overtakes another."""
    assert WORKFLOWS[name]["permissions"] == {}
    assert "concurrency" in WORKFLOWS[name]


@pytest.mark.parametrize(("name", "job"), [(name, job) for name, job, _ in JOBS])
def test_a_job_has_the_rights_that_it_needs_and_an_end(name: str, job: str) -> None:
    """Only the jobs of WRITERS may change anything."""
    content = WORKFLOWS[name]["jobs"][job]
    assert content["timeout-minutes"] <= 120
    written = {right for right, access in content["permissions"].items() if access != "read"}
    assert written == WRITERS.get((name, job), set())


@pytest.mark.parametrize(("name", "job"), [(name, job) for name, job, _ in JOBS])
def test_a_checkout_keeps_no_password(name: str, job: str) -> None:
    """Otherwise every later program of the job could read it."""
    for step in WORKFLOWS[name]["jobs"][job]["steps"]:
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_scripts_get_values_as_variables() -> None:
    """An expression in a script would be part of the script."""
    assert [script for _, _, job in JOBS for script in steps(job, "run") if "${{" in script] == []


def test_what_is_made_has_a_target() -> None:
    """Also the targets of a matrix."""
    scripts = "\n".join(script for _, _, job in JOBS for script in steps(job, "run"))
    called = set(re.findall(r"\bmake ([a-z-]+)", scripts))
    for _, _, job in JOBS:
        matrix = job.get("strategy", {}).get("matrix", {})
        called |= set(matrix.get("target", ())) | {each["target"] for each in matrix.get("include", ())}
    assert called
    assert called <= TARGETS


def test_what_is_run_exists() -> None:
    """Scripts of this repository, and modules of ours."""
    scripts = "\n".join(script for _, _, job in JOBS for script in steps(job, "run"))
    for name in re.findall(r"(?<!\S)(\.?[\w-]+/[\w./-]+\.sh|\.ci/\w+)", scripts):
        assert (ROOT / name).exists()
    for module in re.findall(r"-m (tools\.[\w.]+)", scripts):
        assert (ROOT / f"{module.replace('.', '/')}.py").exists()


def test_a_change_must_pass_what_anybody_can_run() -> None:
    """CI is .ci/run, with the whole history: it has the release before this one."""
    job = WORKFLOWS["ci.yml"]["jobs"]["ci"]
    assert steps(job, "run")[-1] == ".ci/run"
    (depth,) = [step["with"]["fetch-depth"] for step in job["steps"] if "checkout" in step.get("uses", "")]
    assert depth == 0


@pytest.mark.slow
@pytest.mark.parametrize(("version", "latest"), [("v0.9.1", False), ("v0.10.0", True), ("dev", False)])
def test_a_patch_of_an_older_release_does_not_open_the_site(tmp_path: Path, version: str, latest: bool) -> None:
    """`latest` is the newest release by its numbers; a candidate is not one."""
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com"]
    for command in (["init", "--quiet"], ["commit", "--quiet", "--allow-empty", "--message=…"]):
        subprocess.run([*git, *command], cwd=tmp_path, check=True)
    for tag in ("v0.9.1", "v0.10.0", "v0.11.0-rc.1"):
        subprocess.run([*git, "tag", tag], cwd=tmp_path, check=True)
    make = ["make", "-n", "-f", str(ROOT / "Makefile"), "-o", "build/docs-venv/set-up", "docs-version"]
    done = subprocess.run([*make, f"DOCS_VERSION={version}"], cwd=tmp_path, capture_output=True, text=True, check=True)
    (deploy,) = re.findall(r"mike deploy --update-aliases (.*)", done.stdout)
    assert deploy.split() == [version.removeprefix("v"), *(["latest"] if latest else [])]


def test_what_a_build_depends_on_is_in_the_key_of_the_cache() -> None:
    """A file that is renamed would leave the key empty, and the cache as it was."""
    text = "".join(path.read_text() for path in FILES)
    for names in re.findall(r"hashFiles\(([^)]*)\)", text):
        for name in re.findall(r"'([^']+)'", names):
            assert list(ROOT.glob(name)), name


# The file that each ecosystem of Dependabot reads.
READ = {
    "cargo": "Cargo.toml",
    "docker": "Dockerfile",
    "github-actions": "action.yml",
    "gomod": "go.mod",
    "maven": "pom.xml",
    "npm": "package.json",
}


def watched() -> list[tuple[str, str]]:
    """The ecosystems of Dependabot, each with a folder from the top, which may have a star."""
    updates = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text())["updates"]
    return [
        (update["package-ecosystem"], folder.strip("/"))
        for update in updates
        for folder in update.get("directories", [update.get("directory")])
    ]


@pytest.mark.parametrize(("ecosystem", "folder"), watched())
def test_dependabot_looks_where_something_is(ecosystem: str, folder: str) -> None:
    """The folder has the file that is read."""
    assert list(ROOT.glob(f"{folder}/{READ[ecosystem]}".lstrip("/")))


@pytest.mark.parametrize("ecosystem", ["cargo", "gomod", "maven", "npm"])
def test_dependabot_forgets_no_folder(ecosystem: str) -> None:
    """Of the testbed. Python's locks are the matter of locks.yml."""
    folders = [folder for each, folder in watched() if each == ecosystem]
    found = [path.parent.relative_to(ROOT) for path in (ROOT / "testbed").rglob(READ[ecosystem])]
    assert [path for path in found if not any(path.match(folder) for folder in folders)] == []
