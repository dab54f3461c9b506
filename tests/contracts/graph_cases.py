"""Cases of graph/*.yaml: requests to Graph, one after the other, and what it answers.

    - name: a name that is taken
      source: reported Azure/azure-dev#1482     # or documented (learn.microsoft.com), or assumed
      each: {name: [ab, "{121 letters}"]}       # the case once with each value
      steps:
        - ask: POST /applications/{app.id}/federatedIdentityCredentials
          body: {name: main, …}                 # text: a body that is not JSON; changes: over the body; headers
          repeat: 20                            # with {n} from 1
          status: 409
          code: Request_MultipleObjectsWithSameKeyValue
          message: already exists               # a part of it; detail: the code of one of the details
          answer: {name: main}                  # a part of the document; exactly: all of it; has: names that it has
          keep: {fic: id}                       # {fic} in later steps is the answer's id

Names in braces are filled in: {app.id}, {app.appId} and {app.displayName} of an application that is made for the case,
{run} is different in each run, {unknown} is an id that nothing has, and {121 letters} is so long.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

__all__ = ["Case", "cases", "contains", "filled"]

KEYS = frozenset(
    {"ask", "body", "text", "changes", "headers", "repeat", "status"}
    | {"code", "message", "detail", "answer", "exactly", "has", "keep"}
)


@dataclass(frozen=True)
class Case:
    """One case, with the values of `each` in `values`."""

    name: str
    source: str
    steps: tuple[Mapping[str, Any], ...]
    values: Mapping[str, Any]


def cases() -> Iterator[Case]:
    """All cases, in order."""
    for path in sorted((Path(__file__).parent / "graph").glob("*.yaml")):
        for entry in yaml.safe_load(path.read_text(encoding="utf-8")):
            for step in entry["steps"]:
                assert not set(step) - KEYS, f"{path.name}: {entry['name']}: {set(step) - KEYS}"
            assert entry["source"].partition(" ")[0] in ("documented", "reported", "assumed")
            for number, values in enumerate(_each(entry.get("each", {})), 1):
                name = entry["name"] + (f" {number}" if values else "")
                yield Case(name, entry["source"], tuple(entry["steps"]), values)


def _each(lists: Mapping[str, list[Any]]) -> Iterator[Mapping[str, Any]]:
    if not lists:
        yield {}
    for name, values in lists.items():
        yield from ({name: value} for value in values)


def filled(value: Any, values: Mapping[str, Any]) -> Any:
    """`value` with what its braces name; a string that is nothing else becomes the value itself."""
    if isinstance(value, dict):
        return {name: filled(each, values) for name, each in value.items()}
    if isinstance(value, list):
        return [filled(each, values) for each in value]
    if not isinstance(value, str):
        return value
    if value.strip("{}") in values and value == "{" + value.strip("{}") + "}":
        return filled(values[value.strip("{}")], {})
    text = re.sub(r"\{(\d+) letters\}", lambda match: "x" * int(match[1]), value)
    return re.sub(r"\{([\w.]+)\}", lambda match: str(values.get(match[1], match[0])), text)


def contains(whole: Any, part: Any) -> bool:
    """Whether a document has all that `part` has; lists have the same length."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(name in whole and contains(whole[name], part[name]) for name in part)
    if isinstance(part, list):
        return isinstance(whole, list) and len(whole) == len(part) and all(map(contains, whole, part))
    return bool(whole == part)
