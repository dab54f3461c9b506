"""The settings of `serve` with their defaults, and which of them have an effect."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from certs.managed.settings import RotationSettings
from certs.names import service_names
from webhook.core import names
from webhook.core.policy import Policy
from webhook.settings import values

if TYPE_CHECKING:
    from webhook.accounts.files import FileAccounts
    from webhook.settings.tracing import Tracing

SELF_MANAGED: Final = "self-managed"
FILES: Final = "files"
DEVELOPMENT: Final = "development"
CERTIFICATES: Final = (SELF_MANAGED, FILES, DEVELOPMENT)
LOG_LEVELS: Final = ("debug", "info", "warning", "error")
LISTEN: Final = values.Address("0.0.0.0", 9443)
OPS_LISTEN: Final = values.Address("0.0.0.0", 8080)


@dataclass(frozen=True)
class Rotation:
    """The self-managed certificates: where they are kept, how the webhook is reached, how long they live.

    secret, service: names in the webhook's own namespace. configuration: the MutatingWebhookConfiguration's name.
    extra_names: names of the certificate in addition to the Service's. The rest, and its defaults: see
    certs.managed.settings.
    """

    secret: str = names.DEFAULT_SECRET
    service: str = names.DEFAULT_SERVICE
    configuration: str = names.DEFAULT_CONFIGURATION
    extra_names: tuple[str, ...] = ()
    ca_lifetime: timedelta = RotationSettings.authority_lifetime
    leaf_lifetime: timedelta = RotationSettings.leaf_lifetime
    interval: timedelta = RotationSettings.interval
    settle: timedelta = RotationSettings.publish_wait
    skew: timedelta = RotationSettings.skew

    def certs(self, namespace: str) -> RotationSettings:
        """The same for the package `certs`. Raises InvalidSettings with each contradiction."""
        return RotationSettings(
            secret=f"{namespace}/{self.secret}",
            configuration=self.configuration,
            service=f"{namespace}/{self.service}",
            names=(*service_names(self.service, namespace), *self.extra_names),
            name=f"{self.service}.{namespace}.svc",
            webhooks=frozenset(names.WEBHOOKS),
            authority_lifetime=self.ca_lifetime,
            leaf_lifetime=self.leaf_lifetime,
            interval=self.interval,
            publish_wait=self.settle,
            skew=self.skew,
        )


@dataclass(frozen=True)
class ServeSettings:
    """All settings of `serve`. certificates: one of CERTIFICATES; "" for a command that serves no certificate."""

    listen: values.Address = LISTEN
    ops_listen: values.Address = OPS_LISTEN
    accounts: FileAccounts | None = None
    kubeconfig: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    client_ca: Path | None = None
    client_names: tuple[str, ...] = ()
    certificates: str = ""
    explain_page: bool = False
    tracing: Tracing | None = None
    rotation: Rotation = field(default_factory=Rotation)
    log_level: str = "info"
    policy: Policy = field(default_factory=Policy)

    def effective(self) -> dict[str, str]:
        """The value of each setting that has an effect, for the log. No setting is secret."""
        found: dict[str, str] = {}
        for group in (self, self.policy, self.rotation):
            for each in fields(group):
                value = getattr(group, each.name)
                if value is self.policy or value is self.rotation or is_idle(each.name, self.certificates):
                    continue
                found[each.name] = values.plain(value)
        return found


def is_idle(name: str, certificates: str) -> bool:
    """Whether the setting has no effect in that mode of certificates."""
    if (name, certificates) in (("extra_names", DEVELOPMENT), ("service", FILES)):  # the certificate must have its name
        return False
    return name in ROTATION and certificates in (FILES, DEVELOPMENT)


ROTATION: Final = frozenset(each.name for each in fields(Rotation))
"""The names of the settings of self-managed certificates."""
