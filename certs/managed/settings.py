"""The settings of the self-managed mode, and their defaults: every other text takes them from here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from certs import messages
from certs.messages import Problem, problem
from certs.names import BACKDATED

__all__ = ["InvalidSettings", "RotationSettings", "duration_text"]

_SHORTEST_INTERVAL = timedelta(milliseconds=100)  # a shorter one would only burden the API server
_SMALLEST_SKEW = timedelta(seconds=2)  # the API server tells its time in whole seconds, and an answer takes a moment
_LONGEST_LIFE = timedelta(days=36500)  # within the years that a certificate can name
_MOMENT = timedelta(seconds=1)


class InvalidSettings(ValueError):
    """Settings that cannot work. Each of `problems` names settings as `RotationSettings` does."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(frozen=True, kw_only=True)
class RotationSettings:
    """How the self-managed mode works. Raises `InvalidSettings` with everything that is wrong."""

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
    """Webhooks that are ours by name, for those that call a URL."""
    common_name: str = "m365-workload-identity CA"
    authority_lifetime: timedelta = timedelta(days=730)
    leaf_lifetime: timedelta = timedelta(days=14)
    interval: timedelta = timedelta(seconds=30)
    """Between two readings; up to a fifth shorter, at random."""
    publish_wait: timedelta = timedelta(seconds=120)
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
        return 3 * (self.skew + self.publish_wait + 4 * self.interval)

    def __post_init__(self) -> None:
        found = [*self._out_of_bounds(), *self._contradictions()]
        if self.name not in self.names:
            found.insert(0, problem(messages.NAME_NOT_COVERED, name=self.name))
        if found:
            raise InvalidSettings(found)

    def _out_of_bounds(self) -> Iterator[Problem]:
        """What cannot work whatever the other settings are."""
        bounds = (
            ("authority_lifetime", self.authority_lifetime, _MOMENT, _LONGEST_LIFE),
            ("leaf_lifetime", self.leaf_lifetime, _MOMENT, _LONGEST_LIFE),
            ("interval", self.interval, _SHORTEST_INTERVAL, _LONGEST_LIFE),
            ("publish_wait", self.publish_wait, timedelta(0), _LONGEST_LIFE),
            ("skew", self.skew, _SMALLEST_SKEW, BACKDATED),
            ("call_limit", self.call_limit, timedelta(milliseconds=1), _LONGEST_LIFE),
        )
        for name, value, low, high in bounds:
            if not low <= value <= high:
                shown = {"value": duration_text(value), "low": duration_text(low), "high": duration_text(high)}
                yield problem(messages.OUT_OF_BOUNDS, setting=name, **shown)

    def _contradictions(self) -> Iterator[Problem]:
        """What leaves too little time between a renewal, at two thirds of a life, and the end of that life."""
        needed = {
            **{name: name for name in ("skew", "interval", "publish_wait", "authority_lifetime")},
            "skew_value": duration_text(self.skew),
            "interval_value": duration_text(self.interval),
            "publish_wait_value": duration_text(self.publish_wait),
        }
        leaf = {"setting": "leaf_lifetime", "value": duration_text(self.leaf_lifetime), **needed}
        authority = {"setting": "authority_lifetime", "value": duration_text(self.authority_lifetime), **needed}
        if self.leaf_lifetime > self.authority_lifetime / 2:
            yield problem(messages.LEAF_OVER_HALF, most=duration_text(self.authority_lifetime / 2), **leaf)
        if self.leaf_lifetime < self.shortest_leaf:
            yield problem(messages.LEAF_TOO_SHORT, least=duration_text(self.shortest_leaf), **leaf)
        if self.authority_lifetime < self.shortest_authority:
            yield problem(messages.AUTHORITY_TOO_SHORT, least=duration_text(self.shortest_authority), **authority)


def duration_text(duration: timedelta) -> str:
    """As flags have it, in the largest unit that leaves a whole number: 14d, 90m, 0.5s."""
    for unit, seconds in (("d", 86400), ("h", 3600), ("m", 60)):
        if duration and not duration % timedelta(seconds=seconds):
            return f"{duration // timedelta(seconds=seconds)}{unit}"
    return f"{duration.total_seconds():g}s"
