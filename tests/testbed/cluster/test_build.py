"""The build: one cache, one build at a time, errors with their fix. A stand-in for `go` does the compiling."""

from __future__ import annotations

import concurrent.futures
import os
from pathlib import Path

import pytest

from testbed.cluster import build, toolchain
from testbed.cluster.build import BuildError

STAND_IN = """#!/bin/sh
if [ "$1" = env ]; then echo go{release}; exit; fi
echo "$@" >> "{log}"
{also}
while [ "$1" != -o ]; do shift; done
echo binary > "$2"
"""


class StandIn:
    """A `go` on PATH that notes how it was called."""

    def __init__(self, directory: Path, patch: pytest.MonkeyPatch) -> None:
        self.log = directory / "calls"
        self.program = directory / "bin" / "go"
        self.cache = directory / "cache"
        self.program.parent.mkdir()
        patch.setenv("PATH", os.pathsep.join([str(self.program.parent), "/usr/bin", "/bin"]))
        patch.setenv("M365WI_CACHE", str(self.cache))
        self.becomes()

    def becomes(self, *, release: str = "1.99.0", also: str = "") -> None:
        """Is of another release, or does something before it writes the binary."""
        self.program.write_text(STAND_IN.format(release=release, log=self.log, also=also), encoding="utf-8")
        self.program.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        return self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """The stand-in and an empty cache."""
    return StandIn(tmp_path, monkeypatch)


def test_a_binary_is_built_once(go: StandIn) -> None:
    """The second call finds it in the cache, without Go."""
    said: list[str] = []
    path = build.binary("kube-apiserver", "1.34", report=said.append)
    assert path == build.binary("kube-apiserver", "1.34")
    assert path.read_text(encoding="utf-8") == "binary\n"
    assert len(go.calls) == 1
    assert go.calls[0].endswith("k8s.io/kubernetes/cmd/kube-apiserver")
    assert [line.split(":")[0] for line in said] == ["kube-apiserver v1.34.4", "kube-apiserver v1.34.4"]


def test_the_version_is_stamped_and_paths_are_trimmed(go: StandIn) -> None:
    """The flags of the recipe: no symbols, no paths of this machine, the version that the program reports."""
    build.binary("kubectl")
    assert "-trimpath" in go.calls[0]
    assert (
        f"-s -w -X k8s.io/component-base/version.gitVersion={build.module_of('kubectl', '1.37').version}" in go.calls[0]
    )


def test_kubectl_is_shared_by_the_minors(go: StandIn) -> None:
    """One kubectl serves both API servers."""
    assert build.binary("kubectl", "1.34") == build.binary("kubectl", "1.37")
    assert len(go.calls) == 1


def test_parallel_workers_build_once(go: StandIn) -> None:
    """A process that waited for the lock finds the binary."""
    go.becomes(also="sleep 0.2")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        paths = set(pool.map(lambda _: build.binary("etcd"), range(4)))
    assert len(paths) == 1
    assert len(go.calls) == 1


def test_a_failed_build_is_explained_and_leaves_nothing(go: StandIn) -> None:
    """The error has the tool, the command, the end of its output and what to do; the next call tries again."""
    go.becomes(also='echo "no such host"; exit 1')
    with pytest.raises(BuildError) as error:
        build.binary("etcd")
    for part in (
        "etcd: exit status 1",
        "go build -mod=readonly",
        "    no such host",
        "To fix it: run it by hand in testbed/cluster/go/etcd",
    ):
        assert part in str(error.value)
    assert [path for path in go.cache.rglob("*") if path.is_file()] == [go.cache / "build.lock"]
    go.becomes()
    assert build.binary("etcd").exists()


def test_the_key_changes_with_the_dependencies(tmp_path: Path) -> None:
    """Another go.sum is another directory: a binary is never taken for one of other dependencies."""
    (tmp_path / "go.mod").write_text("go 1.26.0\nrequire k8s.io/kubernetes v1.37.2\n", encoding="utf-8")
    (tmp_path / "go.sum").write_text("one", encoding="utf-8")
    module = build.Module(tmp_path, "k8s.io/kubernetes")
    before = module.key
    (tmp_path / "go.sum").write_text("other", encoding="utf-8")
    assert module.key != before


@pytest.mark.parametrize("minor", build.MINORS)
def test_each_minor_is_the_one_its_directory_says(minor: str) -> None:
    """go/k8s-1.37 builds 1.37.x."""
    assert build.module_of("kube-apiserver", minor).version.startswith(f"v{minor}.")


def test_an_unknown_minor_is_refused() -> None:
    """The error names those there are."""
    with pytest.raises(BuildError, match=r"Kubernetes 1\.12 is not one of 1\.37, 1\.34"):
        build.binary("kube-apiserver", "1.12")


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """M365WI_CACHE before XDG_CACHE_HOME before ~/.cache."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("M365WI_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert build.cache_root() == tmp_path / ".cache" / "m365wi"
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert build.cache_root() == Path("/xdg/m365wi")
    monkeypatch.setenv("M365WI_CACHE", "/named")
    assert build.cache_root() == Path("/named")


def test_an_old_go_on_path_is_passed_over(go: StandIn) -> None:
    """Go 1.25 cannot build 1.37: PyPI's, once in the cache, is taken instead."""
    go.becomes(release="1.25.9")
    pinned = next(line for line in toolchain.REQUIREMENTS.read_text(encoding="utf-8").splitlines() if "==" in line)
    installed = go.cache / pinned.split()[0].replace("==", "-") / "go" / "bin" / "go"
    installed.parent.mkdir(parents=True)
    installed.touch()
    said: list[str] = []
    assert toolchain.find_go(at_least=(1, 26, 0), cache=go.cache, report=said.append) == installed
    go.becomes(release="1.26.0")
    assert toolchain.find_go(at_least=(1, 26, 0), cache=go.cache, report=said.append) == go.program
    assert said == []


def test_the_command_prints_where_the_binaries_are(go: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    """`--version 1.34` builds one minor: its API server and controller-manager, etcd and kubectl."""
    assert build.main(["--version", "1.34"]) == 0
    names = [Path(line).name for line in capsys.readouterr().out.splitlines()]
    assert names == ["etcd", "kube-apiserver", "kubectl", "kube-controller-manager"]
    assert build.missing("1.34") == []
    assert build.missing("1.37") == ["kube-apiserver", "kube-controller-manager"]


def test_the_command_fails_in_words(go: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    """A failed build is exit status 1 and its explanation on stderr, no traceback."""
    go.becomes(also="exit 2")
    assert build.main(["--version", "1.37", "--all"]) == 1
    assert "etcd: exit status 2" in capsys.readouterr().err
