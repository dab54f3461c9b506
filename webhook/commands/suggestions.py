"""What a shell offers at Tab: commands, flags, the values that --help lists, and names in kubeconfig and cluster.

It must never fail: what cannot be found out in SECONDS is not offered.
"""

import argparse
import asyncio
import io
import os
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

from webhook.cluster import kubeconfig
from webhook.cluster.kube import Kube, Unavailable
from webhook.cluster.kubeconfig import BadKubeconfig, Choice, kubeconfig_path
from webhook.core.workload_kinds import ROLLOUT, WORKLOAD_KINDS

SECONDS: Final = 3.0  # of all requests of one Tab
_FILES: Final = ("PATH", "FILE", "DIR")  # metavars
_KINDS: Final = {each.name.lower(): each for each in (*WORKLOAD_KINDS, ROLLOUT) if each.has_pods}
# "a, b, c (a)" at the start of a flag's help, or after a colon: the values that it takes.
_LISTED: Final = re.compile(r"(?:^|: )(\w[\w-]*(?:, \w[\w-]*)+)(?: \(|$)")
# What kubectl passes on to the shell (cobra's directives): offer no files; put no space after what was chosen.
_NO_FILES, _NO_SPACE = 4, 2


def complete(parser: argparse.ArgumentParser, **options: Any) -> None:
    """Answers a shell that calls by the protocol of argcomplete, and ends the process. options: of argcomplete."""
    import argcomplete

    completer = cast("Any", suggest)  # any function will do; the class that is its type may not be there to be named
    argcomplete.autocomplete(parser, always_complete_options="long", default_completer=completer, **options)


def for_kubectl(parser: argparse.ArgumentParser, words: Sequence[str]) -> str:
    """What `kubectl_complete-m365wi WORDS` prints: a suggestion a line, with its help, and the directive.

    words: what stands after `kubectl m365wi`; the last is the word that is being typed, "" for a new one.
    """
    line = shlex.join(["m365wi", *words[:-1]]) + " " + (words[-1] if words else "")
    found = io.StringIO()
    os.environ |= {
        "COMP_LINE": line,
        "COMP_POINT": str(len(line.encode())),
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_DFS": "\t",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_SHELL": "fish",  # as it, kubectl escapes for the shell itself
    }
    complete(parser, output_stream=found, exit_method=lambda code: None, append_space=False)
    lines = found.getvalue().splitlines()
    opened = any(each.partition("\t")[0].endswith(("/", "=")) for each in lines)
    return "".join(f"{each}\n" for each in (*lines, f":{_NO_FILES | (_NO_SPACE if opened else 0)}"))


def suggest(*, prefix: str, action: argparse.Action, parsed_args: argparse.Namespace, **_: object) -> Iterable[str]:
    """The values that a flag may have; argcomplete leaves out those that do not begin with `prefix`."""
    if action.metavar in _FILES:
        from argcomplete.completers import FilesCompleter

        return FilesCompleter()(prefix)
    if listed := _LISTED.search(action.help or ""):
        return listed[1].split(", ")
    if action.dest == "workload" and "/" not in prefix:
        return [f"{each}/" for each in _KINDS]
    given = vars(parsed_args)
    try:
        path = kubeconfig_path(Path(given["kubeconfig"]) if given.get("kubeconfig") else None, os.environ)
        if action.dest in ("context", "cluster", "user"):
            return kubeconfig.names(path, action.dest) if path else ()
        choice = Choice(*(given.get(name) or "" for name in ("context", "cluster", "user")))
        return asyncio.run(_in_cluster(path, choice, action.dest, prefix, given))
    except (BadKubeconfig, Unavailable, TimeoutError, OSError, ValueError, LookupError, AttributeError, TypeError):
        return ()


async def _in_cluster(
    path: Path | None, choice: Choice, flag: str, prefix: str, given: Mapping[str, Any]
) -> Iterable[str]:
    """The names of the cluster's objects that a flag may have."""
    if flag == "namespace":
        return await _names(path, choice, "/api/v1/namespaces")
    namespace = given.get("namespace") or (kubeconfig.read(path, choice).namespace if path else "") or "default"
    if flag == "service_account":
        return await _names(path, choice, f"/api/v1/namespaces/{namespace}/serviceaccounts")
    if flag != "workload":
        return ()
    kind = prefix.partition("/")[0]
    listed = _KINDS[kind].path(namespace, "").removesuffix("/")
    return [f"{kind}/{name}" for name in await _names(path, choice, listed)]


async def _names(path: Path | None, choice: Choice, listed: str) -> list[str]:
    async with asyncio.timeout(SECONDS), Kube(path, choice) as kube:
        found = await kube.items(listed, seconds=SECONDS)
    return [str(each["metadata"]["name"]) for each in found] if isinstance(found, list) else []
