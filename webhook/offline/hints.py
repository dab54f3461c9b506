"""Mistakes with the label that a webhook never sees, because kube-apiserver does not call it for such a pod.

    found                                                       the usual intention
    the label on the workload and not on its template           its pods are to be injected, or left alone
    the label as an annotation, on either                       the same
    a value other than "true" and "false", such as "True"       the same
    no label at all in scope pod-label, although the            its pods are to be injected
    ServiceAccount has a client id

A hint never changes the decision.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from webhook.core.decision import Decision
from webhook.core.identity import Account, read_account_alone
from webhook.core.messages import Message, manifests, message
from webhook.core.messages.annotations import LABEL_AS_ANNOTATION
from webhook.core.names import USE_LABEL
from webhook.documents.files import Manifest


def hints(
    manifest: Manifest, steps: tuple[str, ...], decision: Decision, account: Account | None, *, label_decides: bool
) -> Iterator[Message]:
    """One message for each of these mistakes. steps: the path to the object's pod template.

    account: the pod's ServiceAccount, None if it is not in the files. label_decides: the pod is selected if it has the
    label, and only then.
    """
    wanted = ".".join((*steps, "metadata.labels"))
    misplaced = [*_misplaced(manifest, steps, decision, wanted)]
    yield from misplaced
    value = _values(manifest, steps, "labels").get(USE_LABEL)
    if isinstance(value, str) and value not in ("true", "false"):
        place = manifest.place(*steps, "metadata", "labels", USE_LABEL)
        yield message(manifests.LABEL_VALUE, place, label=USE_LABEL, value=value)
    elif label_decides and value is None and not misplaced and account and read_account_alone(account).annotated:
        place = manifest.place(*steps, "metadata")
        yield message(manifests.LABEL_MISSING, place, label=USE_LABEL, account=str(account), wanted=wanted)


def _misplaced(manifest: Manifest, steps: tuple[str, ...], decision: Decision, wanted: str) -> Iterator[Message]:
    """The label on an object around the template, or among annotations."""
    labels = _values(manifest, steps, "labels")
    for owner in _owners(steps):
        if owner != steps and USE_LABEL in _values(manifest, owner, "labels") and USE_LABEL not in labels:
            place = manifest.place(*owner, "metadata", "labels", USE_LABEL)
            yield message(manifests.LABEL_ON_WORKLOAD, place, label=USE_LABEL, wanted=wanted)
        if USE_LABEL in _values(manifest, owner, "annotations") and not any(
            warning.kind is LABEL_AS_ANNOTATION for warning in decision.warnings
        ):
            place = manifest.place(*owner, "metadata", "annotations", USE_LABEL)
            yield message(manifests.LABEL_IN_ANNOTATIONS, place, label=USE_LABEL, wanted=wanted)


def _owners(steps: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The paths to objects with metadata, from the outermost object down to its pod template."""
    yield ()
    for index, step in enumerate(steps):
        if step in ("jobTemplate", "template"):
            yield steps[: index + 1]


def _values(manifest: Manifest, steps: tuple[str, ...], kind: str) -> Mapping[str, Any]:
    """The labels or annotations of the object at `steps`."""
    value: Any = manifest.value
    for step in (*steps, "metadata", kind):
        value = value.get(step) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}
