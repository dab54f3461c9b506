"""Labels and annotations on objects that they have no effect on."""

import shlex
from collections.abc import Iterator
from typing import Final

from webhook.core import names
from webhook.core.messages import Kind, Place, message
from webhook.core.messages import annotations as annotation_kinds
from webhook.core.messages import lint as kinds
from webhook.core.messages import workloads as workload_kinds
from webhook.core.near_misses import similar_name, similar_prefix
from webhook.offline.lint.accounts import Accounts
from webhook.offline.lint.findings import Finding, found
from webhook.offline.lint.objects import Object

_SETTINGS: Final = names.POD_ANNOTATIONS | names.ACCOUNT_ANNOTATIONS
_KNOWN: Final = (names.USE_LABEL, names.INJECT_LABEL)
_LONGEST: Final = 63  # characters of the name of a label
_WITH_SELECTORS: Final = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")


def misplaced(each: Object, accounts: Accounts, *, pods_are_labelled: bool) -> Iterator[Finding]:
    """Of the object's own metadata. pods_are_labelled: if it is a ServiceAccount, whether some pod of it is."""
    for key, value in each.texts("metadata", "labels").items():
        kind = _of_label(each, key, value, pods_are_labelled=pods_are_labelled)
        if kind:
            yield _finding(kind, each, ("metadata", "labels", key), key, value)
    if each.is_a("", "ServiceAccount") or each.is_a("", "Pod") or each.is_foreign:
        return  # near_misses looks at the first two; what an operator does with annotations is not known
    for key, value in each.texts("metadata", "annotations").items():
        kind = _of_annotation(each, key)
        if kind and not accounts.has(key, value):
            yield _finding(kind, each, ("metadata", "annotations", key), key, value)


def of_template(each: Object, steps: tuple[str, ...]) -> Iterator[Finding]:
    """The labels of a pod template that are not labels, or not that one."""
    for key, value in each.texts(*steps, "metadata", "labels").items():
        kind = workload_kinds.POD_LABEL if key in _SETTINGS else None
        if key == names.INJECT_LABEL:
            kind = kinds.NAMESPACE_LABEL_ELSEWHERE
        elif kind is None and meant(key):
            kind = kinds.LABEL_UNKNOWN
        if kind:
            yield _finding(kind, each, (*steps, "metadata", "labels", key), key, value)


def in_selector(each: Object) -> Iterator[Finding]:
    """The label in the selector of a workload, where it can never be changed."""
    selector = ("spec", "selector", "matchLabels")
    has_selector = each.manifest.group in ("apps", "extensions") and each.kind in _WITH_SELECTORS
    if has_selector and names.USE_LABEL in each.values(*selector):
        yield _finding(kinds.LABEL_IN_SELECTOR, each, (*selector, names.USE_LABEL), names.USE_LABEL, "")


def meant(label: str) -> str:
    """The label that `label` is a misspelling of, or ""."""
    prefix, _, name = label[: 2 * _LONGEST].partition("/")
    if label in _KNOWN or not name:
        return ""
    near = similar_prefix(prefix)
    return similar_name(name, _KNOWN, near) if near else ""


def _of_label(each: Object, key: str, value: str, *, pods_are_labelled: bool) -> Kind | None:
    on_account, on_namespace = each.is_a("", "ServiceAccount"), each.is_a("", "Namespace")
    if key == names.USE_LABEL and on_account and not pods_are_labelled:
        return workload_kinds.USE_LABEL_ON_ACCOUNT
    if key == names.USE_LABEL and on_namespace:
        return kinds.USE_LABEL_ON_NAMESPACE
    if key == names.INJECT_LABEL:
        if on_namespace:
            return None if value == "true" else kinds.NAMESPACE_LABEL_VALUE
        return kinds.NAMESPACE_LABEL_ELSEWHERE if on_account or each.is_workload else None
    if key in _SETTINGS and on_account:
        return workload_kinds.ACCOUNT_LABEL
    if (on_account or on_namespace or each.is_workload) and each.pods != ((),) and meant(key):
        return kinds.LABEL_UNKNOWN
    return None


def _of_annotation(each: Object, key: str) -> Kind | None:
    if key == names.INJECT_LABEL and each.is_a("", "Namespace"):
        return kinds.NAMESPACE_LABEL_AS_ANNOTATION
    if key not in _SETTINGS:
        return None
    if not each.is_workload:
        return annotation_kinds.MISPLACED_ANNOTATION
    only_on_accounts = key not in names.POD_ANNOTATIONS
    return (
        workload_kinds.ACCOUNT_ANNOTATION_ON_WORKLOAD if only_on_accounts else workload_kinds.POD_ANNOTATION_ON_WORKLOAD
    )


def _finding(kind: Kind, each: Object, steps: tuple[str | int, ...], key: str, value: str) -> Finding:
    template = each.pods[0] if each.pods else ()
    spec = each.values(*template, "spec")
    filled = message(
        kind,
        Place(each.title, annotation=key, field=".".join((*template, "metadata.annotations"))),
        label=key,
        unknown=key,
        meant=meant(key) or (names.INJECT_LABEL if key == names.USE_LABEL else names.USE_LABEL),
        kind="Pod" if len(steps) > 3 else each.kind,
        owner="Pod" if key in names.POD_ANNOTATIONS else "ServiceAccount",
        account=spec.get("serviceAccountName") or spec.get("serviceAccount") or "default",
        namespace=each.namespace,
        command=f"{each.kind.lower()} {shlex.quote(each.manifest.name)} -n {each.namespace}",
        value=value,
    )
    return found(filled, each.place(*steps), each.manifest, each.title)
