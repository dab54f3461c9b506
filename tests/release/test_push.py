"""What is asked of a registry before something is pushed, with a crane that keeps its manifests in a folder."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.release import small
from tools.release.oci import Layout
from tools.release.programs import Failed
from tools.release.push import Refused, push

pytestmark = pytest.mark.slow

TEAM = "registry.example.com/team"
IMAGE = f"{TEAM}/m365-workload-identity"
# A repository is a folder, with a file of its tags. It can be read after the first push only, as in some registries.
CRANE = """#!PYTHON
import json, pathlib, sys

command, *arguments = sys.argv[1:]
repository, _, digest = arguments[-1].partition("@")
tag = ""
if command != "ls" and not digest:
    repository, _, tag = repository.rpartition(":")
tags = pathlib.Path(__file__).parent / repository / "tags.json"
known = json.loads(tags.read_text()) if tags.exists() else {}
if command == "push" and "forbidden" in repository:
    sys.exit("DENIED: you may not push")
if command == "push":
    (root,) = json.loads((pathlib.Path(arguments[0]) / "index.json").read_text())["manifests"]
    tags.parent.mkdir(parents=True, exist_ok=True)
    tags.write_text(json.dumps(known | ({tag: root["digest"]} if tag else {})))
elif not tags.exists():
    sys.exit("DENIED: requested access to the resource is denied")
else:
    print(*known if command == "ls" else [digest or known[tag]])
"""


@pytest.fixture(autouse=True)
def crane(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The registry's folder."""
    program = tmp_path / "registry" / "crane"
    program.parent.mkdir()
    program.write_text(CRANE.replace("PYTHON", sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("CRANE", str(program))
    return program.parent


def test_a_registry_may_deny_what_does_not_exist_yet(tmp_path: Path, crane: Path) -> None:
    """The first release of all arrives, by tag and digest; so does the same again."""
    dist = small.make(tmp_path / "release", [])
    index = Layout(dist / "image.oci").root.digest
    for _ in range(2):
        assert f"{IMAGE}@{index}" in [each.reference for each in push(dist, TEAM)]
    assert index in (crane / IMAGE / "tags.json").read_text()


def test_what_may_not_be_pushed_is_told_in_the_registrys_words(tmp_path: Path) -> None:
    """Not that the tag could not be looked up."""
    dist = small.make(tmp_path / "release", [])
    with pytest.raises(Failed, match="DENIED: you may not push"):
        list(push(dist, "registry.example.com/forbidden"))


def test_another_image_under_the_tag_stays(tmp_path: Path, crane: Path) -> None:
    """A version is never replaced."""
    dist = small.make(tmp_path / "release", [])
    tags = crane / IMAGE / "tags.json"
    tags.parent.mkdir(parents=True)
    tags.write_text('{"0.1.0": "sha256:another"}')
    with pytest.raises(Refused, match="is sha256:another already"):
        list(push(dist, TEAM))
    assert tags.read_text() == '{"0.1.0": "sha256:another"}'
