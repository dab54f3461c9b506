"""A kubeconfig, checked before a cluster is asked: all mistakes at once, each with its fix.

The Kubernetes client stops at the first mistake, and the process that reads the settings of `serve` does not load it.
What only the API server or a credential plugin can find is not checked here.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from webhook.core.messages import Kind, Message, Place, message, settings
from webhook.documents.files import BadFile, decode, parse_yaml, read_file

# The members of an entry that name files.
_FILES: Final = {
    "cluster": ("certificate-authority",),
    "user": ("client-certificate", "client-key", "tokenFile"),
}
_SET: Final = {"cluster": "set-cluster NAME --server=URL", "user": "set-credentials NAME --token=TOKEN"}


class BadKubeconfig(ValueError):
    """A kubeconfig that cannot be used, or none; `problems` has each mistake."""

    def __init__(self, problems: Iterable[Message]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, self.problems)))


def problems(path: Path) -> list[Message]:
    """The mistakes in the kubeconfig at `path`. A list of files is left to the client, which merges them."""
    if os.pathsep in str(path):
        return []
    try:
        documents = parse_yaml(str(path), decode(str(path), read_file(path)))
    except BadFile as error:
        return [error.problem]
    value = documents[0].value if len(documents) == 1 else None
    if not isinstance(value, dict):
        return [message(settings.KUBECONFIG_EXPECTED, Place(str(path)))]
    return [*_Kubeconfig(path, value).problems()]


def kubeconfig_path(given: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The kubeconfig that kubectl would use: the one given, $KUBECONFIG, ~/.kube/config; None in a pod.

    Raises BadKubeconfig outside a pod without a kubeconfig.
    """
    if given:
        return given
    if environ.get("KUBECONFIG"):
        return Path(environ["KUBECONFIG"])  # it may be a list of files, which the client merges
    usual = Path(environ.get("HOME") or "/") / ".kube" / "config"
    if usual.exists():
        return usual
    if "KUBERNETES_SERVICE_HOST" not in environ:
        raise BadKubeconfig([message(settings.NO_CLUSTER)])
    return None


@dataclass(frozen=True)
class _Kubeconfig:
    """One kubeconfig, and the checks of its current context."""

    path: Path
    value: Mapping[str, Any]

    def problems(self) -> Iterator[Message]:
        current = self.value.get("current-context")
        if not isinstance(current, str) or not current:
            yield self._problem(settings.CONTEXT_MISSING)
            return
        context = self._entry("context", current)
        if context is None:
            yield self._problem(settings.CONTEXT_UNKNOWN, context=current)
            return
        for kind in ("cluster", "user"):
            name = context.get(kind)
            entry = self._entry(kind, name)
            if not name:
                yield self._problem(settings.CONTEXT_INCOMPLETE, context=current, kind=kind)
            elif entry is None:
                yield self._problem(
                    settings.ENTRY_UNKNOWN, context=current, kind=kind, name=str(name), command=_SET[kind]
                )
            else:
                yield from self._entry_problems(kind, str(name), entry)

    def _entry_problems(self, kind: str, name: str, entry: Mapping[str, Any]) -> Iterator[Message]:
        if kind == "cluster" and not isinstance(entry.get("server"), str):
            yield self._problem(settings.SERVER_MISSING, name=name)
        for member in _FILES[kind]:
            file = entry.get(member)
            if not isinstance(file, str) or not file or entry.get(f"{member}-data"):  # the data is used, not the file
                continue
            if not (self.path.parent / file).is_file():
                yield self._problem(settings.NAMED_FILE_MISSING, kind=kind, name=name, member=member, file=file)

    def _entry(self, kind: str, name: object) -> Mapping[str, Any] | None:
        """The entry of that name in the list of that kind, None if it is missing."""
        entries = self.value.get(f"{kind}s")
        for each in entries if isinstance(entries, list) else ():
            if isinstance(each, dict) and each.get("name") == name:
                entry = each.get(kind)
                return entry if isinstance(entry, dict) else {}
        return None

    def _problem(self, row: Kind, /, **values: object) -> Message:
        return message(row, Place(str(self.path)), **values)
