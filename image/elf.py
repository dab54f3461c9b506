"""What a program or shared library says of itself, for any kind of processor: ELF files of 64 bits, little-endian."""

import struct
from dataclasses import dataclass
from pathlib import Path

MACHINES = {62: "x86_64", 183: "aarch64"}
_LOAD, _DYNAMIC, _INTERPRETER = 1, 2, 3
_NEEDED, _STRINGS, _RPATH, _RUNPATH = 1, 5, 15, 29


@dataclass(frozen=True)
class Elf:
    """One file."""

    machine: str  # as `uname -m` prints it
    interpreter: str | None  # the loader, of a program
    needed: tuple[str, ...]  # names of shared libraries
    search: tuple[str, ...]  # folders in which they are looked for first; $ORIGIN is that of the file


def read(path: Path) -> Elf | None:
    """None if the file is of another format."""
    with path.open("rb") as file:
        if file.read(6) != b"\x7fELF\x02\x01":
            return None
        file.seek(0)
        return _parse(file.read())


def _parse(content: bytes) -> Elf:
    machine = struct.unpack_from("<H", content, 18)[0]
    (table,) = struct.unpack_from("<Q", content, 32)
    size, count = struct.unpack_from("<HH", content, 54)
    loaded: list[tuple[int, int, int]] = []  # address, place in the file, length
    dynamic: dict[int, list[int]] = {}
    interpreter = None
    for index in range(count):
        kind, _, offset, address, _, length = struct.unpack_from("<IIQQQQ", content, table + index * size)
        if kind == _LOAD:
            loaded.append((address, offset, length))
        elif kind == _INTERPRETER:
            interpreter = _text(content, offset)
        elif kind == _DYNAMIC:
            for place in range(offset, offset + length, 16):
                tag, value = struct.unpack_from("<QQ", content, place)
                dynamic.setdefault(tag, []).append(value)
    strings = sum(
        offset + dynamic[_STRINGS][0] - address
        for address, offset, length in loaded
        if _STRINGS in dynamic and address <= dynamic[_STRINGS][0] < address + length
    )
    texts = {
        tag: [_text(content, strings + value) for value in dynamic.get(tag, [])] for tag in (_NEEDED, _RPATH, _RUNPATH)
    }
    search = [folder for text in texts[_RUNPATH] or texts[_RPATH] for folder in text.split(":") if folder]
    return Elf(MACHINES.get(machine, f"machine {machine}"), interpreter, tuple(texts[_NEEDED]), tuple(search))


def _text(content: bytes, place: int) -> str:
    return content[place : content.index(b"\0", place)].decode()
