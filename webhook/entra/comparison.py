"""What is in Entra, compared with what the cluster needs. Pure: no network, no clock.

One application, or one user-assigned managed identity, at a time. Of each ServiceAccount that names it:

    state          what is there                                                            what `apply` does
    ok             issuer, subject and audience are right                                   -
    missing        nothing                                                                  creates it
    other issuer   the ServiceAccount's, of an issuer that this cluster had before          changes it
                   the ServiceAccount's, of an issuer of which nothing is known             creates its own beside it
    audience       issuer and subject are right, the audience is not                        changes it
    letters        issuer or subject differ in upper and lower case or in a last slash      changes it
    mark           all is right, but the mark does not name this cluster, which has a name  changes it
    no room        nothing, and the application has as many credentials as Entra takes      -

Of what else is there:

    duplicate      of a credential that is right, with other letters                        removes it if it is marked
    left over      marked as made for this cluster, and no ServiceAccount needs it          - (`prune` removes it)
    another        of another cluster, or of something else                                 -

An issuer is this cluster's if it is the current one or one of `former`, or if the mark has the cluster's name. A
credential whose issuer or subject differ from its own mark was changed by a person, and is left alone.
"""

import enum
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from webhook.entra.mark import mark, read_mark

MOST: Final = 20
"""Credentials that an application or a managed identity takes."""

_LONGEST_STEM: Final = 117  # characters of a name, if "-2" follows


@dataclass(frozen=True)
class Wanted:
    """What a ServiceAccount needs. account: namespace/name. name: of the credential, if it is created."""

    account: str
    name: str
    issuer: str
    subject: str
    audience: str

    @property
    def key(self) -> tuple[str, str]:
        """What an application has once."""
        return self.issuer, self.subject


@dataclass(frozen=True)
class Existing:
    """A credential as Entra has it. is_marked: whether this program made it; by its name if it cannot say so."""

    id: str
    name: str
    issuer: str
    subject: str
    audiences: tuple[str, ...]
    description: str = ""
    is_marked: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """What an application has once."""
        return self.issuer, self.subject


class State(enum.StrEnum):
    """How something is. The module's docstring explains each."""

    OK = "ok"
    MISSING = "missing"
    OTHER_ISSUER = "other issuer"
    AUDIENCE = "audience"
    LETTERS = "letters"
    MARK = "mark"
    NO_ROOM = "no room"
    DUPLICATE = "duplicate"
    LEFT_OVER = "left over"
    ANOTHER = "another"


class Change(enum.StrEnum):
    """What is to be done about it."""

    NOTHING = "nothing"
    CREATE = "create"
    UPDATE = "update"
    REMOVE = "remove"
    PRUNE = "prune"


@dataclass(frozen=True)
class Item:
    """One thing that was compared: what is wanted, what there is, or both. others: issuers of the same subject."""

    state: State
    change: Change
    wanted: Wanted | None = None
    existing: Existing | None = None
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cluster:
    """Whose credentials these are.

    name: in marks, may be "". former: issuers that it had, or of clusters that are gone. known: subjects whose needs
    are not known, so that nothing of theirs is left over. covers: whether a subject was looked at.
    """

    issuer: str
    name: str = ""
    former: frozenset[str] = frozenset()
    known: frozenset[str] = frozenset()
    covers: Callable[[str], bool] = field(default=lambda _: True)

    def made(self, existing: Existing) -> bool:
        """Whether this program made it for this cluster, now or before, and it is still what it was made for."""
        found = read_mark(existing.description)
        if not existing.is_marked:
            return False
        if found is None:  # marked by its name
            return self.has(existing.issuer)
        if not found.is_of(existing.issuer) or found.subject.casefold() != existing.subject.casefold():
            return self._is_misspelt(existing, found.issuer, found.subject)
        return self.has(existing.issuer) or bool(self.name and found.cluster == self.name)

    def has(self, issuer: str) -> bool:
        """Whether the issuer is, or was, that of this cluster."""
        return issuer == self.issuer or issuer in self.former

    def _is_misspelt(self, existing: Existing, issuer: str, subject: str) -> bool:
        """Whether only letters differ from the mark, which names this cluster."""
        return self.has(issuer) and _loose((issuer, subject)) == _loose(existing.key)


def compare(wanted: Iterable[Wanted], existing: Iterable[Existing], cluster: Cluster) -> list[Item]:
    """All items of one application, in the order in which they are to be done: same input in any order, same items."""
    needed = sorted({each.key: each for each in sorted(wanted, key=_of_wanted)}.values(), key=_of_wanted)
    rest = sorted(existing, key=lambda each: (each.name, each.id))
    comparison = _Comparison(cluster, rest)
    comparison.take_exact(needed)
    comparison.take_misspelt(needed)
    comparison.take_former(needed)
    comparison.take_rest(needed)
    return comparison.with_missing(needed)


def description(wanted: Wanted, existing: Existing | None, cluster: Cluster) -> str:
    """What to write: the mark, unless a person wrote something else."""
    if existing is None or existing.is_marked:
        return mark(wanted.issuer, wanted.subject, cluster.name)
    return existing.description


class _Comparison:
    """The credentials that are not assigned yet, and the items so far."""

    def __init__(self, cluster: Cluster, rest: Sequence[Existing]) -> None:
        self._cluster = cluster
        self._rest = list(rest)
        self._count = len(rest)
        self._names = {known.name.casefold() for known in rest}
        self._items: list[Item] = []
        self._served: set[tuple[str, str]] = set()

    def take_exact(self, needed: Sequence[Wanted]) -> None:
        """Those with the right issuer and subject."""
        for each in needed:
            found = next((known for known in self._rest if known.key == each.key), None)
            if found is None:
                continue
            if found.audiences != (each.audience,):
                self._assign(Item(State.AUDIENCE, Change.UPDATE, each, found))
            elif self._cluster.name and _is_nameless(found):
                self._assign(Item(State.MARK, Change.UPDATE, each, found))
            else:
                self._assign(Item(State.OK, Change.NOTHING, each, found))

    def take_misspelt(self, needed: Sequence[Wanted]) -> None:
        """Those that no token of any cluster matches: names in Kubernetes have small letters only."""
        for each in self._open(needed):
            found = next((known for known in self._rest if _loose(known.key) == _loose(each.key)), None)
            if found:
                self._assign(Item(State.LETTERS, Change.UPDATE, each, found))

    def take_former(self, needed: Sequence[Wanted]) -> None:
        """Those of this cluster before it was rebuilt."""
        for each in self._open(needed):
            found = next((known for known in self._rest if self._was_ours(known, each.subject)), None)
            if found:
                self._assign(Item(State.OTHER_ISSUER, Change.UPDATE, each, found))

    def take_rest(self, needed: Sequence[Wanted]) -> None:
        """Duplicates, what is left over, and what belongs to somebody else."""
        keys = {_loose(each.key) for each in needed}
        for known in self._rest:
            marked = self._cluster.made(known)
            if _loose(known.key) in keys:
                self._items.append(Item(State.DUPLICATE, Change.REMOVE if marked else Change.NOTHING, None, known))
            elif marked and self._is_left_over(known):
                self._items.append(Item(State.LEFT_OVER, Change.PRUNE, None, known))
            else:
                self._items.append(Item(State.ANOTHER, Change.NOTHING, None, known))

    def with_missing(self, needed: Sequence[Wanted]) -> list[Item]:
        """All items, with what is missing behind what makes room for it."""
        self._items.sort(key=_order)
        room = MOST - self._count + sum(each.change is Change.REMOVE for each in self._items)
        for each in self._open(needed):
            if room <= 0:
                self._items.append(Item(State.NO_ROOM, Change.NOTHING, each))
                continue
            room -= 1
            issuers = self._other_issuers(each.subject)
            state = State.OTHER_ISSUER if issuers else State.MISSING
            self._items.append(Item(state, Change.CREATE, self._named(each), others=issuers))
        return self._items

    def _other_issuers(self, subject: str) -> tuple[str, ...]:
        """Issuers with this subject of which nothing is known: this cluster before, or another cluster."""
        return tuple(
            sorted({known.issuer for known in self._rest if known.subject == subject and not _names_cluster(known)})
        )

    def _named(self, wanted: Wanted) -> Wanted:
        """With a name that is free. One of our own names is taken if a person changed what it was made for."""
        names = (wanted.name, *(f"{wanted.name[:_LONGEST_STEM]}-{number}" for number in range(2, MOST + 2)))
        return replace(wanted, name=next(name for name in names if name.casefold() not in self._names))

    def _was_ours(self, known: Existing, subject: str) -> bool:
        if known.issuer == self._cluster.issuer or known.subject != subject:
            return False
        return known.issuer in self._cluster.former or self._cluster.made(known)

    def _is_left_over(self, known: Existing) -> bool:
        return self._cluster.covers(known.subject) and known.subject.casefold() not in self._cluster.known

    def _open(self, needed: Sequence[Wanted]) -> Iterator[Wanted]:
        return (each for each in needed if each.key not in self._served)

    def _assign(self, item: Item) -> None:
        if item.wanted and item.existing:
            self._rest.remove(item.existing)
            self._served.add(item.wanted.key)
            self._items.append(item)


def after(existing: Collection[Existing], items: Iterable[Item], cluster: Cluster, *, pruned: bool) -> list[Existing]:
    """What Entra has when all of it is done. pruned: what is left over, too."""
    found = {each.id: each for each in existing}
    for item in items:
        if item.change is Change.REMOVE or (pruned and item.change is Change.PRUNE):
            del found[_existing(item).id]
        elif item.change is Change.UPDATE:
            found[_existing(item).id] = _as_wanted(item, cluster)
        elif item.change is Change.CREATE:
            made = _as_wanted(item, cluster)
            found[made.id] = made
    return [*found.values()]


def _as_wanted(item: Item, cluster: Cluster) -> Existing:
    wanted = item.wanted
    if wanted is None:
        raise ValueError("nothing is wanted")
    text = description(wanted, item.existing, cluster)
    audiences = (wanted.audience,)
    if item.existing is None:
        return Existing(wanted.name, wanted.name, wanted.issuer, wanted.subject, audiences, text, is_marked=True)
    return replace(item.existing, issuer=wanted.issuer, subject=wanted.subject, audiences=audiences, description=text)


def _existing(item: Item) -> Existing:
    if item.existing is None:
        raise ValueError("nothing exists")
    return item.existing


def _is_nameless(known: Existing) -> bool:
    """Whether the mark does not name a cluster, so that the credential would be unknown after a rebuild."""
    found = read_mark(known.description)
    return found is not None and not found.cluster


def _names_cluster(known: Existing) -> bool:
    """Whether the mark names a cluster. It is another one, or this one would have been found by its name."""
    found = read_mark(known.description)
    return found is not None and bool(found.cluster)


def _loose(key: tuple[str, str]) -> tuple[str, str]:
    """Equal for keys that differ in the case of letters, or in a slash at the issuer's end."""
    return key[0].removesuffix("/").casefold(), key[1].casefold()


def _of_wanted(wanted: Wanted) -> tuple[str, str, str, str]:
    return wanted.account, wanted.subject, wanted.issuer, wanted.audience


def _order(item: Item) -> int:
    """What makes room comes first."""
    return 0 if item.change is Change.REMOVE else 1
