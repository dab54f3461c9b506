"""The answer to a pod."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Sent:
    """pod: as it is created, or None if it is refused. said: the lines that its user sees."""

    pod: Mapping[str, Any] | None
    said: list[str]
