"""The resources of a helper container, so that the pod stays what it is. What applies, for each resource:

    the pod as a whole asks for it (spec.resources)     left out: kube-apiserver refuses containers that ask for more
                                                        together; the helper has its share of the pod's
    the namespace's LimitRange gave it to a container   left out: the helper gets the LimitRange's own default, too
    the pod is of class Guaranteed                      as much requested as it is limited to, or the class is lost
    each container has a limit of processor time        the helper has one, too: a ResourceQuota may want it of each
    otherwise                                           what the webhook's settings say

If the settings say nothing at all, `{}`, a helper container has none: then the namespace's LimitRange decides.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from webhook.core.own_containers import HELPER_NAMES, all_containers, mapping
from webhook.core.quantities import quantity

_LIMIT_RANGER: Final = "kubernetes.io/limit-ranger"
# What a helper needs to start within seconds, if it may not take more: its start takes a fifth of a second of one
# processor, each run of its probe the same again; `serve` has 47 MB, and the probe beside it less than 40.
_ENOUGH: Final = {"cpu": "100m", "memory": "128Mi"}
_RESOURCES: Final = ("cpu", "memory")

_Amounts = dict[str, Any]


def helper_resources(pod: Mapping[str, Any], settings: Mapping[str, Mapping[str, Any]]) -> dict[str, _Amounts]:
    """The member `resources` of a helper container; empty if the container is to have none."""
    if not settings:
        return {}
    spec = pod["spec"]
    whole = _amounts(spec.get("resources"))
    own = [_amounts(each.get("resources")) for each in all_containers(spec) if each.get("name") not in HELPER_NAMES]
    requests, limits = dict(settings.get("requests") or {}), dict(settings.get("limits") or {})
    if not any(whole) and own and all(_is_guaranteed(*each) for each in own):
        for name, enough in _ENOUGH.items():
            limits.setdefault(name, _larger(requests.get(name), enough))
            requests[name] = limits[name]
    elif own and all("cpu" in of_container for _, of_container in own):
        limits.setdefault("cpu", _larger(requests.get("cpu"), _ENOUGH["cpu"]))
    left_out = {*whole[0], *_given_by_limit_range(pod)}
    both = {"limits": _without(limits, left_out), "requests": _without(requests, left_out)}
    return {kind: amounts for kind, amounts in both.items() if amounts}


def _amounts(resources: Any) -> tuple[_Amounts, _Amounts]:
    """Requests and limits. What is limited and not requested is requested: kube-apiserver fills it in."""
    found = mapping(resources)
    limits = mapping(found.get("limits"))
    return {**limits, **mapping(found.get("requests"))}, dict(limits)


def _is_guaranteed(requests: _Amounts, limits: _Amounts) -> bool:
    for name in _RESOURCES:
        limit = quantity(limits.get(name))
        if not limit or quantity(requests.get(name)) != limit:
            return False
    return True


def _larger(amount: Any, enough: str) -> Any:
    return amount if (quantity(amount) or 0) > (quantity(enough) or 0) else enough


def _given_by_limit_range(pod: Mapping[str, Any]) -> Iterable[str]:
    """The resources that the LimitRanger of kube-apiserver has set, by the annotation that it leaves on the pod."""
    annotations = mapping((pod.get("metadata") or {}).get("annotations"))
    said = annotations.get(_LIMIT_RANGER)
    if not isinstance(said, str):
        return ()
    # LimitRanger plugin set: cpu, memory request for container app; memory limit for init container first
    lists = re.findall(r"(?:set:|;) ([a-z0-9, ./-]{1,300}) (?:request|limit) for ", said)
    return {name for each in lists for name in each.split(", ")}


def _without(amounts: _Amounts, names: set[str]) -> _Amounts:
    return {name: amount for name, amount in amounts.items() if name not in names}
