"""The settings of the self-managed mode."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from certs.names import BACKDATED

__all__ = ["Settings"]

_SHORTEST_INTERVAL = timedelta(milliseconds=100)  # more often is a burden to the API server and no use to anybody
_SMALLEST_SKEW = timedelta(seconds=2)  # the API server tells its time in whole seconds, and an answer takes a moment
_LONGEST_LIFE = timedelta(days=36500)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the self-managed mode is told.

    Raises ValueError with everything that is wrong, separated by `; `: each setting by the name of its flag, its value,
    and what was expected.
    """

    secret: str
    """`namespace/name`."""
    configuration: str
    """The name of the MutatingWebhookConfiguration."""
    service: str
    """`namespace/name`: webhooks that call it are ours."""
    names: tuple[str, ...]
    """What a leaf is good for, DNS names or IP addresses: `certs.names.service_names`."""
    name: str
    """The one of `names` that kube-apiserver asks for: `<service>.<namespace>.svc`."""
    webhooks: frozenset[str] = frozenset()
    """Webhooks that are ours by name, as where they call a URL."""
    common_name: str = "m365-workload-identity CA"
    authority_lifetime: timedelta = timedelta(days=730)
    leaf_lifetime: timedelta = timedelta(days=14)
    interval: timedelta = timedelta(seconds=30)
    """Between two readings; up to a fifth shorter, at random."""
    settle: timedelta = timedelta(seconds=120)
    """How long an authority must have been read in every caBundle before it replaces one that works."""
    skew: timedelta = timedelta(hours=1)
    """By how much a replica's clock may differ from the API server's. A leaf is replaced that much before its end."""
    call_limit: timedelta = timedelta(seconds=10)
    """For one call of the API."""

    @property
    def shortest_leaf(self) -> timedelta:
        """The shortest life of a leaf that is renewed in time: `skew` and two of `interval` fit into its last third."""
        return 3 * (self.skew + 2 * self.interval)

    @property
    def shortest_authority(self) -> timedelta:
        """The shortest life of an authority whose successor is trusted everywhere in time: within its last third."""
        return 3 * (self.skew + self.settle + 4 * self.interval)

    def __post_init__(self) -> None:
        wrong = [] if self.name in self.names else [f"the name {self.name} is not among the names of the leaf"]
        wrong += self._out_of_bounds() + self._contradictions()
        if wrong:
            raise ValueError("; ".join(wrong))

    def _out_of_bounds(self) -> list[str]:
        """What cannot work whatever the other settings are."""
        least = timedelta(seconds=1)
        bounds = (
            ("--ca-lifetime", self.authority_lifetime, least, _LONGEST_LIFE),
            ("--leaf-lifetime", self.leaf_lifetime, least, _LONGEST_LIFE),
            ("--interval", self.interval, _SHORTEST_INTERVAL, _LONGEST_LIFE),
            ("--settle", self.settle, timedelta(0), _LONGEST_LIFE),
            ("--skew", self.skew, _SMALLEST_SKEW, BACKDATED),
            ("the time limit of a call", self.call_limit, timedelta(milliseconds=1), _LONGEST_LIFE),
        )
        return [
            f"{name} is {_plain(value)}, expected {_plain(low)} to {_plain(high)}"
            for name, value, low, high in bounds
            if not low <= value <= high
        ]

    def _contradictions(self) -> list[str]:
        """What leaves too little time between a renewal, at two thirds of a life, and the end of that life."""
        wrong = []
        if self.leaf_lifetime > self.authority_lifetime / 2:
            half = _plain(self.authority_lifetime / 2)
            wrong.append(
                f"--leaf-lifetime is {_plain(self.leaf_lifetime)}, expected at most half of --ca-lifetime: {half}"
            )
        if self.leaf_lifetime < self.shortest_leaf:
            least = _plain(self.shortest_leaf)
            wrong.append(
                f"--leaf-lifetime is {_plain(self.leaf_lifetime)}, expected at least {least}: --skew "
                f"({_plain(self.skew)}) and two of --interval ({_plain(self.interval)}) fit into its last third"
            )
        if self.authority_lifetime < self.shortest_authority:
            least = _plain(self.shortest_authority)
            wrong.append(
                f"--ca-lifetime is {_plain(self.authority_lifetime)}, expected at least {least}: --skew "
                f"({_plain(self.skew)}), --settle ({_plain(self.settle)}) and four of --interval "
                f"({_plain(self.interval)}) fit into its last third"
            )
        return wrong


def _plain(duration: timedelta) -> str:
    """As flags have it, in the largest unit that leaves a whole number: 14d, 90m, 0.5s."""
    for unit, seconds in (("d", 86400), ("h", 3600), ("m", 60)):
        if duration and not duration % timedelta(seconds=seconds):
            return f"{duration // timedelta(seconds=seconds)}{unit}"
    return f"{duration.total_seconds():g}s"
