"""What wheels bring beside Python's own: libraries linked into their modules, or copied beside them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cyclonedx.model.component import Component

from tools.release import embedded
from tools.release.contents import Image
from tools.release.errors import ReleaseError

PACKAGES = "opt/m365wi/lib/python3.13/site-packages"
CRATE = {
    "type": "library",
    "bom-ref": "registry+https://example.com/index#itoa@1.0.18",
    "name": "itoa",
    "version": "1.0.18",
    "scope": "required",
    "hashes": [{"alg": "SHA-256", "content": "a" * 64}],
    "licenses": [{"expression": "MIT OR Apache-2.0"}],
    "purl": "pkg:cargo/itoa@1.0.18",
}
COMPILER = {"type": "library", "name": "cc", "version": "1.6.0", "scope": "excluded", "purl": "pkg:cargo/cc@1.6.0"}
SAID = f"{PACKAGES}/fast_json-3.0.dist-info/sboms"


def a_bill(*components: dict[str, Any]) -> bytes:
    """A bill as maturin writes it."""
    return json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.5", "components": components}).encode()


def found_in(files: dict[str, bytes]) -> dict[str, list[Component]]:
    """The components that each distribution brings."""
    found: dict[str, list[Component]] = {}
    for name, component in embedded.components(Image({f"{PACKAGES}/{path}": files[path] for path in files}, {})):
        found.setdefault(name, []).append(component)
    return found


def test_a_bill_of_the_wheels_own_is_taken_over() -> None:
    """Each library with its licence and digest, also one inside of another; not what was needed to build."""
    nested = {"type": "library", "name": "outer", "version": "2", "components": [CRATE]}
    found = found_in({"fast_json-3.0.dist-info/sboms/rust.cyclonedx.json": a_bill(nested, COMPILER)})
    assert list(found) == ["fast-json"]
    outer, crate = found["fast-json"]
    assert (outer.name, outer.bom_ref.value) == ("outer", "inside:outer@2")
    assert (crate.name, crate.version, str(crate.purl)) == ("itoa", "1.0.18", "pkg:cargo/itoa@1.0.18")
    assert [each.content for each in crate.hashes] == ["a" * 64]
    assert len(crate.licenses) == 1


@pytest.mark.parametrize("content", [b"SPDXVersion: SPDX-2.3\n", b'{"spdxVersion": "SPDX-2.3"}'])
def test_a_bill_of_another_form_is_not_passed_over(content: bytes) -> None:
    """If it were, the image's bill would lack components, without an error."""
    with pytest.raises(ReleaseError, match="sboms/x is not a bill of CycloneDX"):
        found_in({"fast_json-3.0.dist-info/sboms/x": content})


def test_a_library_beside_a_package_is_a_file_with_a_digest() -> None:
    """As auditwheel puts it there; if auditwheel wrote a bill about it, that one says more."""
    library = {"fast_json.libs/libz-0cd84a2c.so.1.2.11": b"library", "fast_json/core.so": b"module"}
    (only,) = found_in(library)["fast-json"]
    assert (only.name, only.type.value) == ("libz-0cd84a2c.so.1.2.11", "file")
    assert next(iter(only.hashes)).alg.value == "SHA-256"
    zlib = {"type": "library", "name": "zlib", "version": "1.2.11"}
    described = library | {"fast_json-3.0.dist-info/sboms/auditwheel.cdx.json": a_bill(zlib)}
    assert [each.name for each in found_in(described)["fast-json"]] == ["zlib"]


def test_a_library_of_which_the_wheel_says_nothing_has_the_version_of_the_module() -> None:
    """Its text stands by itself; a module that has none is listed without."""
    files = {
        "uvloop-0.23.0.dist-info/METADATA": b"",
        "uvloop/loop.cpython-313-aarch64-linux-gnu.so": b"\0needs 1.2.3\0\0001.52.1\0",
        "cffi-2.1.1.dist-info/METADATA": b"",
        "_cffi_backend.cpython-313-aarch64-linux-gnu.so": b"\0",
    }
    found = {name: [(each.name, each.version) for each in each_of] for name, each_of in found_in(files).items()}
    assert found == {"uvloop": [("libuv", "1.52.1")], "cffi": [("libffi", None)]}


@pytest.mark.parametrize("module", [b"\0", b"\x001.2.3\x001.52.1\0"])
def test_a_module_that_does_not_say_its_version_any_more_is_told(module: bytes) -> None:
    """A wheel may be built in another way tomorrow."""
    files = {"uvloop-1.0.dist-info/METADATA": b"", "uvloop/loop.cpython-313-x86_64-linux-gnu.so": module}
    with pytest.raises(ReleaseError, match="expected libuv in its module loop"):
        found_in(files)


def test_a_module_that_is_gone_is_told() -> None:
    """The library may be elsewhere then."""
    with pytest.raises(ReleaseError, match="expected libyaml in its module _yaml"):
        found_in({"PyYAML-6.0.3.dist-info/METADATA": b""})
