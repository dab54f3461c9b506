"""Wrong settings: all mistakes at once, each a message."""

from collections.abc import Iterable

from webhook.core.messages import Message, Place, message
from webhook.core.messages import settings as kinds


class SettingsError(Exception):
    """Settings, flags or files that cannot be used; `problems` has each mistake."""

    def __init__(self, problems: Iterable[Message]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def bad_value(option: str, value: object, expected: object) -> Message:
    """The problem of a flag or a variable with a wrong value."""
    return message(kinds.BAD_VALUE, Place(option), value=value, expected=str(expected))
