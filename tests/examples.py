"""The number of examples of a property test that needs more or fewer than its profile says (conftest.py)."""

from hypothesis import settings

__all__ = ["times"]


def times(factor: float) -> settings:
    """`factor` times as many as other tests: more where each is cheap, fewer where each is a whole story."""
    return settings(max_examples=int(factor * settings().max_examples))
