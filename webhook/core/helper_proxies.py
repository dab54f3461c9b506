"""The proxies of a helper container: those of the pod's own container, else those of the webhook's settings.

A pod that has a network through a proxy only must sign in through it, too. From the first of the pod's own containers
that names a proxy, or else from the first with only a NO_PROXY, or else from the first that has `envFrom`:

    a plain value, or one from a ConfigMap, a Secret or a field of the pod    the same entry, and those that its
                                                                             $(NAME) refer to
    envFrom with one source                                                  a reference to the key of that name, if
                                                                             there is one: nothing else of the source
    envFrom with several sources                                             the whole list: only the kubelet knows
                                                                             which of them has a proxy

Nothing else of the container's environment is taken over.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from webhook.core.own_containers import is_set, mapping

PROXIES: Final = tuple(
    spelt for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY") for spelt in (name, name.lower())
)
_ADDRESSES: Final = tuple(name for name in PROXIES if name.upper() != "NO_PROXY")
_SOURCES: Final = {"configMapRef": "configMapKeyRef", "secretRef": "secretKeyRef"}
_VALUES_FROM: Final = ("configMapKeyRef", "secretKeyRef", "fieldRef")
_REFERENCE: Final = re.compile(r"\$\$|\$\(([^()]+)\)")
_LOOPBACK: Final = re.compile(r"(?i)([a-z0-9]+://)?([^/@]*@)?(127\.[0-9.]+|localhost|\[::1\])(:[0-9]*)?(/.*)?")

Entry = Mapping[str, Any]


class Proxies(NamedTuple):
    """Entries of `env`, and of `envFrom`. loopback: the variable that names a proxy inside of the pod, or ""."""

    env: tuple[Entry, ...] = ()
    env_from: tuple[Entry, ...] = ()
    loopback: str = ""


def helper_proxies(own: Sequence[Mapping[str, Any]], settings: Mapping[str, str]) -> Proxies:
    """The proxies of a helper container. own: the pod's own containers. settings: variables of the webhook's."""
    for names in (_ADDRESSES, PROXIES):
        for container in own:
            if any(name in names for name in _names(container)):
                return _taken(container)
    of_webhook = [{"name": name, "value": settings[name]} for name in PROXIES if name in settings]
    if of_webhook:
        return Proxies(tuple(of_webhook), loopback=_on_loopback(of_webhook))
    for container in own:
        if _env_from(container):
            return _taken(container)
    return Proxies()


def _names(container: Mapping[str, Any]) -> Iterable[Any]:
    return (entry.get("name") for entry in container.get("env") or ())


def _env_from(container: Mapping[str, Any]) -> list[Entry]:
    found = container.get("envFrom")
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _taken(container: Mapping[str, Any]) -> Proxies:
    entries = container.get("env") or []
    places: dict[Any, list[int]] = {}
    for index, entry in enumerate(entries):
        places.setdefault(entry.get("name"), []).append(index)
    wanted = [places[name][-1] for name in PROXIES if name in places and is_set(entries[places[name][-1]])]
    needed, referred = _needed(entries, places, wanted)
    env = [entries[index] for index in sorted(needed) if _can_be_taken(entries[index])]
    sources = _env_from(container)
    unset = [name for name in PROXIES if name not in places]
    if len(sources) > 1:
        return Proxies(tuple(env), tuple(sources), _on_loopback(env))
    of_source = [found for name in (*sorted(referred), *unset) for found in _keys(sources, name)]
    return Proxies((*of_source, *env), loopback=_on_loopback(env))


def _needed(
    entries: Sequence[Entry], places: Mapping[Any, Sequence[int]], wanted: Iterable[int]
) -> tuple[set[int], set[str]]:
    """The entries that those at `wanted` need, they among them; and names that they refer to and `env` does not have.

    A reference means an entry that stands before it, and the last one of the name.
    """
    needed: dict[str, int] = {}
    absent: set[str] = set()
    waiting = list(wanted)
    while waiting:
        index = waiting.pop()
        entry = entries[index]
        if entry["name"] in needed:
            continue  # once, even if two entries have the name: kube-apiserver would warn
        needed[entry["name"]] = index
        value = entry.get("value")
        for name in filter(None, _REFERENCE.findall(value)) if isinstance(value, str) else ():
            before = places.get(name) or ()
            position = bisect_left(before, index)
            if position:
                waiting.append(before[position - 1])
            else:
                absent.add(name)
    return set(needed.values()), absent


def _can_be_taken(entry: Entry) -> bool:
    """Whether another container of the pod has the same value: not what a container writes into a file of its own."""
    if "valueFrom" not in entry:
        return True
    return any(kind in mapping(entry["valueFrom"]) for kind in _VALUES_FROM)


def _keys(sources: Sequence[Entry], name: str) -> Iterable[Entry]:
    """The variable, from the key of that name in the source."""
    for source in sources:
        prefix = source.get("prefix") or ""
        if not isinstance(prefix, str) or not name.startswith(prefix) or name == prefix:
            continue
        for kind, key_kind in _SOURCES.items():
            reference = mapping(source.get(kind)).get("name")
            if isinstance(reference, str) and reference:
                key = {"name": reference, "key": name.removeprefix(prefix), "optional": True}
                yield {"name": name, "valueFrom": {key_kind: key}}


def _on_loopback(env: Iterable[Entry]) -> str:
    """The variable by which requests to Microsoft go to a proxy in the pod itself, or ""."""
    for entry in env:
        value = entry.get("value")
        name = str(entry["name"])
        to_microsoft = name.lower() in ("https_proxy", "all_proxy")
        if to_microsoft and isinstance(value, str) and _LOOPBACK.fullmatch(value.strip()):
            return name
    return ""
