"""The resources of a helper container, so that the pod stays what it is. What applies, for each resource:

    the pod as a whole asks for it (spec.resources)     left out: kube-apiserver refuses containers that ask for more
                                                        together; the helper has its share of the pod's
    the same, without a limit, but each container has   a limit, and a request of 0: kube-apiserver 1.37 makes the
    one                                                 pod's limit of theirs, if all have one
    the namespace's LimitRange gave it to a container   left out: the helper gets the LimitRange's own default, too
    the pod is of class Guaranteed                      as much requested as it is limited to, or the class is lost
    each container has a limit of processor time        the helper has one, too: a ResourceQuota may want it of each
    each container requests it                          as much as the least of these, but no more than a helper needs:
                                                        a LimitRange may have a minimum. Not if the settings are other
                                                        than usual
    each container requests it and has a limit          so much that the ratio of limit and request is not above the
                                                        largest of theirs: a LimitRange may have a maximum for it
    otherwise                                           what the webhook's settings say

If the settings say nothing at all, `{}`, a helper container has none: then the namespace's LimitRange decides.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any, Final

from webhook.core.own_containers import HELPER_NAMES, all_containers, mapping
from webhook.core.policy import HELPER_RESOURCES
from webhook.core.quantities import quantity

_LIMIT_RANGER: Final = "kubernetes.io/limit-ranger"
# What a helper needs to start within seconds, if it may not take more: its start takes a fifth of a second of one
# processor, each run of its probe the same again; `serve` has 47 MB, and the probe beside it less than 40.
_ENOUGH: Final = {"cpu": "100m", "memory": "128Mi"}
_RESOURCES: Final = ("cpu", "memory")
_MEBI: Final = 1 << 20

_Amounts = dict[str, Any]
_Own = Sequence[tuple[_Amounts, _Amounts]]


def helper_resources(pod: Mapping[str, Any], settings: Mapping[str, Mapping[str, Any]]) -> dict[str, _Amounts]:
    """The member `resources` of a helper container; empty if the container is to have none."""
    if not settings:
        return {}
    spec = pod["spec"]
    whole = _amounts(spec.get("resources"))
    own = [_amounts(each.get("resources")) for each in all_containers(spec) if each.get("name") not in HELPER_NAMES]
    requests, limits = dict(settings.get("requests") or {}), dict(settings.get("limits") or {})
    if settings == HELPER_RESOURCES:
        for name in _RESOURCES:
            _raise_to_least(name, requests, own)
    if not any(whole) and own and all(_is_guaranteed(*each) for each in own):
        for name, enough in _ENOUGH.items():
            limits.setdefault(name, _larger(requests.get(name), enough))
            requests[name] = limits[name]
    elif own and all("cpu" in limited for _, limited in own):
        limits.setdefault("cpu", _larger(requests.get("cpu"), _ENOUGH["cpu"]))
    for name in _RESOURCES:
        _raise_to_ratio(name, requests, limits, own)
    only_requested = {name for name in limits if name in whole[0] and name not in whole[1]}
    derived = {name for name in only_requested if own and all(name in limited for _, limited in own)}
    requests |= dict.fromkeys(derived, "0")  # without a request it would be the limit
    left_out = {*(whole[0].keys() - derived), *_given_by_limit_range(pod)}
    both = {"limits": _without(limits, left_out), "requests": _without(requests, left_out)}
    return {kind: amounts for kind, amounts in both.items() if amounts}


def _raise_to_least(name: str, requests: _Amounts, own: _Own) -> None:
    """The request becomes the least of those of the pod's own containers, if it is less and each has one."""
    found = [(amount, asked[name]) for asked, _ in own if (amount := quantity(asked.get(name)))]
    if found and len(found) == len(own):
        _, least = min([*found, (quantity(_ENOUGH[name]) or 0, _ENOUGH[name])])
        requests[name] = _larger(least, requests[name])


def _raise_to_ratio(name: str, requests: _Amounts, limits: _Amounts, own: _Own) -> None:
    """The request becomes so much that the limit is at most as many times that as in one of the own containers."""
    ratios = [
        limit / request
        for asked, limited in own
        if (request := quantity(asked.get(name))) and (limit := quantity(limited.get(name)))
    ]
    limit, request = quantity(limits.get(name)), quantity(requests.get(name))
    if limit and request and ratios and len(ratios) == len(own) and limit / request > max(ratios):
        requests[name] = _written(name, limit / max(ratios))


def _written(name: str, amount: Fraction) -> str:
    """An amount as people write it, rounded up."""
    return f"{math.ceil(amount * 1000)}m" if name == "cpu" else f"{math.ceil(amount / _MEBI)}Mi"


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


def _larger(amount: Any, enough: Any) -> Any:
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
