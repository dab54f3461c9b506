"""What somebody changed in the webhook configuration so that it works today, and not when a replica is away."""

from collections.abc import Iterator
from typing import Final

from webhook.checks.registration import Entry, Registration, restore
from webhook.checks.selectors import selects
from webhook.core.messages import Kind, Place, checks
from webhook.core.policy import POD_LABEL
from webhook.findings import Finding, finding

_CONDITIONS: Final = {
    "not-a-mirror-pod": "!has(object.metadata.annotations) || !('kubernetes.io/config.mirror' in "
    "object.metadata.annotations)"
}
"""The matchConditions of the chart."""


def findings(found: Registration, own_namespace: str) -> Iterator[Finding]:
    """The findings about a configuration. own_namespace: the webhook's."""
    for entry in found.entries:
        for kind in _kinds(found, entry, own_namespace):
            yield finding(
                "configuration",
                kind,
                Place(str(found)),
                entry=entry.name,
                scope=found.scope,
                restore=restore(found),
                namespace=own_namespace,
            )


def own_conditions(entry: Entry) -> str:
    """The matchConditions that the chart does not have, as they are; "" without one."""
    listed = entry.document.get("matchConditions") or ()
    others = [each for each in listed if _CONDITIONS.get(str(each.get("name"))) != _one_line(each.get("expression"))]
    return "; ".join(f"{each.get('name')}: {_one_line(each.get('expression'))}" for each in others)


def _kinds(found: Registration, entry: Entry, own_namespace: str) -> Iterator[Kind]:
    selector = entry.document.get("objectSelector")
    if entry.ignores_failure and selects(selector, found.labels_with_use()):
        yield checks.FAILURES_IGNORED
    if not entry.ignores_failure and not entry.leaves_out({}, own_namespace, {}):
        yield checks.OWN_PODS_TAKEN
    elif not entry.ignores_failure and found.scope == POD_LABEL and selects(selector, {}):
        yield checks.UNLABELLED_TAKEN
    if entry.document.get("reinvocationPolicy") != "IfNeeded":
        yield checks.NOT_REINVOKED


def _one_line(text: object) -> str:
    return " ".join(str(text).split())
