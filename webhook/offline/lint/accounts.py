"""The ServiceAccounts among the files: which one a pod means, and what is wrong with each."""

import difflib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

from webhook.core import names
from webhook.core.identity import Account, read_account_alone
from webhook.core.messages import Message
from webhook.core.messages import annotations as kinds
from webhook.core.near_misses import concerns_us
from webhook.core.policy import Policy
from webhook.documents import metadata
from webhook.documents.files import FilePlace
from webhook.offline.lint.findings import Finding, found, found_where_it_says
from webhook.offline.lint.leftovers import filled, leftovers
from webhook.offline.lint.objects import Object

_ABOUT_A_MISSING_ID: Final = {
    kinds.CLIENT_ID_MISSING: frozenset({names.AZURE_CLIENT_ID, names.CLIENT_ID}),
    kinds.TENANT_ID_MISSING: frozenset({names.AZURE_TENANT_ID, names.TENANT_ID}),
}
_SIMILAR: Final = 0.85  # of 1
# Spellings are compared for so many pods with so many names, which takes a second.
_MOST_COMPARED: Final = 50
_MOST_NAMES: Final = 200


@dataclass(frozen=True)
class KnownAccount:
    """A ServiceAccount of the files. account: with something valid in place of what a template was to fill in."""

    object: Object
    account: Account

    def place(self, message: Message) -> FilePlace:
        """Where a message about it stands: its annotation, or where that would be."""
        annotation = message.place.annotation
        annotations = self.object.values("metadata", "annotations")
        if annotation in annotations:
            return self.object.place("metadata", "annotations", annotation)
        return self.object.place("metadata", "annotations") if annotations else self.object.head()


class Accounts:
    """All of them."""

    def __init__(self, objects: Iterable[Object]) -> None:
        self._by_name: dict[str, list[KnownAccount]] = {}
        self._compared = 0
        for each in objects:
            name = each.manifest.metadata.get("name")
            if each.is_a("", "ServiceAccount") and isinstance(name, str) and name:
                account = Account(each.namespace, name, filled(each.texts("metadata", "annotations")))
                self._by_name.setdefault(name, []).append(KnownAccount(each, account))
        self._texts = {
            (key, value)
            for known in self._by_name.values()
            for one in known
            for key, value in one.account.annotations.items()
        }

    def __iter__(self) -> Iterator[KnownAccount]:
        for known in self._by_name.values():
            yield from known

    def has(self, key: str, value: object) -> bool:
        """Whether one of them has this annotation: Kustomize and charts put the same ones on all objects."""
        return (key, value) in self._texts

    def of(self, pod: Object, name: str) -> KnownAccount | None:
        """The one that a pod of `pod` means; None if it is not there or there are others of its name."""
        known = [
            each
            for each in self._by_name.get(name, ())
            if not pod.stated or not each.object.stated or pod.stated == each.object.stated
        ]
        known = [each for each in known if each.object.stated == pod.stated] or known
        file = pod.manifest.source.name
        same_file = [each for each in known if each.object.manifest.source.name == file]
        if same_file:
            return same_file[-1]  # the one that is applied last
        folder = PurePath(file).parent
        near = [each for each in known if PurePath(each.object.manifest.source.name).parent == folder] or known
        first = near[0] if near else None
        return first if first and all(each.account.annotations == first.account.annotations for each in near) else None

    def is_known(self, pod: Object, name: str) -> bool:
        """Whether there is one of that name that a pod of `pod` could mean."""
        return any(
            not pod.stated or not each.object.stated or pod.stated == each.object.stated
            for each in self._by_name.get(name, ())
        )

    def elsewhere(self, name: str) -> str:
        """The namespace of a ServiceAccount of that name, "" if there is not one."""
        return next((each.object.stated for each in self._by_name.get(name, ())), "")

    def similar(self, pod: Object, name: str) -> str:
        """A name like `name` that a pod of `pod` could mean, or ""."""
        if self._compared == _MOST_COMPARED:
            return ""
        self._compared += 1
        others = [each for each in itertools.islice(self._by_name, _MOST_NAMES) if self.is_known(pod, each)]
        close = difflib.get_close_matches(name, others, n=1, cutoff=_SIMILAR)
        return close[0] if close else ""


def of_account(known: KnownAccount, policy: Policy, *, has_pods: bool) -> Iterator[Finding]:
    """What is wrong with a ServiceAccount. has_pods: in these files; they tell what they miss themselves."""
    each = known.object
    for problem in metadata.problems(each.manifest, "metadata"):
        yield found_where_it_says(problem, each.manifest, each.title)
    yield from leftovers(each, "metadata")
    if concerns_us(key for key in known.account.annotations if key != names.LINT_IGNORE):
        reading = read_account_alone(known.account, policy)
        warnings = [each for each in reading.warnings if not has_pods or each.kind not in _ABOUT_A_MISSING_ID]
        yield from of_messages(known, (*reading.problems, *warnings))


def of_messages(known: KnownAccount, messages: Sequence[Message]) -> Iterator[Finding]:
    """Messages about a ServiceAccount at their places. What is misspelt is not missing as well."""
    meant = {each.values["meant"] for each in messages if each.kind is kinds.UNKNOWN_ANNOTATION}
    for each in messages:
        if meant.isdisjoint(_ABOUT_A_MISSING_ID.get(each.kind, ())):
            yield found(each, known.place(each), known.object.manifest, known.object.title)
