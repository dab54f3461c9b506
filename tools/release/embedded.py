"""What the wheels in the image bring beside Python's own: libraries that were linked into them, or copied beside them.

a bill of its own   NAME.dist-info/sboms/*.json, by PEP 770: OpenSSL in cryptography, crates in what is of Rust
a shared library    NAME.libs/*.so*, where auditwheel puts it
LINKED              what the wheel says nothing of, with the version that stands in its compiled module, if any
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, Final

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from packageurl import PackageURL

from tools.release.contents import Image, normal
from tools.release.errors import ReleaseError

__all__ = ["LINKED", "PREFIX", "components"]

PREFIX: Final = "inside:"  # of the references of what is inside of a wheel
# By wheel: its compiled module, the library in it, and the text of its version: "" if the module does not have it.
LINKED: Final = {
    "aiohttp": ("_http_parser", "llhttp", ""),
    "cffi": ("_cffi_backend", "libffi", ""),
    "httptools": ("parser", "llhttp", ""),
    "pyyaml": ("_yaml", "libyaml", r"0\.\d+\.\d+"),
    "uvloop": ("loop", "libuv", r"1\.\d+\.\d+"),
}


def components(image: Image) -> Iterator[tuple[str, Component]]:
    """Each, after the normal name of the distribution that brings it. Raises ReleaseError if one cannot be read."""
    for place in sorted(image.files):
        path = PurePosixPath(place)
        if path.name == "METADATA" and path.parent.suffix == ".dist-info":
            yield from _linked(image, path.parent)
        elif path.parent.name == "sboms" and path.parents[1].suffix == ".dist-info":
            yield from _of_bill(path, image.files[place])
        elif path.parent.suffix == ".libs" and ".so" in path.suffixes and not _described(image, path):
            yield _shared(path, image.files[place])


def _of_bill(path: PurePosixPath, content: bytes) -> Iterator[tuple[str, Component]]:
    """The components of a bill, but for those that were only needed to build."""
    try:
        bill: dict[str, Any] = json.loads(content)
    except ValueError:
        bill = {}
    if bill.get("bomFormat") != "CycloneDX":
        raise ReleaseError(f"{path} is not a bill of CycloneDX in JSON, which is all that we can read")
    for part in _flat(bill):
        found = Component.from_json(part)  # type: ignore[attr-defined]
        if found.scope is not ComponentScope.EXCLUDED:
            yield (
                _distribution(path.parents[1]),
                Component(
                    name=found.name,
                    version=found.version,
                    type=found.type,
                    bom_ref=f"{PREFIX}{found.purl or f'{found.name}@{found.version}'}",
                    hashes=found.hashes,
                    licenses=found.licenses,
                    purl=found.purl,
                ),
            )


def _flat(part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Components, and those inside of them."""
    for each in part.get("components", ()):
        yield {key: value for key, value in each.items() if key != "components"}
        yield from _flat(each)


def _shared(path: PurePosixPath, content: bytes) -> tuple[str, Component]:
    """A library that was copied beside a package; its name has a part of its digest, and often its version."""
    library = Component(
        name=path.name,
        type=ComponentType.FILE,
        bom_ref=f"{PREFIX}{path.parent.name}/{path.name}",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=hashlib.sha256(content).hexdigest())],
    )
    return normal(path.parent.stem), library


def _described(image: Image, path: PurePosixPath) -> bool:
    """Whether auditwheel wrote a bill about what it copied."""
    folder = re.compile(rf"{re.escape(path.parent.stem)}-[^/]*\.dist-info/sboms/auditwheel", re.IGNORECASE)
    return any(folder.search(place) for place in image.files)


def _linked(image: Image, metadata: PurePosixPath) -> Iterator[tuple[str, Component]]:
    """What LINKED knows of a distribution. Raises ReleaseError if that is not true any more."""
    name = _distribution(metadata)
    if name not in LINKED:
        return
    module, library, pattern = LINKED[name]
    named = re.compile(rf"/{module}\.[^/]*\.so$")
    binary = b"".join(content for place, content in sorted(image.files.items()) if named.search(place))
    versions = {each.decode() for each in re.findall(rf"\0({pattern})(?=\0)".encode(), binary)} if pattern else {""}
    if not binary or len(versions) != 1:
        raise ReleaseError(
            f"{metadata}: expected {library} in its module {module}, found {sorted(versions)}. Correct LINKED in "
            "tools/release/embedded.py"
        )
    (version,) = versions
    yield (
        name,
        Component(
            name=library,
            version=version or None,
            type=ComponentType.LIBRARY,
            bom_ref=f"{PREFIX}{library}@{version or name}",
            purl=PackageURL("generic", name=library, version=version or None),
            properties=[] if version else [Property(name="m365wi:version", value="not in the file")],
        ),
    )


def _distribution(metadata: PurePosixPath) -> str:
    return normal(metadata.name.removesuffix(".dist-info").rpartition("-")[0])
