"""Serving certificates made on the spot, or read from files; `certs.managed.source` has the third kind."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from certs.authority import make_authority, make_leaf, renewal_time
from certs.clock import Clock, SystemClock
from certs.errors import MismatchedPair, PairError, UnreadablePair
from certs.pem import parse_pair
from certs.serving import Serving
from certs.source import Description, Problem, Source

__all__ = ["DevelopmentSource", "FilesSource", "Source"]

_log = logging.getLogger(__name__)

_LOCAL = ("localhost", "127.0.0.1", "::1")
_FILE_LIMIT = 1 << 20  # bytes; a Secret holds no more


class DevelopmentSource:
    """An authority and a leaf of its own, in memory, for `serve` without files and without a cluster.

    Good for `localhost`, `127.0.0.1`, `::1` and `names`. Both are made at once, so it serves before it is started.
    """

    def __init__(
        self,
        *,
        names: Sequence[str] = (),
        clock: Clock | None = None,
        lifetime: timedelta = timedelta(days=365),
        leaf_lifetime: timedelta = timedelta(days=14),
    ) -> None:
        self._clock = clock or SystemClock()
        self._names = tuple(dict.fromkeys([*_LOCAL, *names]))
        self._lifetime, self._leaf_lifetime = lifetime, leaf_lifetime
        self.serving = Serving(clock=self._clock)
        self._authority = make_authority(
            now=self._clock.now(), lifetime=lifetime, common_name="m365-workload-identity development CA"
        )
        self._renew()

    @property
    def authority_pem(self) -> str:
        """The certificate that a client has to trust, for `curl --cacert`: public."""
        return self._authority.pem

    async def start(self) -> None:
        """Nothing to do: see the class."""

    async def run(self) -> None:
        """Renew the leaf at two thirds of its life; when the authority's end is near, only a restart helps."""
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


class FilesSource:
    """A pair that someone else keeps in files: cert-manager's Secret mount, a PodCertificate, anything.

    The content is read every `interval` seconds and compared; inotify misses the symbolic links that the kubelet swaps.
    That is no setting: two small reads cost nothing, and the kubelet itself takes up to a minute to swap a mount.
    A pair that is half written, does not match, is expired or is not for `names` changes nothing: the old context
    serves on, one error line says so, and the next reading tries again. `key` is left out where one file holds both.
    """

    def __init__(
        self,
        *,
        certificate: Path,
        key: Path | None = None,
        names: Sequence[str] = (),
        interval: float = 10.0,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._certificate, self._key = certificate, key or certificate
        self._names, self._interval = tuple(names), interval
        self._served: bytes | None = None
        self._problem: Problem | None = None
        self._counts: Counter[str] = Counter()
        self.serving = Serving(clock=self._clock)

    async def start(self) -> None:
        """Read the files once."""
        self.look()

    async def run(self) -> None:
        """Read them again and again."""
        while True:
            await self._clock.sleep(self._interval)
            self.look()

    def healthy(self) -> bool:
        """Whether a certificate is served that has not expired."""
        return self.serving.usable()

    def describe(self) -> Description:
        """The state."""
        return Description(
            mode="files",
            healthy=self.healthy(),
            not_after=self.serving.not_after,
            fingerprint=self.serving.fingerprint,
            problems=(self._problem,) if self._problem else (),
            counts=dict(self._counts),
        )

    def look(self) -> None:
        """Read the files now and serve them if they are new and good. Never raises."""
        try:
            try:
                changed = self._read()
            except MismatchedPair:  # read while the two were being replaced: they match a moment later
                changed = self._read()
        except PairError as error:
            self._counts["refused"] += 1
            self._tell(self._explain(error))
        except Exception as error:  # noqa: BLE001 - a bug of ours must not end the task that would mend it
            self._counts["refused"] += 1
            self._tell(Problem(f"reading {self._where()} failed ({type(error).__name__})", "Report this as a bug"))
        else:
            self._tell(None if self.serving.usable() else self._expired())
            if changed:
                self._counts["replaced"] += 1
                _log.info("serving %s until %s", self._where(), self.serving.not_after)

    def _read(self) -> bool:
        """Whether a new pair is served now. Raises `PairError`."""
        certificate = _content(self._certificate)
        key = certificate if self._key == self._certificate else _content(self._key)
        digest = hashlib.sha256(certificate + b"\0" + key).digest()  # the content itself, with its key, is not kept
        if digest == self._served:
            return False
        self.serving.replace(parse_pair(certificate, key), names=self._names)
        self._served = digest
        return True

    def _explain(self, error: PairError) -> Problem:
        usable = (
            f"the one that expires on {self.serving.not_after:%Y-%m-%d} serves on"
            if self.serving.usable()
            else ("nothing that a client trusts is served")
        )
        return Problem(
            f"{self._where()}: {error}; {usable}",
            "Put a certificate and its key there; they are read again by themselves",
        )

    def _expired(self) -> Problem:
        return Problem(
            f"{self._where()}: the certificate expired on {self.serving.not_after:%Y-%m-%d %H:%M:%SZ} and stays so",
            "See why its issuer does not renew it (with cert-manager: kubectl describe certificate)",
        )

    def _where(self) -> str:
        return str(self._certificate) if self._key == self._certificate else f"{self._certificate} and {self._key}"

    def _tell(self, problem: Problem | None) -> None:
        """One line when something breaks and one when it is mended, not one at each reading."""
        if problem == self._problem:
            return
        if problem:
            _log.error("%s", problem)
        else:
            _log.info("%s: mended", self._where())
        self._problem = problem


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_FILE_LIMIT + 1)
    except OSError as error:
        raise UnreadablePair(f"{path.name} cannot be read ({error.strerror or type(error).__name__})") from None
    if len(content) > _FILE_LIMIT:
        raise UnreadablePair(f"{path.name} is larger than {_FILE_LIMIT >> 20} MiB")
    return content
