"""The image that the real Dockerfile makes: what it says of itself, and what is in it and what is not."""

from __future__ import annotations

import json
import re
import tarfile
from typing import Any

import pytest

from testbed.node import images
from testbed.node.images import CHECKOUT, Image
from testbed.node.pods import RESTRICTED_CONTAINER, AnyNode, a_pod, run_to_end
from testbed.node.ready import builder
from webhook import __version__

pytestmark = [pytest.mark.node, pytest.mark.timeout(600)]

LARGEST = 150_000_000  # bytes, uncompressed
LOOK = """
import importlib.util, json, os, pathlib, shutil, subprocess, sys
import m365_identity, webhook

def version(command):
    return subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout.strip()

def writable(folder):
    return os.access(folder, os.W_OK)

PROGRAMS = "sh bash busybox apt dpkg pip pip3 gcc cc ld perl".split()
FOLDERS = os.environ["PATH"] + ":/bin:/sbin:/usr/bin:/usr/sbin:/usr/local/bin:/usr/local/sbin"
MODULES = "pip setuptools ensurepip wheel tests".split()
libraries = [pathlib.Path(os.__file__).parent, pathlib.Path(webhook.__file__).parents[1]]
modules = [path for library in libraries for path in library.rglob("*.py")]
print(json.dumps({
    "user": [os.getuid(), os.getgid()],
    "programs": [name for name in PROGRAMS if shutil.which(name, path=FOLDERS)],
    "modules": [name for name in MODULES if importlib.util.find_spec(name)],
    "python": "%d.%d" % sys.version_info[:2],
    "versions": [version("m365-webhook"), version("m365-identity")],
    "writable": [folder for folder in ("/", "/tmp", "/opt/m365wi") if writable(folder)],
    "uncompiled": [str(path) for path in modules if not os.path.exists(importlib.util.cache_from_source(path))],
}))
"""


def configuration(image: Image) -> dict[str, Any]:
    """The image's configuration, out of its archive."""
    with tarfile.open(image.archive) as archive:
        manifest = archive.extractfile("manifest.json")
        assert manifest is not None
        content = archive.extractfile(json.load(manifest)[0]["Config"])
        assert content is not None
        found: dict[str, Any] = json.load(content)
    return found


def test_the_image_says_how_it_is_run_and_what_it_is(built: dict[str, Image]) -> None:
    """Entry point, user, signal, labels and size; two layers, so that our next release replaces the small one."""
    found = configuration(built[images.WEBHOOK])
    settings = found["config"]
    assert settings["Entrypoint"] == ["m365-webhook"]
    assert settings["Cmd"] == ["serve"]
    assert settings["User"] == "65532:65532"
    assert settings["StopSignal"] == "SIGTERM"
    assert set(settings["ExposedPorts"]) == {"9443/tcp", "8080/tcp"}
    labels = {name.rpartition(".")[2]: value for name, value in settings["Labels"].items() if "opencontainers" in name}
    assert labels.keys() == {"title", "description", "licenses", "version", "revision"}
    assert labels["version"] == f"{__version__}-test"
    assert len(found["rootfs"]["diff_ids"]) == 2
    assert built[images.WEBHOOK].archive.stat().st_size < LARGEST


def test_built_again_the_layers_are_the_same(built: dict[str, Image]) -> None:
    """Byte by byte: who builds a release from its sources can compare. Nothing of the first build is used."""
    again = configuration(images.build_again(builder()))
    assert again["rootfs"]["diff_ids"] == configuration(built[images.WEBHOOK])["rootfs"]["diff_ids"]


def test_the_image_holds_what_runs_and_nothing_that_installs(node: AnyNode, namespace: str) -> None:
    """As user 65532 with a read-only root: no shell, no package manager, no compiler; every module byte-compiled."""
    (python,) = re.findall(r"^ARG BASE=python:([0-9.]+)-slim$", (CHECKOUT / "Dockerfile").read_text(), re.MULTILINE)
    pod = a_pod("look", ["python", "-c", LOOK], image=images.WEBHOOK, labels={})
    security = {**RESTRICTED_CONTAINER, "readOnlyRootFilesystem": True, "runAsNonRoot": True}
    pod["spec"]["containers"][0]["securityContext"] = security
    assert json.loads(run_to_end(node, namespace, pod)) == {
        "user": [65532, 65532],
        "programs": [],
        "modules": [],
        "python": python,
        "versions": [__version__, __version__],
        "writable": [],
        "uncompiled": [],
    }
