"""Who may ask, if clients have to have a certificate (`--client-ca`): kube-apiserver alone.

OpenSSL checks the certificate in the handshake (`certs.serving`): one that is not of our authorities has ended it. A
client without one connects, as the replica itself does to try its own certificate, and every request of it is refused
as soon as its head has arrived: 403 with a sentence, which kube-apiserver passes on to the user.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Collection
from typing import Any

from webhook.core.messages import Message, calls, message
from webhook.logs import Log
from webhook.server.line_rate import LineRate


class Callers:
    """Who may ask. names: of which a client's certificate has one; without names, any will do."""

    def __init__(self, *, names: Collection[str], log: Log) -> None:
        self._names = frozenset(names)
        self._log = log
        self._rate = LineRate(self._left_out)
        self._listeners: list[Callable[[], None]] = []

    def refusal(self, tls: ssl.SSLObject) -> Message | None:
        """Why the client of a connection may not ask; None if it may."""
        if tls.session_reused:  # its certificate was checked when the session began, by what was trusted then
            return message(calls.CLIENT_SESSION_RESUMED)
        certificate = tls.getpeercert()
        if not certificate:
            return message(calls.CLIENT_CERTIFICATE_MISSING)
        found = names_of(certificate)
        if self._names and not self._names & found:
            return message(calls.CLIENT_NAME_UNKNOWN, names=", ".join(sorted(found)) or "no name")
        return None

    def refused(self, reason: Message, client: object) -> None:
        """A request of `client` was refused."""
        if self._rate.allows(reason.code):
            self._log.line("warning", "a client was refused", client=str(client), code=reason.code, reason=reason.text)

    def handshake_refused(self, reason: str) -> None:
        """A client's certificate was refused in the handshake; OpenSSL says why."""
        if self._rate.allows(reason):
            self._log.line("warning", "a client's certificate was refused", reason=reason)

    def at_renewal(self, renew: Callable[[], None]) -> None:
        """`renew` makes clients connect again; it is called when an authority of clients is trusted no longer."""
        self._listeners.append(renew)

    def renew(self) -> None:
        """Make every client connect again, because an authority is trusted no longer."""
        for listener in self._listeners:
            listener()

    def _left_out(self, reason: str, count: int) -> None:
        self._log.line("warning", "lines about refused clients were left out", reason=reason, count=count)


def names_of(certificate: dict[str, Any]) -> frozenset[str]:
    """The common name, the DNS names and the URIs of a certificate as `SSLObject.getpeercert` shows it."""
    subject = {value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"}
    others = {value for kind, value in certificate.get("subjectAltName", ()) if kind in ("DNS", "URI")}
    return frozenset(subject | others)
