"""Finds objects in what the chart renders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from testbed.chart.helm import template

__all__ = ["HOOK", "Object", "container", "installed", "one", "some"]

HOOK = "helm.sh/hook"

Object = dict[str, Any]


def installed(values: Mapping[str, Any] | None = None, **options: Any) -> list[Object]:
    """What `helm install` creates, without the objects of `helm test`."""
    return [each for each in template(values, **options) if HOOK not in each["metadata"].get("annotations", {})]


def some(objects: Iterable[Object], kind: str) -> list[Object]:
    """All objects of a kind."""
    return [each for each in objects if each["kind"] == kind]


def one(objects: Iterable[Object], kind: str) -> Object:
    """The only object of a kind."""
    found = some(objects, kind)
    assert len(found) == 1, f"{len(found)} objects of kind {kind}"
    return found[0]


def container(objects: Iterable[Object]) -> Object:
    """The webhook's container."""
    (only,) = one(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    found: Object = only
    return found
