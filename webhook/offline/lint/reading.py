"""Files, folders and standard input: what is a manifest in them, and what cannot be read.

What is not a Kubernetes object is passed over: repositories are full of other YAML. The templates of a chart are, too,
with a note. A file that is named has to be readable, and one in a folder if it is about identities.

Of a folder, only files that may have to do with identities are parsed: those with our names or names like them, and
those that name a ServiceAccount of theirs. That is a few of the thousands that a repository may have.
"""

import itertools
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from webhook.core.messages import Message, message
from webhook.core.messages import lint as kinds
from webhook.core.messages import manifests as manifest_kinds
from webhook.core.names import AZURE_PREFIX, M365_PREFIX
from webhook.documents.files import STANDARD_INPUT, BadFile, FilePlace, Manifest, SourceFile, objects, source_of
from webhook.offline.lint.findings import Finding, found
from webhook.offline.lint.kustomize import FILES as KUSTOMIZATIONS
from webhook.offline.lint.objects import KUSTOMIZE, Object
from webhook.offline.operators import inner_values

MOST_FILES: Final = 10_000
LARGEST_FILE: Final = 16 * 1024 * 1024  # bytes
_SUFFIXES: Final = (".yaml", ".yml", ".json")
_OF_A_CHART: Final = (*_SUFFIXES, ".tpl")
_LEFT_OUT: Final = "node_modules"
_OF_AN_OBJECT: Final = ("apiVersion", "kind")
# What a misspelt prefix has, too (webhook.core.near_misses); JSON may escape the slash.
_LIKE_A_PREFIX: Final = re.compile(rb"(?:workload|identity)[\w.-]{0,40}(?=\\?/[A-Za-z])")
_BEFORE: Final = re.compile(rb"[\w.-]*\Z")
_SHORTEST_PREFIX: Final = 17  # characters; ours have 23
_AUDIENCE: Final = b"AzureADTokenExchange"  # a part of the audience of every cloud of Entra
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
# A key that stands twice is somebody else's business, unless it is one of these in an object that has our names in it.
_READ_BY_US: Final = {"metadata", "labels", "annotations", "serviceAccountName", "volumes", "env", "volumeMounts"}


@dataclass(frozen=True)
class Reading:
    """What was read. findings: what could not be. problems: why nothing can be said at all. files: all, in order."""

    files: tuple[str, ...]
    objects: tuple[Object, ...]
    findings: tuple[Finding, ...]
    problems: tuple[Message, ...]


class _Reader:
    def __init__(self, namespace: str, stdin: BinaryIO, stdin_name: str) -> None:
        self._namespace = namespace
        self._stdin = stdin
        self._stdin_name = stdin_name
        self.files: dict[str, None] = {}
        self._unread: list[Path] = []
        self.objects: list[Object] = []
        self.findings: list[Finding] = []
        self.problems: list[Message] = []

    @property
    def put_off(self) -> bool:
        """Whether there are files in the folders that have nothing to do with identities."""
        return bool(self._unread)

    def path(self, path: str) -> None:
        """Reads a file, a folder or standard input."""
        if path == STANDARD_INPUT:
            self._content(self._stdin_name, self._stdin.read(LARGEST_FILE + 1), named=True)
            return
        try:
            if not Path(path).is_dir():
                with Path(path).open("rb") as file:  # which may be a pipe
                    self._content(Path(path).as_posix(), file.read(LARGEST_FILE + 1), named=True)
                return
            for inner in self._walk(path):
                self._inner(inner)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            place = FilePlace(getattr(error, "filename", None) or path)
            self.problems.append(message(manifest_kinds.FILE_UNREADABLE, place, reason=reason))

    def rest(self) -> None:
        """Of the files that were put off, reads those that name a ServiceAccount of the others."""
        names = {each.manifest.name.encode() for each in self.objects if each.is_a("", "ServiceAccount")}
        if not names:
            return
        used = re.compile(
            rb"serviceAccount(?:Name)?\b[\"']?\s*:\s*[\"']?(?:%s)\b" % b"|".join(map(re.escape, sorted(names)))
        )
        for path in self._unread:
            data = path.read_bytes()
            if used.search(data):
                self._content(path.as_posix(), data, named=False)

    def _inner(self, path: Path) -> None:
        """A file of a folder."""
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
        name = path.as_posix()
        if name in self.files:
            return
        if path.name in KUSTOMIZATIONS or data[:2] in _UTF16:
            self._content(name, data, named=False)
        elif all(each.encode() in data for each in _OF_AN_OBJECT):
            self.files[name] = None
            if _is_about_identities(data):
                self._content(name, data, named=False)
            else:
                self._unread.append(path)

    def _walk(self, path: str) -> Iterator[Path]:
        """The files of a folder and of its folders, in the order of their names."""

        def refuse(error: OSError) -> None:
            raise error

        number = 0
        for folder, folders, files in os.walk(path, onerror=refuse):
            if "Chart.yaml" in files and "templates" in folders:
                folders[:] = [each for each in folders if each not in ("templates", "charts")]
                self._chart(Path(folder))
            folders[:] = sorted(each for each in folders if each[0] != "." and each != _LEFT_OUT)
            for name in sorted(files):
                file = Path(folder) / name
                if (file.suffix in _SUFFIXES or name in KUSTOMIZATIONS) and name[0] != "." and file.is_file():
                    number += 1
                    if number > MOST_FILES:
                        self.problems.append(message(kinds.TOO_MANY_FILES, FilePlace(path), limit=MOST_FILES))
                        return
                    yield file

    def _chart(self, folder: Path) -> None:
        """Says that the templates of a chart were passed over, if they have to do with identities."""
        files = itertools.islice(folder.rglob("*"), MOST_FILES)
        if any(
            _is_about_identities(file.read_bytes()) for file in files if file.suffix in _OF_A_CHART and file.is_file()
        ):
            name = (folder / "Chart.yaml").as_posix()
            place = FilePlace(name, file=name)
            note = message(kinds.CHART_NOT_RENDERED, place, folder=folder.as_posix())
            self.findings.append(found(note, place, title=folder.as_posix()))

    def _content(self, name: str, data: bytes, *, named: bool) -> None:
        self.files[name] = None
        if len(data) > LARGEST_FILE:
            self._unreadable(message(kinds.FILE_TOO_LARGE, FilePlace(name, file=name), limit=LARGEST_FILE))
            return
        try:
            source = source_of(name, data)
        except BadFile as error:
            if named or _is_about_identities(data):
                self._unreadable(error.problem)
            return
        for number in range(len(source.documents)):
            self._document(source, number, kustomization=Path(name).name in KUSTOMIZATIONS)

    def _document(self, source: SourceFile, number: int, *, kustomization: bool) -> None:
        value = source.documents[number].value
        if not isinstance(value, dict):
            return
        if kustomization and "kind" not in value:
            filled = {"apiVersion": f"{KUSTOMIZE}/v1beta1", "kind": "Kustomization", **value}
            self.objects.append(Object(Manifest(source, number, (), filled), ""))
            return
        if not any(key in value for key in _OF_AN_OBJECT) or not _is_complete(value):
            return
        problems: list[Message] = []
        inside = [Object(each, self._namespace) for each in objects(source, number, problems)]
        self.objects += inside
        for problem in problems:
            self._unreadable(problem)
        self._repeated(source, number, inside)

    def _repeated(self, source: SourceFile, number: int, inside: Sequence[Object]) -> None:
        repeated = source.places[number].repeated
        ours = bool(repeated) and any(_is_ours(each.manifest.value) for each in inside)
        for key, line, column in repeated if ours else ():
            if key in _READ_BY_US or key.startswith((AZURE_PREFIX, M365_PREFIX)):
                place = FilePlace(f"{source.name}:{line}:{column}", file=source.name, line=line, column=column)
                each = inside[0] if len(inside) == 1 else None
                text = message(manifest_kinds.KEY_REPEATED, place, key=key)
                self.findings.append(found(text, place, each.manifest if each else None, each.title if each else ""))

    def _unreadable(self, problem: Message) -> None:
        place = problem.place
        self.findings.append(found(problem, place if isinstance(place, FilePlace) else FilePlace(file=place.object)))


def read(paths: Sequence[str], *, namespace: str, stdin: BinaryIO, stdin_name: str) -> Reading:
    """The objects in `paths`. namespace: of objects without one, "" if it is not known."""
    reader = _Reader(namespace, stdin, stdin_name)
    times = paths.count(STANDARD_INPUT)
    if times > 1:
        reader.problems.append(message(manifest_kinds.STANDARD_INPUT_TWICE, times=times))
    for path in dict.fromkeys(paths):
        reader.path(path)
    reader.rest()
    if not reader.problems and not reader.objects and not reader.findings and not reader.put_off:
        reader.problems.append(message(manifest_kinds.NO_OBJECT, FilePlace(", ".join(paths))))
    return Reading(tuple(reader.files), tuple(reader.objects), tuple(reader.findings), tuple(reader.problems))


def _is_about_identities(data: bytes) -> bool:
    """Whether there is a prefix like ours in a text, or an audience of Entra."""
    if _AUDIENCE in data:
        return True
    for each in _LIKE_A_PREFIX.finditer(data):
        before = _BEFORE.search(data[max(0, each.start() - _SHORTEST_PREFIX) : each.start()])
        if len(each[0]) + (len(before[0]) if before else 0) >= _SHORTEST_PREFIX:
            return True
    return False


def _is_complete(value: dict[str, Any]) -> bool:
    """Whether it is to be an object of Kubernetes. A Chart.yaml has an apiVersion, too."""
    return all(key in value for key in _OF_AN_OBJECT) or isinstance(value.get("metadata"), dict)


def _is_ours(value: Any) -> bool:
    return any(
        isinstance(steps[-1], str) and steps[-1].startswith((AZURE_PREFIX, M365_PREFIX))
        for steps, _ in inner_values(value)
    )
