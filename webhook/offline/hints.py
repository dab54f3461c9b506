"""What looks like an opt-in and is none. The webhook is never asked about such a pod, so only here is it said.

    found                                                       the usual intention
    the label on the workload and not on its template           its pods are to be injected, or left alone
    the label as an annotation, on either                       the same
    a value other than "true" and "false", such as "True"       the same
    no label at all, in scope pod-label, where the              its pods are to be injected
    ServiceAccount has a client id

None of them changes what is decided.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from webhook.core.decision import Decision
from webhook.core.identity import Account, read_account_alone
from webhook.core.messages.annotations import LABEL_AS_ANNOTATION
from webhook.core.names import USE_LABEL
from webhook.documents.files import Manifest


def hints(
    manifest: Manifest, steps: tuple[str, ...], decision: Decision, account: Account | None, *, label_decides: bool
) -> Iterator[str]:
    """Each of these mistakes in a line, with its place. steps: where the object keeps its pod template.

    account: the pod's ServiceAccount, None when it is not in the files. label_decides: whether the pod is selected if
    it has the label, and only then.
    """
    labels = _texts(manifest, steps, "labels")
    wanted = ".".join((*steps, "metadata.labels"))
    found = False
    for owner in _owners(steps):
        if owner != steps and USE_LABEL in _texts(manifest, owner, "labels") and USE_LABEL not in labels:
            found = True
            place = manifest.place(*owner, "metadata", "labels", USE_LABEL)
            yield f"{place}: label {USE_LABEL} does not reach the pods there: put it in {wanted}"
        if USE_LABEL in _texts(manifest, owner, "annotations") and not any(
            warning.kind is LABEL_AS_ANNOTATION for warning in decision.warnings
        ):
            found = True
            place = manifest.place(*owner, "metadata", "annotations", USE_LABEL)
            yield f"{place}: annotation {USE_LABEL} has no effect: it is a label, put it in {wanted}"
    value = labels.get(USE_LABEL)
    if isinstance(value, str) and value not in ("true", "false"):
        place = manifest.place(*steps, "metadata", "labels", USE_LABEL)
        yield f'{place}: label {USE_LABEL} is "{ascii(value[:80])[1:-1]}", expected "true" or "false"'
    elif label_decides and value is None and not found and account and read_account_alone(account).annotated:
        place = manifest.place(*steps, "metadata")
        yield f'{place}: {account} has a client id, but the pod is not selected: put {USE_LABEL}: "true" in {wanted}'


def _owners(steps: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Where metadata may stand, from the object down to its pod template."""
    yield ()
    for index, step in enumerate(steps):
        if step in ("jobTemplate", "template"):
            yield steps[: index + 1]


def _texts(manifest: Manifest, steps: tuple[str, ...], kind: str) -> Mapping[str, Any]:
    """The labels or annotations that stand there."""
    value: Any = manifest.value
    for step in (*steps, "metadata", kind):
        value = value.get(step) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}
