"""Times as Kubernetes writes them."""

from datetime import datetime
from typing import Any


def timestamp(text: Any) -> datetime | None:
    """The time in a field of an object, such as 2026-07-01T12:00:00Z; None if it is not one."""
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
