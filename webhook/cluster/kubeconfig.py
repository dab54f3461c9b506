"""A kubeconfig, read as kubectl reads it: files merged, a context chosen, all mistakes at once, each with its fix.

The Kubernetes client stops at the first mistake, and the process that reads the settings of `serve` does not load it.
What only the API server or a credential plugin can find is not checked here.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from webhook.cluster.kubeconfig_entries import Entry, cluster_problems, user_problems, with_absolute_paths
from webhook.core.messages import Message, Place, kubeconfigs, message

_SET: Final = {"cluster": "set-cluster {} --server=URL", "user": "set-credentials {} --token=TOKEN"}
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
    """What one context means: a cluster and a user, with absolute paths of files. namespace: "" if it names none.

    user_name: as the kubeconfig calls the user.
    """

    cluster: Mapping[str, Any]
    user: Mapping[str, Any]
    namespace: str = ""
    user_name: str = ""


@dataclass
class _Merged:
    """All files together. As for kubectl, what comes first wins."""

    first: Path
    current: str = ""
    entries: dict[tuple[str, str], Entry] = field(default_factory=dict)

    def add(self, file: Path, document: Mapping[str, Any]) -> None:
        current = document.get("current-context")
        if not self.current and isinstance(current, str):
            self.current = current
        for kind in _KINDS:
            listed = document.get(f"{kind}s")
            for each in listed if isinstance(listed, list) else ():
                if isinstance(each, dict):
                    name, value = str(each.get("name")), each.get(kind)
                    entry = Entry(name, file, value if isinstance(value, dict) else {})
                    self.entries.setdefault((kind, name), entry)


def read(path: Path, choice: Choice = CURRENT) -> Kubeconfig:
    """The context that `choice` names, or the current one. path: a file, or files as in $KUBECONFIG.

    Raises BadKubeconfig with every mistake.
    """
    merged, problems = _merge(path)
    if problems:
        raise BadKubeconfig(problems)
    context = _context(merged, choice, problems)
    found: dict[str, Mapping[str, Any]] = {"cluster": {}, "user": {}}
    user = ""
    for kind in ("cluster", "user"):
        if context is None:
            break
        # Without TLS, as at `kubectl proxy`, kubectl needs no credential.
        plain = kind == "user" and str(found["cluster"].get("server")).startswith("http:")
        if plain and not (choice.user or context.value.get("user")):
            break
        entry = _entry(merged, choice, context, kind, problems)
        if entry:
            problems += cluster_problems(entry) if kind == "cluster" else user_problems(entry, needed=not plain)
            found[kind] = with_absolute_paths(kind, entry)
            user = entry.name
    if problems:
        raise BadKubeconfig(problems)
    namespace = context.value.get("namespace") if context else None
    return Kubeconfig(found["cluster"], found["user"], namespace if isinstance(namespace, str) else "", user)


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
        raise BadKubeconfig([message(kubeconfigs.NO_CLUSTER)])
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
        if not documents and len(paths) > 1:
            continue  # kubectl takes one with nothing in it for one that is missing
        if isinstance(value, dict):
            merged.add(each, value)
        else:
            found.append(message(kubeconfigs.KUBECONFIG_EXPECTED, Place(str(each))))
    return merged, found


def _context(merged: _Merged, choice: Choice, problems: list[Message]) -> Entry | None:
    """The context; an empty one if the flags name both that it would name. None if `problems` says why not."""
    name = choice.context or merged.current
    place = Place(str(merged.first))
    entry = merged.entries.get(("context", name))
    if entry:
        return entry
    if choice.context:
        problems.append(message(kubeconfigs.CHOICE_UNKNOWN, place, kind="context", name=name))
    elif choice.cluster and choice.user:
        return Entry("", merged.first, {})
    elif not name:
        problems.append(message(kubeconfigs.CONTEXT_MISSING, place))
    else:
        problems.append(message(kubeconfigs.CONTEXT_UNKNOWN, place, context=name))
    return None


def _entry(merged: _Merged, choice: Choice, context: Entry, kind: str, problems: list[Message]) -> Entry | None:
    """The cluster or the user that is chosen, or that the context names. None if `problems` says why not."""
    chosen = str(getattr(choice, kind))
    named = context.value.get(kind)
    name = chosen or str(named or "")
    place = Place(str(context.file))
    entry = merged.entries.get((kind, name))
    if entry and name:
        return entry
    if chosen:
        problems.append(message(kubeconfigs.CHOICE_UNKNOWN, Place(str(merged.first)), kind=kind, name=name))
    elif not name:
        problems.append(message(kubeconfigs.CONTEXT_INCOMPLETE, place, context=context.name, kind=kind))
    else:
        command = _SET[kind].format(name)
        problems.append(
            message(kubeconfigs.ENTRY_UNKNOWN, place, context=context.name, kind=kind, name=name, command=command)
        )
    return None
