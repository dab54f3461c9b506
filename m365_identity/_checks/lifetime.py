"""When the token is valid, by the login host's clock where that is known, and whether the kubelet renews it in time."""

from collections.abc import Iterator
from typing import Final

from m365_identity._checks.found import Found
from m365_identity._checks.result import Finding, fail, ok, warn
from m365_identity._text import duration, stamp

__all__ = ["lifetime"]

_LEEWAY: Final = 300.0  # seconds by which Entra lets times be off
_KEPT: Final = 600.0  # seconds that azidentity and azure-identity keep a token before they read the file again
_RENEWED_AT: Final = 0.8  # of the lifetime, by the kubelet, and after a day at the latest
_DAY: Final = 86400.0
_GRACE: Final = 300.0  # seconds that the kubelet may take for it
_SHORTEST: Final = 3000.0  # seconds of which what is left at the kubelet's renewal is as long as a token is kept

_RESTART: Final = (
    "mount the volume's folder without subPath, and restart the pod, which gets it a new token: kubectl delete pod POD"
)


def lifetime(found: Found) -> Iterator[Finding]:
    """The token is valid now and for a while."""
    token, now = found.assertion, found.now
    if token is None or token.expires is None:
        yield fail("the token does not say when it expires", fix="name the token of the pod's own ServiceAccount")
        return
    begin = found.not_before if found.not_before is not None else token.issued
    left = token.expires - now
    until = f"valid until {stamp(token.expires)}"
    if left <= 0:
        yield fail(
            f"expired at {stamp(token.expires)}, {duration(left)} ago",
            "the file is mounted with subPath, or is a copy: the kubelet does not renew it",
            "the node, or its kubelet, cannot get a new one from kube-apiserver",
            fix=_RESTART,
        )
        return
    if begin is not None and begin - now > _LEEWAY:
        yield fail(
            f"not valid before {stamp(begin)}, in {duration(begin - now)}",
            "the clock of the control plane is ahead, or that of this node is behind",
            fix="have both clocks synchronised (chrony, NTP)",
        )
        return
    issued = token.issued if token.issued is not None else begin
    whole = token.expires - issued if issued is not None else None
    overdue = issued is not None and whole is not None and now > issued + min(_RENEWED_AT * whole, _DAY) + _GRACE
    if overdue and issued is not None:
        yield warn(
            f"{until}, another {duration(left)}; it is {duration(now - issued)} old, and the kubelet should have "
            "renewed it by now",
            "the file is mounted with subPath, or is a copy",
            "the node, or its kubelet, cannot get a new one from kube-apiserver",
            fix=_RESTART,
        )
    elif whole is not None and whole < _SHORTEST:
        yield warn(
            f"{until}; it lives {duration(whole)}, and SDKs keep a token for {duration(_KEPT)} before they read the "
            "file again: they may send one that has expired",
            fix="set expirationSeconds, or azure.workload.identity/service-account-token-expiration, to 3600",
        )
    else:
        yield ok(f"{until}, another {duration(left)}")
