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


class _Namesakes:
    """The ServiceAccounts of one name that the pods of a namespace could mean, by file and by folder."""

    def __init__(self, known: Sequence[KnownAccount]) -> None:
        self._by_file: dict[str, KnownAccount] = {}
        by_folder: dict[PurePath, list[KnownAccount]] = {}
        for each in known:
            file = each.object.manifest.source.name
            self._by_file[file] = each  # the one that is applied last
            by_folder.setdefault(PurePath(file).parent, []).append(each)
        self._by_folder = {folder: _alike(group) for folder, group in by_folder.items()}
        self._anywhere = _alike(known)
        self.exist = bool(known)

    def nearest(self, file: str) -> KnownAccount | None:
        """The one in `file`, else in its folder, else anywhere; None if there are several that are not alike."""
        if file in self._by_file:
            return self._by_file[file]
        return self._by_folder.get(PurePath(file).parent, self._anywhere)


def _alike(known: Sequence[KnownAccount]) -> KnownAccount | None:
    """The first of those that have the same annotations, None if they do not."""
    first = known[0] if known else None
    return first if first and all(each.account.annotations == first.account.annotations for each in known) else None


class Accounts:
    """All of them."""

    def __init__(self, objects: Iterable[Object]) -> None:
        self._by_name: dict[str, list[KnownAccount]] = {}
        self._namesakes: dict[tuple[str, str], _Namesakes] = {}  # by name, and the namespace that a pod states
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
        return self._of_name(name, pod.stated).nearest(pod.manifest.source.name)

    def is_known(self, pod: Object, name: str) -> bool:
        """Whether there is one of that name that a pod of `pod` could mean."""
        return self._of_name(name, pod.stated).exist

    def _of_name(self, name: str, namespace: str) -> _Namesakes:
        """Those of a name for pods that state a namespace, or "": in that namespace, else without a stated one."""
        found = self._namesakes.get((name, namespace))
        if found is None:
            known = self._by_name.get(name, [])
            same = [each for each in known if each.object.stated == namespace]
            known = same or [each for each in known if not namespace or not each.object.stated]
            found = self._namesakes[name, namespace] = _Namesakes(known)
        return found

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
