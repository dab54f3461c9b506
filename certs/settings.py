"""The settings of the self-managed mode."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

__all__ = ["Settings"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the self-managed mode is told. Raises ValueError that lists everything wrong at once."""

    secret: str
    """`namespace/name`."""
    configuration: str
    """The name of the MutatingWebhookConfiguration."""
    service: str
    """`namespace/name`: webhooks that call it are ours."""
    names: tuple[str, ...]
    """What a leaf is good for, DNS names or IP addresses: `certs.authority.service_names`."""
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
    """By how much a replica's clock may differ from the API server's."""
    call_limit: timedelta = timedelta(seconds=10)
    """For one call of the API."""

    def __post_init__(self) -> None:
        wrong = []
        if self.name not in self.names:
            wrong.append(f"the name {self.name} is not among the names of the leaf")
        for field_name in ("authority_lifetime", "leaf_lifetime", "interval", "call_limit"):
            if getattr(self, field_name) <= timedelta(0):
                wrong.append(f"{field_name} must be more than nothing")
        if self.leaf_lifetime > self.authority_lifetime / 2:
            wrong.append("leaf_lifetime must be at most half of authority_lifetime")
        if self.interval > self.leaf_lifetime / 6:
            wrong.append("two intervals must fit into the last third of leaf_lifetime")
        if self.settle + 4 * self.interval > self.authority_lifetime / 3:
            wrong.append("settle and four intervals must fit into the last third of authority_lifetime")
        if wrong:
            raise ValueError("; ".join(wrong))
