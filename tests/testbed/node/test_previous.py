"""The release before this one is found by its tag or by RELEASING.md, and a clone without it is told how to get it."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from testbed.cluster.processes import ClusterError
from testbed.node import previous

pytestmark = pytest.mark.slow

WHO = {f"GIT_{role}_{what}": "m@example.com" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


class Repository:
    """A repository of its own, with a RELEASING.md."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.git("init", "--quiet", "--initial-branch=main")
        self.rows: list[str] = []

    def git(self, *arguments: str) -> str:
        """What git prints."""
        environment = os.environ | WHO | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        done = subprocess.run(["git", *arguments], cwd=self.folder, env=environment, capture_output=True, check=True)
        return done.stdout.decode().strip()

    def commit(self, *rows: str) -> str:
        """Commits RELEASING.md with these rows as well; the commit."""
        self.rows += rows
        page = "\n".join(["| release | commit |", "|---|---|", *self.rows, "", "0.3.0 is not a row."])
        (self.folder / "RELEASING.md").write_text(page)
        self.git("add", ".")
        self.git("commit", "--quiet", "--allow-empty", "--message", "…")
        return self.git("rev-parse", "HEAD")

    def before(self) -> str:
        """The commit of the release before HEAD."""
        return previous.release.__wrapped__(self.folder).commit


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def test_before_the_first_release_it_is_the_commit_that_stands_in(repository: Repository) -> None:
    """Also at the tag of the first release itself."""
    stand_in = repository.commit()
    first = repository.commit(f"| before 0.1.0 | `{stand_in}` |")
    assert repository.before() == stand_in
    repository.git("tag", "v0.1.0")
    assert repository.before() == stand_in
    repository.commit()
    assert repository.before() == first


def test_without_the_tag_it_is_the_commit_in_the_table(repository: Repository) -> None:
    """A later release wins, whichever of the two names it; the numbers of versions are compared as numbers."""
    stand_in = repository.commit()
    first = repository.commit(f"| before 0.1.0 | `{stand_in}` |")
    ninth = repository.commit(f"| 0.1.0 | `{first}` |")
    assert repository.before() == first
    tenth = repository.commit(f"| 0.9.0 | `{ninth}` |")
    repository.git("tag", "--annotate", "--message", "…", "v0.10.0")
    assert repository.before() == ninth
    repository.commit()
    assert repository.before() == tenth


def test_a_candidate_is_not_a_release(repository: Repository) -> None:
    """Nor is the tag of another branch."""
    first = repository.commit()
    repository.git("tag", "v0.1.0")
    repository.commit()
    repository.git("tag", "v0.2.0-rc.1")
    repository.git("switch", "--quiet", "--create", "other")
    repository.commit()
    repository.git("tag", "v0.3.0")
    repository.git("switch", "--quiet", "main")
    repository.commit()
    assert repository.before() == first


def test_a_shallow_clone_is_told_to_fetch(repository: Repository, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The test must not pass without an upgrade."""
    stand_in = repository.commit()
    repository.commit(f"| before 0.1.0 | `{stand_in}` |")
    clone = tmp_path_factory.mktemp("clone") / "it"
    repository.git("clone", "--quiet", "--depth=1", f"file://{repository.folder}", str(clone))
    with pytest.raises(ClusterError, match=rf"{stand_in} \(release 0\), which this clone does not have") as refused:
        previous.release.__wrapped__(clone)
    assert "git fetch --unshallow --tags" in str(refused.value)


def test_without_any_row_it_is_an_error(repository: Repository) -> None:
    """HEAD is not the release before itself."""
    repository.commit()
    with pytest.raises(ClusterError, match=r"RELEASING\.md names no release before"):
        repository.before()


def test_this_clone_has_it() -> None:
    """And its source has what the tests take from it."""
    assert re.fullmatch("[0-9a-f]{40}", previous.release().commit)
    assert "kind: Deployment" in previous.text("manifests/install.yaml")
    assert previous.text("manifests/chart/Chart.yaml")
