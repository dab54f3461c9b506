"""What differs on kind, against programs that only write down how they were called: Docker is not needed."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from testbed.cluster.processes import ClusterError
from testbed.node import images, kind
from testbed.node.node import ISSUER

Calls = Callable[[], list[list[str]]]

# Writes its name and arguments down; makes the file that kind would, and that `docker save` would.
STAND_IN = """#!{python}
import json, os, pathlib, shlex, sys
call = [os.path.basename(sys.argv[0]), *sys.argv[1:]]
with open({log!r}, "a") as log:
    log.write(shlex.join(call) + "\\n")
flags = dict(zip(call, call[1:]))
if call[:3] == ["kind", "create", "cluster"]:
    pathlib.Path({config!r}).write_text(pathlib.Path(flags["--config"]).read_text())
    pathlib.Path(flags["--kubeconfig"]).write_text("current-context: kind-" + flags["--name"])
if call[:2] == ["docker", "exec"] and call[-1] == "fail":
    sys.exit("no such command")
print("said by", *call[-1:])
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Puts stand-ins for docker, kind and kubectl in place; gives what was called so far."""
    log = tmp_path / "calls"
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("docker", "kind", "kubectl"):
        text = STAND_IN.format(python=sys.executable, log=str(log), config=str(tmp_path / "kind.json"))
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("M365WI_CACHE", str(tmp_path / "cache"))
    return lambda: [shlex.split(line) for line in log.read_text().splitlines()]


@pytest.mark.slow
def test_the_cluster_is_made_for_the_run_with_our_issuer_and_deleted_after_it(calls: Calls, tmp_path: Path) -> None:
    """kind create with a configuration that sets the issuer for both of kubeadm's versions, and kind delete."""
    with kind.open_node() as node:
        assert node.name == f"m365wi-{os.getpid()}"
        made = calls()[-1]
    configuration = yaml.safe_load((tmp_path / "kind.json").read_text())
    patches = [yaml.safe_load(patch) for patch in configuration["kubeadmConfigPatches"]]
    arguments = {patch["apiVersion"]: patch["apiServer"]["extraArgs"] for patch in patches}
    assert arguments == {
        "kubeadm.k8s.io/v1beta3": {"service-account-issuer": ISSUER},
        "kubeadm.k8s.io/v1beta4": [{"name": "service-account-issuer", "value": ISSUER}],
    }
    assert made[:5] == ["kind", "create", "cluster", "--name", node.name]
    assert calls()[-1][:5] == ["kind", "delete", "cluster", "--name", node.name]


@pytest.mark.slow
def test_commands_and_images_reach_the_node(calls: Calls, tmp_path: Path) -> None:
    """A command goes through docker exec, and tells when it fails; an image is loaded from its file."""
    with kind.open_node() as node:
        assert node.run("ctr", "version") == "said by version\n"
        assert calls()[-1] == ["docker", "exec", f"{node.name}-control-plane", "ctr", "version"]
        with pytest.raises(ClusterError, match="no such command"):
            node.run("fail")
        node.load(images.Image("any", tmp_path / "any.tar"))
        load = ["kind", "load", "image-archive", str(tmp_path / "any.tar"), "--name", node.name]
        assert calls()[-1] == load


@pytest.mark.slow
def test_docker_builds_what_buildah_builds(calls: Calls) -> None:
    """The same names and contexts, the real Dockerfile on the base that it names itself."""
    built = images.build_all(kind.Docker())
    assert list(built) == [images.BUSYBOX, images.WEBHOOK, images.PREVIOUS, images.TESTS]
    ours, previous, tests = (call for call in calls() if call[:2] == ["docker", "build"])
    assert ours[-3:] == ["--tag", images.WEBHOOK, str(images.CHECKOUT)]
    assert not any(argument.startswith("BASE=") for argument in (*ours, *previous))
    assert f"IMAGE={images.WEBHOOK}" in tests
    saved = [call[-1] for call in calls() if call[:2] == ["docker", "save"]]
    assert saved == list(built)


@pytest.mark.slow
def test_docker_builds_again_from_the_beginning(calls: Calls) -> None:
    """Else a second build would be the first one, and always the same."""
    assert images.build_again(kind.Docker()).name == images.AGAIN
    (build,) = (call for call in calls() if call[:2] == ["docker", "build"])
    assert "--no-cache" in build
    assert build[-3:] == ["--tag", images.AGAIN, str(images.CHECKOUT)]
