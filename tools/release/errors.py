"""The one exception of this package."""

from __future__ import annotations

__all__ = ["ReleaseError"]


class ReleaseError(Exception):
    """A release cannot be made; the text says why, and what to do."""
