"""The authorities whose clients may ask: a file that somebody else keeps, read again every 10 seconds."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from certs import messages
from certs.authority import is_authority
from certs.clock import Clock, SystemClock
from certs.errors import PairError, UnreadableAuthorities
from certs.files import content
from certs.lasting import LastingProblem
from certs.messages import Problem, problem
from certs.pem import fingerprint, parse_bundle
from certs.serving import Serving

__all__ = ["COUNTS", "ClientAuthorities", "read_authorities"]

_log = logging.getLogger(__name__)

_INTERVAL: Final = 10.0  # seconds, as for a pair in files

COUNTS: Final = {
    "client_ca_replaced": "other authorities of clients were read, and count from the next connection on",
    "client_ca_refused": "the file of them could not be used",
}
"""What is counted, with its meaning."""


class ClientAuthorities:
    """Tells `serving` which authorities a client's certificate may be of: those in `file`.

    A file that cannot be used changes nothing: the authorities that were read before stay, one error line says so, and
    the next reading tries again. Before the first that can be used, no client's certificate is accepted. removed:
    called when an authority has gone, because connections that are open may have been accepted for it.
    """

    def __init__(
        self,
        file: Path,
        *,
        serving: Serving,
        removed: Callable[[], None] = lambda: None,
        interval: float = _INTERVAL,
        clock: Clock | None = None,
    ) -> None:
        self._file, self._serving, self._removed = file, serving, removed
        self._interval, self._clock = interval, clock or SystemClock()
        self._authorities: Mapping[str, x509.Certificate] = {}
        self._counts: Counter[str] = Counter(dict.fromkeys(COUNTS, 0))
        self._problem = LastingProblem(_log)
        serving.ask_clients(())
        self.reload()

    async def run(self) -> None:
        """Read the file again and again."""
        while True:
            await self._clock.sleep(self._interval)
            self.reload()

    @property
    def counts(self) -> Mapping[str, int]:
        """How often each event happened since the start."""
        return dict(self._counts)

    @property
    def not_after(self) -> datetime | None:
        """When the last of the authorities expires; None without one."""
        return max((each.not_valid_after_utc for each in self._authorities.values()), default=None)

    def health(self) -> tuple[bool, str]:
        """Whether a client can have a certificate that is accepted, and a detail for people."""
        usable = self.not_after is not None and self._clock.now() <= self.not_after
        if not usable:
            return False, str(self._problem.now)
        count = len(self._authorities)
        known = f"{count} {'authority' if count == 1 else 'authorities'}, good until {self.not_after:%Y-%m-%d %H:%M}"
        return True, f"{known} UTC" + (f"; {self._problem.now}" if self._problem.now else "")

    def reload(self) -> None:
        """Read the file now and take its authorities if they are new and good. Never raises."""
        try:
            found = {fingerprint(each): each for each in read_authorities(self._file)}
            if found.keys() != self._authorities.keys():
                self._replace(found)
        except UnreadableAuthorities as error:
            self._counts["client_ca_refused"] += 1
            consequence = "no client's certificate is accepted"
            if self._authorities:
                consequence = "those that were read before stay"
            self._problem.note(
                problem(messages.CLIENT_CA_REFUSED, file=self._file, reason=error, consequence=consequence),
            )
        except Exception as error:  # noqa: BLE001 - our own bug must not end the task, which may succeed later
            self._counts["client_ca_refused"] += 1
            self._problem.note(problem(messages.FILES_BUG, files=self._file, error=type(error).__name__))
        else:
            self._problem.note(self._expiry())

    def _replace(self, found: Mapping[str, x509.Certificate]) -> None:
        self._serving.ask_clients(found.values())
        gone = self._authorities.keys() - found.keys()
        self._authorities = found
        self._counts["client_ca_replaced"] += 1
        names = ", ".join(each.subject.rfc4514_string() for each in found.values())
        _log.info("clients are asked for a certificate of one of these authorities: %s", names)
        if gone:
            self._removed()

    def _expiry(self) -> Problem | None:
        if self.not_after is None or self._clock.now() <= self.not_after:
            return None
        when = f"{self.not_after:%Y-%m-%d %H:%M:%SZ}"
        return problem(messages.CLIENT_CA_EXPIRED, file=self._file, not_after=when)


def read_authorities(file: Path) -> tuple[x509.Certificate, ...]:
    """The authorities in a PEM file, at least one. Raises `UnreadableAuthorities`."""
    try:
        bundle = parse_bundle(content(file))
    except PairError as error:
        raise UnreadableAuthorities(str(error)) from None
    problems = list(bundle.problems)
    problems += [
        f"{each.subject.rfc4514_string() or 'a certificate without subject'} is not the certificate of an authority"
        for each in bundle.certificates
        if not is_authority(each)
    ]
    if problems:
        raise UnreadableAuthorities("; ".join(problems))
    if not bundle.certificates:
        raise UnreadableAuthorities(f"{file.name} has no certificate")
    return bundle.certificates
