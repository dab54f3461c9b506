"""Which shared libraries programs load, found without running them, as the loader of glibc looks for them."""

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import elf
from base import BASE, exists, files, real, within


def machine(program: Path) -> str:
    """The kind of processor of a program of the base."""
    found = elf.read(within(BASE, real(program)))
    if found is None:
        sys.exit(f"{program} is not a program: expected an ELF file of 64 bits")
    return found.machine


def loaded_by(program: Path, root: Path) -> list[Path]:
    """The loader and the libraries of the base that `program`, and what `root` has already, load."""
    kind = machine(program)
    found: dict[Path, None] = {}
    missing: set[str] = set()
    waiting = [(program, within(BASE, real(program))), *((path, within(root, path)) for path in files(root))]
    while waiting:
        path, content = waiting.pop()
        binary = elf.read(content)
        if binary is None:
            continue
        if binary.machine != kind:
            sys.exit(f"{path} is for {binary.machine}, and Python for {kind}")
        names = [*binary.needed, *([binary.interpreter] if binary.interpreter else [])]
        for name in names:
            own = [Path(os.path.normpath(folder.replace("$ORIGIN", str(path.parent)))) for folder in binary.search]
            if any(within(root, folder / name).exists() for folder in own):
                continue  # a library that a Python package brings
            library = next((place for place in _places(name, own, kind) if exists(place)), None)
            if library is None:
                missing.add(name)
            elif library not in found:
                found[library] = None
                waiting.append((library, within(BASE, real(library))))
    if missing:
        sys.exit(f"missing in the base image: {', '.join(sorted(missing))}")
    return sorted(found)


def _places(name: str, own: Iterable[Path], kind: str) -> Iterator[Path]:
    if name.startswith("/"):
        yield Path(name)
        return
    triplet = f"{kind}-linux-gnu"
    system = ("/usr/local/lib", f"/lib/{triplet}", f"/usr/lib/{triplet}", "/lib", "/usr/lib")
    for folder in (*own, *map(Path, system)):
        yield folder / name
