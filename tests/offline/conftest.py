"""The command `mutate`, for tests of what it decides."""

from tests.offline.mutating import mutate

__all__ = ["mutate"]
