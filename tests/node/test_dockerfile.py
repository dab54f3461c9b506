"""What the Dockerfile says without being built."""

from __future__ import annotations

import re

from testbed.node.images import CHECKOUT
from webhook import __version__


def text(name: str) -> str:
    """A file of the checkout."""
    return (CHECKOUT / name).read_text(encoding="utf-8")


def test_the_version_is_the_sources() -> None:
    """An image that is built without any argument says which version it is."""
    assert re.findall(r"^ARG VERSION=(.+)$", text("Dockerfile"), re.MULTILINE) == [__version__]


def test_no_registry_or_index_is_named() -> None:
    """The builder chooses where packages come from; the only image that is named is Docker's own."""
    assert re.findall(r"^ARG BASE=(.+)$", text("Dockerfile"), re.MULTILINE) == ["python:3.13-slim"]
    assert re.findall(r"^FROM (.+?)(?: AS \w+)?$", text("Dockerfile"), re.MULTILINE) == [
        "${BASE}",
        "--platform=${BUILDPLATFORM} ${BUILD_BASE}",
        "build",
        "scratch",
    ]
    sources = [path.read_text(encoding="utf-8") for path in (CHECKOUT / "image").glob("*.py")]
    assert "://" not in text("Dockerfile") + "".join(sources)


def test_what_is_installed_is_locked() -> None:
    """Every requirement of the image has a version and hashes, and comes as a wheel."""
    lines = [line for line in text("requirements.txt").splitlines() if line and line[0].isalnum()]
    assert lines
    assert all("==" in line and line.endswith("\\") for line in lines)
    assert "PIP_REQUIRE_HASHES=1" in text("Dockerfile")
    assert '"--only-binary", ":all:"' in text("image/install.py")


def test_what_is_installed_does_not_depend_on_the_machine_that_builds() -> None:
    """pip decides by the machine on which it runs whether a requirement with such a marker is needed."""
    markers = re.findall(r"^\S+ ; (.*?) \\$", text("requirements.txt"), re.MULTILINE)
    assert {word for marker in markers for word in re.findall(r"[a-z_]+(?= [!=<>])", marker)} <= {
        "implementation_name",
        "platform_python_implementation",
        "python_full_version",
    }
