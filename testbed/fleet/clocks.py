"""A replica whose clocks a test sets, and what sets them.

    python -m testbed.fleet.clocks FILE serve ...     is `python -m webhook serve ...` with the clocks of FILE

Only the webhook's own clocks are replaced: `certs.clock.SystemClock`, and the one by which ServiceAccounts are kept.
TLS, sockets, gunicorn and kube-apiserver keep the machine's time. If time goes faster for the replicas, the dates that
they get from the API server follow. If their wall clock is set, those dates do not follow.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from certs.clock import SystemClock
from webhook import commands
from webhook.accounts.cache import CachedAccounts
from webhook.cluster import certificate_objects

__all__ = ["Clocks"]

TICK = 0.05  # real seconds until a sleeper learns that time goes faster


@dataclass(frozen=True)
class Hands:
    """At `since` on the machine's monotonic clock, the replicas' time was `passed`.

    From then on `rate` of their seconds pass in each real second. Their wall clock is `ahead` seconds ahead of that.
    """

    since: float
    passed: float
    rate: float = 1.0
    ahead: float = 0.0

    def ticks(self) -> float:
        return self.passed + (time.monotonic() - self.since) * self.rate

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.ticks() + self.ahead, UTC)

    def from_api_server(self, said: datetime | None) -> datetime | None:
        """The API server's time `said`, in the replicas' time."""
        return said and said + timedelta(seconds=self.ticks() - time.time())


class Clocks:
    """Sets the clocks of replicas through the file at `path`. It begins with the true time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._write(Hands(since=time.monotonic(), passed=time.time()))

    def now(self) -> datetime:
        """The wall clock of the replicas."""
        return read(self.path).now()

    def run(self, rate: float) -> None:
        """From now on `rate` of the replicas' seconds pass in each second."""
        hands = read(self.path)
        self._write(replace(hands, since=time.monotonic(), passed=hands.ticks(), rate=rate))

    def jump(self, ahead: timedelta) -> None:
        """Sets the wall clock `ahead` of the machine's, without any time passing."""
        hands = read(self.path)
        self._write(replace(hands, ahead=time.time() - hands.ticks() + ahead.total_seconds()))

    def _write(self, hands: Hands) -> None:
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(hands)))
        fresh.replace(self.path)


def read(path: Path) -> Hands:
    """The hands as they stand now."""
    return Hands(**json.loads(path.read_text()))


class TurnedClock:
    """A `certs.clock.Clock` that follows the hands in the file at `path`."""

    path: Path

    def now(self) -> datetime:
        return read(TurnedClock.path).now()

    def ticks(self) -> float:
        return read(TurnedClock.path).ticks()

    async def sleep(self, seconds: float) -> None:
        hands = read(TurnedClock.path)
        end = hands.ticks() + seconds
        await asyncio.sleep(0)
        while (left := end - hands.ticks()) > 0:
            await asyncio.sleep(min(left / hands.rate, TICK))
            hands = read(TurnedClock.path)

    def limit(self, seconds: float) -> AbstractAsyncContextManager[object]:
        return asyncio.timeout(seconds / read(TurnedClock.path).rate)


def main(path: Path, arguments: list[str]) -> int:
    """Runs the webhook's command line with the clocks of `path`."""
    TurnedClock.path = path
    for name in ("now", "ticks", "sleep", "limit"):
        setattr(SystemClock, name, getattr(TurnedClock, name))
    said = certificate_objects._parse_date
    certificate_objects._parse_date = lambda text: read(path).from_api_server(said(text))
    defaults = CachedAccounts.__init__.__kwdefaults__
    assert defaults is not None
    assert defaults["clock"] is time.monotonic
    defaults["clock"] = lambda: read(path).ticks()
    return commands.main(arguments)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
