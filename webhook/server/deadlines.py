"""How long a review may take: what kube-apiserver says in `?timeout=`, less what the answer needs to travel.

Pure; kube-apiserver writes Go's time.Duration: 5s, 1m0s, 500ms, 2.5s.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_DURATION: Final = re.compile(rb"(?:^|&)timeout=((?:\d{1,9}(?:\.\d{1,9})?(?:h|ms|m|s))+)(?:&|$)")
_PART: Final = re.compile(rb"(\d+(?:\.\d+)?)(h|ms|m|s)")
_UNITS: Final[Mapping[bytes, float]] = {b"h": 3600.0, b"m": 60.0, b"s": 1.0, b"ms": 0.001}
_USUAL: Final = {b"timeout=%ds" % seconds: float(seconds) for seconds in range(1, 31)}


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """How long a review may take, in seconds, by what kube-apiserver says in `?timeout=`.

    default: where it says nothing. longest: whatever it says. margin: kept back, so that our 503 still arrives; at most
    a tenth of the whole.
    """

    default: float = 5.0
    longest: float = 10.0
    margin: float = 0.5

    def allowed(self, query: bytes) -> float:
        """Seconds that a review with this query string may take."""
        whole = _seconds(query)
        whole = self.default if whole is None else min(whole, self.longest)
        return whole - min(self.margin, whole / 10)


def _seconds(query: bytes) -> float | None:
    """Seconds in `timeout=` of a query string; None where there is none, or one that makes no sense."""
    usual = _USUAL.get(query)
    if usual is not None:
        return usual
    found = _DURATION.search(query)
    if not found:
        return None
    seconds = math.fsum(float(number) * _UNITS[unit] for number, unit in _PART.findall(found[1]))
    return seconds or None
