"""Labels of a kustomization that reach too much or too little."""

from collections.abc import Iterator

from webhook.core.messages import Kind, message
from webhook.core.messages.lint import KUSTOMIZE_SELECTORS, KUSTOMIZE_WITHOUT_TEMPLATES
from webhook.core.names import USE_LABEL
from webhook.offline.lint.findings import Finding, found
from webhook.offline.lint.objects import Object

FILES = ("kustomization.yaml", "kustomization.yml", "Kustomization")


def of_kustomization(each: Object) -> Iterator[Finding]:
    """What is wrong with the labels of a kustomization."""
    if USE_LABEL in each.values("commonLabels"):
        yield _finding(KUSTOMIZE_SELECTORS, each, ("commonLabels", USE_LABEL), "commonLabels")
    entries = each.manifest.value.get("labels")
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        pairs = entry.get("pairs") if isinstance(entry, dict) else None
        if not isinstance(pairs, dict) or USE_LABEL not in pairs:
            continue
        steps = ("labels", index, "pairs", USE_LABEL)
        if entry.get("includeSelectors") is True:
            yield _finding(KUSTOMIZE_SELECTORS, each, steps, "includeSelectors")
        elif entry.get("includeTemplates") is not True and not entry.get("fields"):
            yield _finding(KUSTOMIZE_WITHOUT_TEMPLATES, each, steps, "labels")


def _finding(kind: Kind, each: Object, steps: tuple[str | int, ...], member: str) -> Finding:
    filled = message(kind, label=USE_LABEL, member=member)
    return found(filled, each.place(*steps), each.manifest)
