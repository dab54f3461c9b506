"""What every source of certificates is to the server, and how it tells its state to probes, metrics and people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from certs.serving import Serving

__all__ = ["Description", "Problem", "Source"]


@dataclass(frozen=True)
class Problem:
    """Something that does not mend itself: what it is, and what a person does about it. Nothing private in either."""

    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.what}. {self.fix}" if self.fix else self.what


@dataclass(frozen=True, kw_only=True)
class Description:
    """The state of a source, for `/readyz`, metrics and `certs`. Times are aware and in UTC."""

    mode: str
    """`development`, `files` or `self-managed`."""
    healthy: bool
    not_after: datetime | None = None
    """When the leaf that is served expires; None until there is one."""
    fingerprint: str | None = None
    """SHA-256 of that leaf, in hex."""
    authority_not_after: datetime | None = None
    """When the authority that signs now expires; None where it is not ours."""
    trust_published: bool | None = None
    """Whether every caBundle of ours, as last read, vouches for the leaf; None where publishing is not ours."""
    phase: str | None = None
    """Where the authority stands in its life (`certs.managed.next_step.Phase`); None where it is not ours."""
    dialled: str | None = None
    """`ok`, or what a fresh connection to ourselves met; None until one was made."""
    waits: str | None = None
    """What a good leaf waits for before it takes calls; None where it waits for nothing."""
    problems: tuple[Problem, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    """How often each thing happened since the start: conflicts, repairs, failures. Only ever grows."""


class Source(Protocol):
    """Where the certificate comes from: the server starts it, runs it beside itself and asks how it is."""

    @property
    def serving(self) -> Serving:
        """What to listen with, from the first moment on."""
        ...

    async def start(self) -> None:
        """The first attempt, within its own time limits. What fails is told by `describe`, not raised."""
        ...

    async def run(self) -> None:
        """Keep the certificate right until cancelled."""
        ...

    def healthy(self) -> bool:
        """Whether a client that should trust us can connect, as far as is known. Costs nothing."""
        ...

    def describe(self) -> Description:
        """The state, with what a person must mend."""
        ...
