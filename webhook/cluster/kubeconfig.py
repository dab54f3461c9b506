"""A kubeconfig, looked at before a cluster is asked: all that is wrong with it at once, each with its fix.

The Kubernetes client stops at the first mistake, and trips over some; and the process that reads the settings of
`serve` does not load it. What only the API server or a credential plugin can tell is not looked at here.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

# Which of an entry's members name files.
_FILES: Final = {
    "cluster": ("certificate-authority",),
    "user": ("client-certificate", "client-key", "tokenFile"),
}
_SET: Final = {"cluster": "set-cluster NAME --server=URL", "user": "set-credentials NAME --token=…"}


def problems(path: Path) -> list[str]:
    """What is wrong with the kubeconfig at `path`, a line each; nothing of a list of files, which the client merges."""
    if os.pathsep in str(path):
        return []
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
    except OSError as error:
        return [f"{path}: {error.strerror}"]
    except (yaml.YAMLError, ValueError) as error:
        return [f"{path}: no YAML: {' '.join(str(error).split())}"]
    if not isinstance(document, dict):
        return [f"{path}: expected a kubeconfig, with current-context, contexts, clusters and users"]
    return [f"{path}: {problem}" for problem in _problems(document, path.parent)]


def _problems(document: Mapping[str, Any], folder: Path) -> Iterator[str]:
    current = document.get("current-context")
    if not isinstance(current, str) or not current:
        yield "current-context is missing (kubectl config use-context NAME)"
        return
    context = _named(document, "context", current)
    if context is None:
        yield f"current-context is {_shown(current)}, but there is no such context (kubectl config get-contexts)"
        return
    for kind in ("cluster", "user"):
        name = context.get(kind)
        entry = _named(document, kind, name)
        if not name:
            yield f"context {_shown(current)} names no {kind} (kubectl config set-context NAME --{kind}=…)"
        elif entry is None:
            fix = f"kubectl config {_SET[kind]}"
            yield f"context {_shown(current)} is of {kind} {_shown(name)}, but there is no such {kind} ({fix})"
        else:
            if kind == "cluster" and not isinstance(entry.get("server"), str):
                yield f"cluster {_shown(name)} has no server, expected the API server's URL"
            yield from _absent(entry, kind, _shown(name), folder)


def _named(document: Mapping[str, Any], kind: str, name: object) -> Mapping[str, Any] | None:
    """What the list of that kind has of that name; an empty object where it has the name and no more."""
    entries = document.get(f"{kind}s")
    for each in entries if isinstance(entries, list) else ():
        if isinstance(each, dict) and each.get("name") == name:
            entry = each.get(kind)
            return entry if isinstance(entry, dict) else {}
    return None


def _absent(entry: Mapping[str, Any], kind: str, name: str, folder: Path) -> Iterator[str]:
    """The files that an entry names and that are not there; one with data beside it is not read."""
    for member in _FILES[kind]:
        file = entry.get(member)
        if isinstance(file, str) and file and not entry.get(f"{member}-data") and not (folder / file).is_file():
            yield f"{kind} {name}: {member} is {_shown(file)}, and there is no such file"


def _shown(value: object) -> str:
    text = ascii(str(value))[1:-1]
    return f'"{text if len(text) <= 80 else text[:77] + "..."}"'


def kubeconfig_path(given: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Which kubeconfig to use, as kubectl finds it: the one given, $KUBECONFIG, ~/.kube/config; None in a pod.

    Raises ValueError where there is none and this is no pod.
    """
    if given:
        return given
    if environ.get("KUBECONFIG"):
        return Path(environ["KUBECONFIG"])  # a list of them stays one
    usual = Path(environ.get("HOME") or "/") / ".kube" / "config"
    if usual.exists():
        return usual
    if "KUBERNETES_SERVICE_HOST" not in environ:
        raise ValueError("which cluster? This is no pod: give --kubeconfig PATH, or set KUBECONFIG")
    return None
