"""When the token is valid, by the login host's clock where that is known, and whether the kubelet renews it in time."""

from collections.abc import Iterator
from typing import Final

from m365_identity._checks.found import Found
from m365_identity._checks.result import LinkFinding, finding
from m365_identity._messages import token_file as messages
from m365_identity._text import duration, stamp

__all__ = ["lifetime"]

_LEEWAY: Final = 300.0  # seconds by which Entra lets times be off
_KEPT: Final = 600.0  # seconds that azidentity and azure-identity keep a token before they read the file again
_RENEWED_AT: Final = 0.8  # of the lifetime, by the kubelet, and after a day at the latest
_DAY: Final = 86400.0
_GRACE: Final = 300.0  # seconds that the kubelet may take for it
_SHORTEST: Final = 3000.0  # seconds of which what is left at the kubelet's renewal is as long as a token is kept


def lifetime(found: Found) -> Iterator[LinkFinding]:
    """The token is valid now and for a while."""
    token, now = found.assertion, found.now
    if token is None or token.expires is None:
        yield finding(messages.NO_END)
        return
    begin = found.not_before if found.not_before is not None else token.issued
    issued = token.issued if token.issued is not None else begin
    left = token.expires - now
    end = stamp(token.expires)
    if left <= 0:
        yield finding(messages.EXPIRED, end=end, ago=duration(left))
    elif begin is not None and begin - now > _LEEWAY:
        yield finding(messages.NOT_YET_VALID, start=stamp(begin), wait=duration(begin - now))
    elif issued is not None and now > issued + min(_RENEWED_AT * (token.expires - issued), _DAY) + _GRACE:
        yield finding(messages.OVERDUE, end=end, left=duration(left), age=duration(now - issued))
    elif issued is not None and token.expires - issued < _SHORTEST:
        yield finding(messages.SHORT, end=end, whole=duration(token.expires - issued), kept=duration(_KEPT))
    else:
        yield finding(messages.VALID, end=end, left=duration(left))
