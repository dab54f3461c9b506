"""What comes back when a pod is sent."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Sent:
    """What became of a pod: as it is now, or None when refused; and what its user was told, a line each."""

    pod: Mapping[str, Any] | None
    said: list[str]
