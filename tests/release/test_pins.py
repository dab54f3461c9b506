"""Debian's packages of another build, for the same image again."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tools.release import debian, pins
from tools.release.debian import Package
from tools.release.errors import ReleaseError

LIBC = Package("libc6", "2.41-12+deb13u5", "arm64", "glibc", "a" * 64)
AUTHORITIES = Package("ca-certificates", "20260801", "all", "ca-certificates", "b" * 64)
OTHER = Package("libc6", "2.41-12+deb13u4", "amd64", "glibc", "c" * 64)


@pytest.fixture
def provenance(tmp_path: Path) -> Path:
    """Of an image with these packages, and with a wheel."""
    uris = {package.purl: package.sha256 for package in (LIBC, AUTHORITIES, OTHER)}
    uris["pkg:pypi/click@8.5.1?file_name=click-8.5.1-py3-none-any.whl"] = "d" * 64
    found = [{"uri": uri, "digest": {"sha256": sha256}} for uri, sha256 in uris.items()]
    source = {"name": "source", "digest": {"gitCommit": "e" * 40}}
    path = tmp_path / "image.oci.intoto.json"
    path.write_text(json.dumps({"predicate": {"buildDefinition": {"resolvedDependencies": [source, *found]}}}))
    return path


def test_apt_prefers_what_the_other_build_had(provenance: Path) -> None:
    """For one architecture, since another may have had another version."""
    said = pins.preferences(pins.read(provenance), "arm64")
    assert said == (
        "Package: ca-certificates\nPin: version 20260801\nPin-Priority: 1001\n\n"
        "Package: libc6\nPin: version 2.41-12+deb13u5\nPin-Priority: 1001\n"
    )


def test_the_same_packages_are_accepted(provenance: Path) -> None:
    """Also if there are fewer: each base has its own."""
    pins.check(pins.read(provenance), [LIBC])


@pytest.mark.parametrize(
    ("package", "said"),
    [
        (Package("libc6", "2.41-13", "arm64", "glibc", "a" * 64), "libc6 is 2.41-13, and was 2.41-12"),
        (Package("libc6", LIBC.version, "arm64", "glibc", "f" * 64), f"was {LIBC.version} (sha256 a"),
        (Package("libnew", "1", "arm64", "new", "a" * 64), "libnew 1 is not in that build"),
    ],
)
def test_another_package_is_refused(provenance: Path, package: Package, said: str) -> None:
    """A newer one, other bytes under the same version, one that was not there. It says where the old ones are."""
    with pytest.raises(ReleaseError, match=re.escape(said)) as refused:
        pins.check(pins.read(provenance), [AUTHORITIES, package])
    assert "DEBIAN_SECURITY_MIRROR=https://snapshot" in str(refused.value)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"predicate": {"buildDefinition": {"resolvedDependencies": []}}}'])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    """By its name."""
    path = tmp_path / "another.json"
    path.write_text(text)
    with pytest.raises(ReleaseError, match=r"another\.json"):
        pins.read(path)


def test_lists_of_a_day_that_is_over_are_read(
    provenance: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They expire. Only with digests to compare with: otherwise somebody could keep updates of security from us."""
    for name in ("DEBIAN_MIRROR", "DEBIAN_SECURITY_MIRROR"):
        monkeypatch.setenv(name, "https://mirror.example.com")
    (tmp_path / "keyring").touch()
    monkeypatch.setattr(debian, "KEYRINGS", (tmp_path / "keyring",))
    monkeypatch.setattr(debian, "_apt", lambda *_: None)
    for name, exactly in (("old", pins.read(provenance)), ("new", None)):
        debian.unpack(tmp_path / name, [], architecture="arm64", exactly=exactly)
        apt = tmp_path / f"{name}.apt"
        assert ("check-valid-until=no" in (apt / "sources.list").read_text()) is (exactly is not None)
        assert ("2.41-12+deb13u5" in (apt / "preferences").read_text()) is (exactly is not None)
