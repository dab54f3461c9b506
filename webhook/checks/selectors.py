"""Label selectors of Kubernetes: whether one takes an object, and which labels it wants."""

from collections.abc import Iterator, Mapping
from typing import Any


def selects(selector: Any, labels: Mapping[str, str]) -> bool:
    """Whether a label selector takes `labels`; an empty one takes everything."""
    if not isinstance(selector, Mapping):
        return True
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    for expression in selector.get("matchExpressions") or ():
        key, operator, values = expression.get("key"), expression.get("operator"), expression.get("values") or ()
        there = key in labels
        if not {
            "In": there and labels.get(key) in values,
            "NotIn": not there or labels.get(key) not in values,
            "Exists": there,
            "DoesNotExist": not there,
        }.get(str(operator), True):
            return False
    return True


def wanted_labels(selector: Any) -> dict[str, str]:
    """Labels that a selector wants, with a value that it takes. What it wants to be absent is not among them."""
    if not isinstance(selector, Mapping):
        return {}
    labels = {}
    for each in selector.get("matchExpressions") or ():
        if each.get("operator") == "In":
            labels[str(each.get("key"))] = str(next(iter(each.get("values") or ()), ""))
        elif each.get("operator") == "Exists":
            labels[str(each.get("key"))] = "true"
    return {**labels, **(selector.get("matchLabels") or {})}


def keys(selector: Any) -> set[str]:
    """The labels that a selector has a condition for."""
    parts = selector if isinstance(selector, Mapping) else {}
    return {*(parts.get("matchLabels") or {}), *(str(each.get("key")) for each in parts.get("matchExpressions") or ())}


def about(selector: Any, key: str) -> dict[str, Any]:
    """The part of a selector that is about the label `key`."""
    parts = selector if isinstance(selector, Mapping) else {}
    return {
        "matchLabels": {name: value for name, value in (parts.get("matchLabels") or {}).items() if name == key},
        "matchExpressions": [each for each in parts.get("matchExpressions") or () if each.get("key") == key],
    }


def query(selector: Mapping[str, Any]) -> str:
    """The query of the API for a label selector; the selector of a ReplicationController is a plain map."""
    if not {"matchLabels", "matchExpressions"} & selector.keys():
        return join(selector, ",")
    return ",".join(_terms(selector))


def join(labels: Mapping[str, str], between: str) -> str:
    """Labels as KEY=VALUE, for a command, a query or a sentence."""
    return between.join(f"{key}={value}" for key, value in labels.items())


def _terms(selector: Mapping[str, Any]) -> Iterator[str]:
    for key, value in (selector.get("matchLabels") or {}).items():
        yield f"{key}={value}"
    for each in selector.get("matchExpressions") or ():
        key, values = each["key"], ",".join(each.get("values") or ())
        yield {
            "In": f"{key} in ({values})",
            "NotIn": f"{key} notin ({values})",
            "Exists": key,
            "DoesNotExist": f"!{key}",
        }[each["operator"]]
