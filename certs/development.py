"""A certificate for development: an authority and a leaf in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from certs.authority import make_authority, make_leaf, renewal_time
from certs.clock import Clock, SystemClock
from certs.managed.settings import RotationSettings
from certs.serving import Serving
from certs.source import Description

__all__ = ["DevelopmentSource"]

_LOCAL = ("localhost", "127.0.0.1", "::1")


class DevelopmentSource:
    """An authority and a leaf in memory, for `serve` without files and without a cluster.

    Good for `localhost`, `127.0.0.1`, `::1` and `names`. Both are made in the constructor, so the leaf is served before
    `start`.
    """

    def __init__(
        self,
        *,
        names: Sequence[str] = (),
        clock: Clock | None = None,
        lifetime: timedelta = timedelta(days=365),
        leaf_lifetime: timedelta = RotationSettings.leaf_lifetime,
    ) -> None:
        self._clock = clock or SystemClock()
        self._names = tuple(dict.fromkeys([*_LOCAL, *names]))
        self._lifetime, self._leaf_lifetime = lifetime, leaf_lifetime
        self.serving = Serving(clock=self._clock)
        self._authority = make_authority(
            now=self._clock.now(),
            lifetime=lifetime,
            common_name="m365-workload-identity development CA",
            names=self._names,
        )
        self._renew()

    @property
    def authority_pem(self) -> str:
        """The certificate that a client has to trust, for `curl --cacert`. It is public."""
        return self._authority.pem

    async def start(self) -> None:
        """Nothing to do: see the class."""

    async def run(self) -> None:
        """Renew the leaf at two thirds of its life. When the authority is near its end, only a restart helps."""
        while True:
            await self._clock.sleep(60)
            if self._clock.now() >= self._renew_at:
                self._renew()

    def healthy(self) -> bool:
        """Whether a certificate is served that has not expired."""
        return self.serving.usable()

    def describe(self) -> Description:
        """The state."""
        return Description(
            mode="development",
            healthy=self.healthy(),
            not_after=self.serving.not_after,
            fingerprint=self.serving.fingerprint,
            authority_not_after=self._authority.certificate.not_valid_after_utc,
        )

    def _renew(self) -> None:
        now = self._clock.now()
        pair = make_leaf(self._authority, names=self._names, now=now, lifetime=self._leaf_lifetime)
        self._renew_at = renewal_time(now, pair.certificate.not_valid_after_utc)
        if now <= pair.certificate.not_valid_after_utc:
            self.serving.replace(pair)
