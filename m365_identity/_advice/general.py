"""Which message explains a failure without a known code: by HTTP status, or by the way in which the attempt failed."""

from typing import Final

from m365_identity._failures import Failure, FailureKind
from m365_identity._messages import Kind, entra, uncoded

__all__ = ["BY_KIND", "BY_STATUS", "general"]

_BARRED: Final = (403, 407)

BY_STATUS: Final[dict[int, Kind]] = {
    429: entra.THROTTLED,
    **dict.fromkeys((408, 500, 502, 503, 504), entra.PASSING),
    **dict.fromkeys(_BARRED, uncoded.REFUSED_BEFORE_ENTRA),
}
"""If an answer has no known code."""

BY_KIND: Final[dict[FailureKind, Kind]] = {
    FailureKind.REFUSED: uncoded.REFUSED,
    FailureKind.STRANGE: uncoded.NOT_ENTRA,
    FailureKind.PROXY: uncoded.PROXY_REFUSED,
    FailureKind.NO_ANSWER: uncoded.NO_ANSWER,
}
"""If there is neither a known code nor a known status, and the way to the server is not what is barred (`network`)."""


def general(failure: Failure) -> Kind:
    """The message for a failure without a known code."""
    # Other statuses than these are the proxy's own problems, and not Entra's.
    if failure.kind is FailureKind.PROXY and failure.http_status not in _BARRED:
        return BY_KIND[FailureKind.PROXY]
    return BY_STATUS.get(failure.http_status) or BY_KIND[failure.kind]
