"""Pods that cannot sign in, and what their containers say about it in the pod's status. Pure.

`m365-identity` writes why a container ends as its termination message, `WHAT [CODE] Fix: FIX`; if it cannot, the
kubelet takes the end of the log, where the same stands in several lines. What a container says is its author's word: it
is shown as such, and nothing is done with it.

    the container                                             the pod is there     the pod has ended
    says a code of m365-identity                              SIGN_IN_FAILS        SIGN_IN_FAILED
    is a helper container and ended without one               HELPER_ENDED         -
    is a helper container and cannot be started               HELPER_NOT_STARTED   -
"""

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from webhook.core.messages import Kind, Message, Place, message
from webhook.core.messages import workloads as rows
from webhook.core.names import PREFLIGHT_CONTAINER
from webhook.core.own_containers import HELPER_NAMES, mapping
from webhook.core.text import LONGEST_LINE, shown
from webhook.findings import Finding

Pod = Mapping[str, Any]

_SAID: Final = re.compile(r"(?P<what>.*) \[(?P<code>WIH[0-9]{3})(?:, WIH[0-9]{3})*\](?: Fix: (?P<fix>.*))?")
_PROGRAM: Final = re.compile(r"m365-identity [a-z]+: ")
_FIX: Final = "Fix: "
_OF_ENTRA: Final = "WIH3"
_LONGEST_SAID: Final = 4096  # characters of a message; the kubelet keeps no more
# Reasons for which the kubelet waits that pass by themselves.
_PASSING: Final = frozenset({"", "PodInitializing", "ContainerCreating"})


@dataclass(frozen=True)
class Failure:
    """Why a pod cannot sign in. Pods for which the same is to be said have equal ones.

    code: of `m365-identity`, or "". reason: in the container's words, or the kubelet's. fix: in the container's.
    """

    kind: Kind
    container: str
    code: str = ""
    reason: str = field(default="", compare=False)
    fix: str = field(default="", compare=False)


def failure(pod: Pod) -> Failure | None:
    """Why this pod cannot sign in; None if nothing says that it cannot, or if it is about to be deleted."""
    if mapping(pod.get("metadata")).get("deletionTimestamp"):
        return None
    status = mapping(pod.get("status"))
    phase = status.get("phase")
    if phase == "Succeeded":
        return None
    found = (_of_container(each, ended=phase == "Failed") for each in _containers(status))
    return next((each for each in found if each), None)


def findings(pods: Iterable[Pod], place: Place) -> Iterator[Finding]:
    """The findings about the pods of an object, one for each reason."""
    groups: dict[Failure, list[Pod]] = {}
    for pod in pods:
        found = failure(pod)
        if found:
            groups.setdefault(found, []).append(pod)
    for why, those in groups.items():
        yield finding_about(why, those, place)


def finding_about(why: Failure, pods: Sequence[Pod], place: Place) -> Finding:
    """The finding about pods with this failure. Their metadata is enough."""
    metadata = pods[0]["metadata"]
    namespace, name = str(metadata.get("namespace")), str(metadata.get("name"))
    said = message(
        why.kind,
        place,
        count="1 pod" if len(pods) == 1 else f"{len(pods)} pods",
        pod=name,
        container=shown(why.container),
        reason=shown(why.reason, LONGEST_LINE // 2),
        code=why.code,
        log=shlex.join(["kubectl", "logs", name, "-n", namespace, "-c", why.container]),
    )
    return Finding("sign-in", said, command=_steps(why, said, namespace, name))


def _steps(why: Failure, said: Message, namespace: str, name: str) -> str:
    steps = []
    if why.code.startswith(_OF_ENTRA):
        steps.append(f"m365wi check -n {shlex.quote(namespace)} --workload pod/{shlex.quote(name)} --entra")
    if why.fix:
        steps.append(f"the pod itself advises: {shown(why.fix, 2 * LONGEST_LINE)}")
    return "; ".join(steps)


def _containers(status: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for kind in ("initContainerStatuses", "containerStatuses"):
        listed = status.get(kind)
        yield from map(mapping, listed if isinstance(listed, list) else ())


def _of_container(status: Mapping[str, Any], *, ended: bool) -> Failure | None:
    """Why this container keeps its pod from signing in. ended: whether the pod has, too."""
    name = str(status.get("name"))
    state = mapping(status.get("state"))
    if "running" in state and name != PREFLIGHT_CONTAINER:  # that one is at its next attempt then
        return None
    now, before = mapping(state.get("terminated")), mapping(mapping(status.get("lastState")).get("terminated"))
    if now and not now.get("exitCode"):
        return None
    last = now or before
    said = _said(last.get("message")) if last.get("exitCode") else None
    if said:
        what, code, fix = said
        return Failure(rows.SIGN_IN_FAILED if ended else rows.SIGN_IN_FAILS, name, code, what, fix)
    if name not in HELPER_NAMES or ended:
        return None
    if last.get("exitCode"):
        return Failure(rows.HELPER_ENDED, name, reason=f"{last.get('reason')}, exit code {last.get('exitCode')}")
    waiting = mapping(state.get("waiting"))
    reason = str(waiting.get("reason") or "")
    if reason in _PASSING:
        return None
    return Failure(rows.HELPER_NOT_STARTED, name, reason=f"{reason}: {waiting.get('message') or 'no message'}")


def _said(text: object) -> tuple[str, str, str] | None:
    """What the container says, its code, and its fix; None if it is not `m365-identity` that speaks."""
    lines = text[-_LONGEST_SAID:].splitlines() if isinstance(text, str) else []
    for index in reversed(range(len(lines))):
        found = _SAID.fullmatch(lines[index].strip())
        if found:
            later = (each.strip() for each in lines[index + 1 :])
            below = next((each.removeprefix(_FIX) for each in later if each.startswith(_FIX)), "")
            return _PROGRAM.sub("", found["what"], count=1), found["code"], found["fix"] or below
    return None
