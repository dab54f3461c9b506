"""A serving certificate that somebody else keeps in files."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from certs import messages
from certs.clock import Clock, SystemClock
from certs.errors import MismatchedPair, PairError, RefusedPair, UnreadablePair, UntimelyPair
from certs.lasting import LastingProblem
from certs.messages import Problem, ProblemKind, problem
from certs.pem import parse_pair
from certs.serving import Serving
from certs.source import Description

__all__ = ["FilesSource", "content"]

_log = logging.getLogger(__name__)

_FILE_LIMIT: Final = 1 << 20  # bytes; a Secret holds no more
_KINDS: Final[Mapping[type[PairError], ProblemKind]] = {
    UnreadablePair: messages.FILES_UNREADABLE,
    MismatchedPair: messages.FILES_MISMATCHED,
    UntimelyPair: messages.FILES_UNTIMELY,
    RefusedPair: messages.FILES_REFUSED,
}


class FilesSource:
    """A pair in files: cert-manager's Secret mount, a PodCertificate, anything.

    The content is read every `interval` seconds and compared; inotify misses the symbolic links that the kubelet swaps.
    The interval is not a setting of the webhook: two small reads cost nothing, and the kubelet itself takes up to a
    minute to swap a mount. A pair that is half written, does not match, is expired or is not for `names` changes
    nothing: the old one is still served, one error line says so, and the next reading tries again. `key` is left out if
    one file holds both.
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
        self._problem = LastingProblem(_log)
        self._counts: Counter[str] = Counter()
        self.serving = Serving(clock=self._clock)

    async def start(self) -> None:
        """Read the files once."""
        self.reload()

    async def run(self) -> None:
        """Read them again and again."""
        while True:
            await self._clock.sleep(self._interval)
            self.reload()

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
            problems=(self._problem.now,) if self._problem.now else (),
            counts=dict(self._counts),
        )

    def reload(self) -> None:
        """Read the files now and serve them if they are new and good. Never raises."""
        try:
            try:
                changed = self._replace_if_new()
            except MismatchedPair:  # read while the two were being replaced: they match a moment later
                changed = self._replace_if_new()
        except PairError as error:
            self._counts["refused"] += 1
            self._problem.note(self._explain(error))
        except Exception as error:  # noqa: BLE001 - our own bug must not end the task, which may succeed later
            self._counts["refused"] += 1
            self._problem.note(problem(messages.FILES_BUG, files=self._paths(), error=type(error).__name__))
        else:
            self._problem.note(None if self.serving.usable() else self._expiry())
            if changed:
                self._counts["replaced"] += 1
                _log.info("serving %s until %s", self._paths(), self.serving.not_after)

    def _replace_if_new(self) -> bool:
        """Whether a new pair is served now. Raises `PairError`."""
        certificate = content(self._certificate)
        key = certificate if self._key == self._certificate else content(self._key)
        digest = hashlib.sha256(certificate + b"\0" + key).digest()  # the content itself, with its key, is not kept
        if digest == self._served:
            return False
        self.serving.replace(parse_pair(certificate, key), names=self._names)
        self._served = digest
        return True

    def _explain(self, error: PairError) -> Problem:
        consequence = "no certificate that a client trusts is served"
        if self.serving.usable():
            consequence = f"the one that expires on {self.serving.not_after:%Y-%m-%d} is still served"
        return problem(_KINDS[type(error)], files=self._paths(), reason=error, consequence=consequence)

    def _expiry(self) -> Problem:
        when = f"{self.serving.not_after:%Y-%m-%d %H:%M:%SZ}"
        return problem(messages.FILES_EXPIRED, files=self._paths(), not_after=when)

    def _paths(self) -> str:
        return str(self._certificate) if self._key == self._certificate else f"{self._certificate} and {self._key}"


def content(path: Path) -> bytes:
    """What is in a file of certificates. Raises `UnreadablePair`."""
    try:
        with path.open("rb") as file:
            found = file.read(_FILE_LIMIT + 1)
    except OSError as error:
        raise UnreadablePair(f"{path.name} cannot be read ({error.strerror or type(error).__name__})") from None
    if len(found) > _FILE_LIMIT:
        raise UnreadablePair(f"{path.name} is larger than {_FILE_LIMIT >> 20} MiB")
    return found
