"""A kubeconfig, read as kubectl reads it: files merged, a context chosen, all mistakes at once, each with its fix.

The Kubernetes client stops at the first mistake, and the process that reads the settings of `serve` does not load it.
What only the API server or a credential plugin can find is not checked here.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from webhook.core.messages import Kind, Message, Place, message, settings

# The members of an entry that name files.
_FILES: Final = {
    "cluster": ("certificate-authority",),
    "user": ("client-certificate", "client-key", "tokenFile"),
}
_SET: Final = {"cluster": "set-cluster NAME --server=URL", "user": "set-credentials NAME --token=TOKEN"}
_KINDS: Final = ("context", "cluster", "user")


class BadKubeconfig(ValueError):
    """A kubeconfig that cannot be used, or none; `problems` has each mistake."""

    def __init__(self, problems: Iterable[Message]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, self.problems)))


@dataclass(frozen=True)
class Choice:
    """What kubectl's flags of these names choose in a kubeconfig; "" leaves it to the current context."""

    context: str = ""
    cluster: str = ""
    user: str = ""

    def __bool__(self) -> bool:
        return any((self.context, self.cluster, self.user))


CURRENT: Final = Choice()


@dataclass(frozen=True)
class Kubeconfig:
    """What one context means: a cluster and a user, with absolute paths of files. namespace: "" if it names none."""

    cluster: Mapping[str, Any]
    user: Mapping[str, Any]
    namespace: str = ""


@dataclass(frozen=True)
class _Entry:
    """A context, a cluster or a user, and the file that it comes from. name: "" for a context that flags stand for."""

    name: str
    file: Path
    value: Mapping[str, Any]


@dataclass
class _Merged:
    """All files together. As for kubectl, what comes first wins."""

    first: Path
    current: str = ""
    entries: dict[tuple[str, str], _Entry] = field(default_factory=dict)

    def add(self, file: Path, document: Mapping[str, Any]) -> None:
        current = document.get("current-context")
        if not self.current and isinstance(current, str):
            self.current = current
        for kind in _KINDS:
            listed = document.get(f"{kind}s")
            for each in listed if isinstance(listed, list) else ():
                if isinstance(each, dict):
                    name, value = str(each.get("name")), each.get(kind)
                    entry = _Entry(name, file, value if isinstance(value, dict) else {})
                    self.entries.setdefault((kind, name), entry)


def read(path: Path, choice: Choice = CURRENT) -> Kubeconfig:
    """The context that `choice` names, or the current one. path: a file, or files as in $KUBECONFIG.

    Raises BadKubeconfig with every mistake.
    """
    merged, problems = _merge(path)
    if problems:
        raise BadKubeconfig(problems)
    context = _context(merged, choice, problems)
    found: dict[str, Mapping[str, Any]] = {}
    for kind in ("cluster", "user"):
        entry = _entry(merged, choice, context, kind, problems) if context else None
        if entry:
            problems += _entry_problems(kind, entry)
            found[kind] = _with_absolute_paths(kind, entry)
    if problems:
        raise BadKubeconfig(problems)
    namespace = context.value.get("namespace") if context else None
    return Kubeconfig(found["cluster"], found["user"], namespace if isinstance(namespace, str) else "")


def names(path: Path, kind: str) -> list[str]:
    """The contexts, clusters or users in the kubeconfig at `path`; kind: in the singular."""
    return [name for each, name in _merge(path)[0].entries if each == kind]


def problems(path: Path, choice: Choice = CURRENT) -> list[Message]:
    """The mistakes in the kubeconfig at `path`."""
    try:
        read(path, choice)
    except BadKubeconfig as error:
        return list(error.problems)
    return []


def kubeconfig_path(given: Path | None, environ: Mapping[str, str], choice: Choice = CURRENT) -> Path | None:
    """The kubeconfig that kubectl would use: the one given, $KUBECONFIG, ~/.kube/config; None in a pod.

    Raises BadKubeconfig outside a pod without a kubeconfig, or if `choice` chooses in one that is missing.
    """
    if given:
        return given
    if environ.get("KUBECONFIG"):
        return Path(environ["KUBECONFIG"])
    usual = Path(environ.get("HOME") or environ.get("USERPROFILE") or "/") / ".kube" / "config"
    if usual.exists():
        return usual
    if "KUBERNETES_SERVICE_HOST" not in environ or choice:
        raise BadKubeconfig([message(settings.NO_CLUSTER)])
    return None


def _merge(path: Path) -> tuple[_Merged, list[Message]]:
    """The files in `path`. A file of a list may be missing, as for kubectl; one that stands alone may not."""
    from webhook.documents.files import BadFile, decode, parse_yaml, read_file  # with YAML, which a pod does not need

    paths = [Path(each) for each in str(path).split(os.pathsep) if each]
    if len(paths) > 1:
        paths = [each for each in paths if each.exists()] or paths
    merged, found = _Merged(paths[0] if paths else path), list[Message]()
    for each in paths:
        try:
            documents = parse_yaml(str(each), decode(str(each), read_file(each)))
        except BadFile as error:
            found.append(error.problem)
            continue
        value = documents[0].value if len(documents) == 1 else None
        if isinstance(value, dict):
            merged.add(each, value)
        else:
            found.append(message(settings.KUBECONFIG_EXPECTED, Place(str(each))))
    return merged, found


def _context(merged: _Merged, choice: Choice, problems: list[Message]) -> _Entry | None:
    """The context; an empty one if the flags name both that it would name. None if `problems` says why not."""
    name = choice.context or merged.current
    place = Place(str(merged.first))
    entry = merged.entries.get(("context", name))
    if entry:
        return entry
    if choice.context:
        problems.append(message(settings.CHOICE_UNKNOWN, place, kind="context", name=name))
    elif choice.cluster and choice.user:
        return _Entry("", merged.first, {})
    elif not name:
        problems.append(message(settings.CONTEXT_MISSING, place))
    else:
        problems.append(message(settings.CONTEXT_UNKNOWN, place, context=name))
    return None


def _entry(merged: _Merged, choice: Choice, context: _Entry, kind: str, problems: list[Message]) -> _Entry | None:
    """The cluster or the user that is chosen, or that the context names. None if `problems` says why not."""
    chosen = str(getattr(choice, kind))
    named = context.value.get(kind)
    name = chosen or str(named or "")
    place = Place(str(context.file))
    entry = merged.entries.get((kind, name))
    if entry and name:
        return entry
    if chosen:
        problems.append(message(settings.CHOICE_UNKNOWN, Place(str(merged.first)), kind=kind, name=name))
    elif not name:
        problems.append(message(settings.CONTEXT_INCOMPLETE, place, context=context.name, kind=kind))
    else:
        command = _SET[kind]
        problems.append(
            message(settings.ENTRY_UNKNOWN, place, context=context.name, kind=kind, name=name, command=command)
        )
    return None


def _entry_problems(kind: str, entry: _Entry) -> Iterator[Message]:
    name = entry.name
    if kind == "cluster" and not isinstance(entry.value.get("server"), str):
        yield _problem(entry, settings.SERVER_MISSING, name=name)
    for member in _FILES[kind]:
        file = _named_file(entry, member)
        if file and not (entry.file.parent / file).is_file():
            yield _problem(entry, settings.NAMED_FILE_MISSING, kind=kind, name=name, member=member, file=file)
    plugin = entry.value.get("exec")
    if kind == "user" and plugin is not None:
        for member in ("command", "apiVersion"):
            if not (isinstance(plugin, dict) and isinstance(plugin.get(member), str)):
                yield _problem(entry, settings.PLUGIN_INCOMPLETE, name=name, member=member)


def _named_file(entry: _Entry, member: str) -> str:
    """The file that a member of `entry` names; "" if it names none, or if the data that is given too is used."""
    file = entry.value.get(member)
    return file if isinstance(file, str) and not entry.value.get(f"{member}-data") else ""


def _with_absolute_paths(kind: str, entry: _Entry) -> dict[str, Any]:
    """The entry; a relative path in it counts from the folder of its file, and so does that of a plugin."""
    folder = entry.file.absolute().parent
    value = dict(entry.value)
    for member in _FILES[kind]:
        if file := _named_file(entry, member):
            value[member] = str(folder / file)
    plugin = value.get("exec")
    if isinstance(plugin, dict):
        command = str(plugin.get("command"))
        if os.sep in command or (os.altsep and os.altsep in command):  # else it is looked for in PATH
            value["exec"] = {**plugin, "command": str(folder / command)}
    return value


def _problem(entry: _Entry, row: Kind, /, **values: object) -> Message:
    return message(row, Place(str(entry.file)), **values)
