"""What the items of a plan mean, in words."""

from collections.abc import Mapping
from typing import Final

from webhook.core.messages import Kind, Message, Place, message
from webhook.core.messages import plans as kinds
from webhook.entra.az_commands import removal
from webhook.entra.comparison import MOST, Change, Existing, Item, State, Wanted
from webhook.entra.plan import Part

_KINDS: Final[Mapping[State, Kind]] = {
    State.MISSING: kinds.CREDENTIAL_MISSING,
    State.OTHER_ISSUER: kinds.ISSUER_BEFORE,
    State.AUDIENCE: kinds.AUDIENCE_WRONG,
    State.LETTERS: kinds.LETTERS_WRONG,
    State.MARK: kinds.MARK_NAMELESS,
    State.NO_ROOM: kinds.NO_ROOM,
    State.DUPLICATE: kinds.DUPLICATE,
    State.LEFT_OVER: kinds.LEFT_OVER,
}


def explanation(part: Part, item: Item) -> Message | None:
    """What the item means; None if all is well, or if it belongs to somebody else."""
    kind = _KINDS.get(item.state)
    if kind is None:
        return None
    if item.others:
        kind = kinds.ISSUER_UNKNOWN
    if item.state is State.DUPLICATE and item.change is Change.NOTHING:
        kind = kinds.DUPLICATE_BY_HAND
    return message(kind, Place(place(part, item)), **_values(part, item))


def place(part: Part, item: Item) -> str:
    """The ServiceAccount, or the application if there is not one."""
    return f"ServiceAccount {item.wanted.account}" if item.wanted else f"application {part.name}"


def _values(part: Part, item: Item) -> dict[str, object]:
    wanted, known = item.wanted, item.existing
    values: dict[str, object] = {"issuers": ", ".join(item.others), "count": part.used, "limit": MOST}
    if known:
        values |= {"name": known.name, "issuer": known.issuer, "subject": known.subject}
        values["command"] = removal(part.application, known) if part.application else ""
    if wanted:
        values |= {"name": known.name if known else wanted.name, "audience": wanted.audience}
    if wanted and known:
        values |= _difference(wanted, known, item.state)
    return values


def _difference(wanted: Wanted, known: Existing, state: State) -> dict[str, object]:
    if state is State.AUDIENCE:
        return {"found": ", ".join(known.audiences) or "nothing"}
    if known.issuer != wanted.issuer:
        return {"found": known.issuer, "expected": wanted.issuer}
    return {"found": known.subject, "expected": wanted.subject}
