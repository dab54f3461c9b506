"""What a step decides, as data: a message, and the requests that make it true."""

import enum
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from webhook.core.messages import Message, Severity


class Service(enum.Enum):
    """Who is asked."""

    GRAPH = "Microsoft Graph"
    RESOURCE_MANAGER = "Azure Resource Manager"
    CLUSTER = "the cluster"


class Outcome(enum.StrEnum):
    """How a step ended."""

    FOUND = "ok"
    """There was nothing to do."""
    DONE = "done"
    WAITS = "todo"
    """Somebody else has to do it. The other steps go on."""
    FAILED = "fail"
    """The run ends here."""
    SKIPPED = "skip"


@dataclass(frozen=True)
class Call:
    """One request that changes something.

    saves: the variable of a shell that gets a member of the answer, by its name; a later request may name it, as $NAME.
    kind: of the body, application/…. young: whether what it is about may have been made a moment ago, so that not every
    server knows it yet. key: the path by which it is made only if it is not there, however often it is asked for.
    command: what does the same in a shell, if that is not `az rest`.
    """

    service: Service
    method: str
    path: str
    body: Any = None
    kind: str = "json"
    saves: Mapping[str, str] = field(default_factory=dict)
    young: bool = False
    key: str = ""
    command: str = ""


@dataclass(frozen=True)
class Deed:
    """What other code does. command: what does the same in a shell; it may name a variable, as $NAME."""

    do: Callable[[], Awaitable[None]]
    command: str


@dataclass(frozen=True)
class Verdict:
    """What one step says. message: how it is, once all is done. step: one word."""

    step: str
    message: Message
    calls: tuple[Call, ...] = ()
    deeds: tuple[Deed, ...] = ()

    @property
    def todo(self) -> tuple[Call | Deed, ...]:
        """All that is to be done."""
        return (*self.calls, *self.deeds)

    @property
    def outcome(self) -> Outcome:
        """By the severity of the message, and by whether anything is done."""
        severity = self.message.kind.severity
        if severity is Severity.ERROR:
            return Outcome.FAILED
        if severity is Severity.WARNING:
            return Outcome.WAITS
        if severity is Severity.SKIPPED:
            return Outcome.SKIPPED
        return Outcome.DONE if self.todo else Outcome.FOUND
