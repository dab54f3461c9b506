"""How a plan, and what came of it, is shown: a table for people, or JSON."""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from webhook.commands.printed import write_stdout
from webhook.core.messages import Message
from webhook.entra.az_commands import command
from webhook.entra.comparison import MOST, Change, Cluster, Item, State, Wanted
from webhook.entra.explanations import explanation, place
from webhook.entra.plan import APPLIED, PRUNED, Done, Part

FORMATS: Final = ("table", "json")
_FAILED: Final = "failed"
_WORDS: Final = {
    Change.CREATE: "created",
    Change.UPDATE: "changed",
    Change.REMOVE: "removed",
    Change.PRUNE: "removed",
}
_GROWTH: Final = {Change.CREATE: 1, Change.REMOVE: -1, Change.PRUNE: -1}


@dataclass
class Outcome:
    """A plan and what came of it.

    done: None if nothing was tried. problems: with the cluster's issuer. refused: ServiceAccounts that cannot sign in.
    """

    cluster: Cluster
    parts: Sequence[Part]
    problems: list[Message] = field(default_factory=list)
    done: list[Done] | None = None
    refused: list[Message] = field(default_factory=list)

    @property
    def failures(self) -> list[Message]:
        """What failed: applications that could not be read, and what could not be done."""
        unread = [part.failure for part in self.parts if part.failure]
        full = [explanation(part, item) for part, item in self.items() if item.state is State.NO_ROOM]
        undone = [each.failure for each in self.done or ()]
        return [each for each in (*unread, *full, *undone) if each]

    def has_failed(self, part: Part, wanted: Wanted) -> bool:
        """Whether this ServiceAccount's credential is not as it should be."""
        full = any(item.state is State.NO_ROOM and item.wanted == wanted for item in part.items)
        return full or any(
            each.failure and each.part.client_id == part.client_id and each.item.wanted == wanted
            for each in self.done or ()
        )

    def to_do(self, changes: Collection[Change]) -> int:
        """How many items there are of these changes."""
        return sum(len(part.to_do(changes)) for part in self.parts)

    def used(self, part: Part) -> int:
        """How many credentials the application has, after what was done."""
        good = [
            each.item.change for each in self.done or () if not each.failure and each.part.client_id == part.client_id
        ]
        return part.used + sum(_GROWTH.get(change, 0) for change in good)

    def items(self) -> Iterator[tuple[Part, Item]]:
        """All items with their applications."""
        return ((part, item) for part in self.parts for item in part.items)


def write(outcome: Outcome, output: str, *, action: str, again: str) -> None:
    """Writes it to standard output. again: the selection, as flags of the next command."""
    write_stdout(_document(outcome, action) if output == "json" else _text(outcome, action, again))


def commands(outcome: Outcome, changes: Collection[Change]) -> str:
    """The `az` commands for the items of `changes`, one a line."""
    lines = []
    for part in outcome.parts:
        if part.application:
            lines += [command(part.application, item, outcome.cluster) for item in part.to_do(changes)]
    return "".join(f"{line}\n" for line in lines)


def _text(outcome: Outcome, action: str, again: str) -> str:
    rows = [("STATE", "SERVICEACCOUNT", "APPLICATION", "WHAT"), *_rows(outcome, action)]
    used = [("APPLICATION", "CLIENT ID", "KIND", "CREDENTIALS"), *(_usage(outcome, part) for part in outcome.parts)]
    if outcome.done is not None:
        rows[0] = ("RESULT", *rows[0][1:])
    blocks = [_table(each) for each in (rows, used) if len(each) > 1]
    return "\n".join([*blocks, _summary(outcome, action, again) + "\n"])


def _rows(outcome: Outcome, action: str) -> Iterator[tuple[str, str, str, str]]:
    if outcome.done is not None:
        for each in outcome.done:
            result = _FAILED if each.failure else _WORDS[each.item.change]
            yield result, _account(each.item), each.part.name, _said(each.failure) or _name(each.item)
        return
    for part in outcome.parts:
        if part.failure:
            for account in [each.account for each in part.wanted] or [""]:
                yield _FAILED, account, part.name, _said(part.failure)
        for item in part.items:
            if _is_shown(item, action):
                yield item.state, _account(item), part.name, _said(explanation(part, item)) or _name(item)


def _is_shown(item: Item, action: str) -> bool:
    if action == "prune":
        return item.change in PRUNED
    return item.state is not State.ANOTHER


def _account(item: Item) -> str:
    if item.wanted:
        return item.wanted.account
    return item.existing.subject.rpartition("serviceaccount:")[2].replace(":", "/") if item.existing else ""


def _name(item: Item) -> str:
    if item.existing:
        return item.existing.name
    return item.wanted.name if item.wanted else ""


def _said(found: Message | None) -> str:
    return f"{found.text} [{found.code}]" if found else ""


def _usage(outcome: Outcome, part: Part) -> tuple[str, str, str, str]:
    if part.application is None:
        return part.name, part.client_id, "-", "not known"
    others = sum(item.state is State.ANOTHER for item in part.items)
    used = f"{outcome.used(part)} of {MOST}" + (f", {others} of another cluster or by hand" if others else "")
    return part.name, part.client_id, part.application.kind, used


def _summary(outcome: Outcome, action: str, again: str) -> str:
    if not outcome.parts:
        return f"Nothing to do: with{again}, no ServiceAccount names an application of this tenant and cloud."
    if outcome.done is not None:
        good, failed = sum(each.failure is None for each in outcome.done), len(outcome.failures)
        return f"{good} done, {failed} failed." if outcome.done or failed else "Nothing was to do."
    left_over = outcome.to_do(PRUNED)
    removable = f"{left_over} left over: m365wi fic prune{again}." if left_over else ""
    if action == "prune":
        if left_over:
            return f"{left_over} left over; nothing was removed: add --yes."
        return "Nothing is left over, as far as could be seen." if outcome.failures else "Nothing is left over."
    return " ".join(filter(None, (_to_apply(outcome, again), removable)))


def _to_apply(outcome: Outcome, again: str) -> str:
    if outcome.problems:  # apply refuses
        return "Entra cannot use the issuer: correct that first, then `fic apply` goes on."
    to_do = outcome.to_do(APPLIED)
    if to_do:
        return f"{to_do} to do: m365wi fic apply{again}."
    return "Nothing else is to do, but something failed." if outcome.failures else "Nothing is to do."


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "".join(f"{line}\n" for line in lines)


def _document(outcome: Outcome, action: str) -> str:
    found = {
        "issuer": outcome.cluster.issuer,
        "cluster": outcome.cluster.name,
        "toDo": outcome.to_do(APPLIED),
        "leftOver": outcome.to_do(PRUNED),
        "problems": [_message(each) for each in (*outcome.problems, *outcome.failures, *outcome.refused)],
        "applications": [_application(outcome, part) for part in outcome.parts],
        "credentials": [_item(part, item) for part, item in outcome.items() if _is_shown(item, action)],
    }
    if outcome.done is not None:
        found["done"] = [_done(each) for each in outcome.done]
    return json.dumps(found, indent=2) + "\n"


def _application(outcome: Outcome, part: Part) -> dict[str, Any]:
    kind = part.application.kind if part.application else ""
    others = sum(item.state is State.ANOTHER for item in part.items)
    return {
        "clientId": part.client_id,
        "name": part.application.name if part.application else "",
        "kind": kind,
        "used": outcome.used(part),
        "limit": MOST,
        "others": others,
    }


def _item(part: Part, item: Item) -> dict[str, Any]:
    found = explanation(part, item)
    return {
        "state": item.state,
        "change": item.change,
        "serviceAccount": _account(item),
        "clientId": part.client_id,
        "credential": _name(item),
        **(_message(found) if found else {"code": "", "place": place(part, item), "detail": "", "fix": ""}),
    }


def _done(done: Done) -> dict[str, Any]:
    result = _FAILED if done.failure else _WORDS[done.item.change]
    return {"result": result, **_item(done.part, done.item)}


def _message(found: Message) -> dict[str, Any]:
    return {"code": found.code, "place": found.place.object, "detail": found.text, "fix": found.fix}
