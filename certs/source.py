"""What every source of certificates is to the server, and the state that it gives to probes, metrics and people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from certs.messages import Problem
from certs.serving import Serving

__all__ = ["CertificateSource", "Description"]


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
    """When the authority that signs now expires; None if it is not ours."""
    trust_published: bool | None = None
    """Whether each of our caBundles, as last read, trusts the leaf; None if another writes caBundle."""
    phase: str | None = None
    """Where the authority stands in its life (`certs.managed.next_step.Phase`); None if it is not ours."""
    dialled: str | None = None
    """`ok`, or the error of the last fresh connection to ourselves; None before the first."""
    waits: str | None = None
    """What a good leaf waits for before the replica is ready; None if for nothing."""
    problems: tuple[Problem, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    """How often each event happened since the start: conflicts, repairs, failures. A count never falls."""


class CertificateSource(Protocol):
    """Where the certificate comes from: the server starts it, runs it as a task and asks for its state."""

    @property
    def serving(self) -> Serving:
        """What to listen with. It is there from the beginning."""
        ...

    async def start(self) -> None:
        """The first attempt, within its own time limits. What fails is in `describe`, and is not raised."""
        ...

    async def run(self) -> None:
        """Keep the certificate right until cancelled."""
        ...

    def healthy(self) -> bool:
        """Whether a client that should trust us can connect, as far as is known. Makes no call."""
        ...

    def describe(self) -> Description:
        """The state, with the problems that a person must fix."""
        ...
