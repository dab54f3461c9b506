"""Federated identity credentials of one application or managed identity, and the rules that Graph and ARM share.

From Microsoft's documentation: at most 20; name of 3 to 120 letters, digits, hyphens and underscores, which begins with
a letter or digit and never changes; one audience; at most 600 characters of issuer, subject, audience and description;
issuer and subject together only once. From reports: which of these is told as a conflict. Assumed: names and pairs are
compared letter by letter, and an issuer needs a scheme and a host.
"""

from __future__ import annotations

import enum
import math
import re
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from testbed.entra.clock import Clock

__all__ = ["LONGEST", "MOST_CREDENTIALS", "CredentialRefused", "Credentials", "FederatedCredential", "Rule"]

MOST_CREDENTIALS: Final = 20
LONGEST: Final = 600  # characters, of each of issuer, subject, audience and description
_NAME: Final = re.compile("[A-Za-z0-9][A-Za-z0-9_-]{2,119}")


@dataclass(frozen=True, kw_only=True)
class FederatedCredential:
    """A federated identity credential. The token endpoint knows it from `visible_at` until `gone_at`, by the clock."""

    issuer: str
    subject: str
    audience: str
    name: str = ""
    description: str | None = None
    id: str = ""
    visible_at: float = 0.0
    gone_at: float = math.inf


class Rule(enum.Enum):
    """What a credential breaks."""

    NAME = "name"
    LENGTH = "length"
    ISSUER = "issuer"
    PAIR_TAKEN = "pair"
    NAME_TAKEN = "name taken"
    TOO_MANY = "too many"


class CredentialRefused(ValueError):
    """Entra would not take the credential. `field`: the property that is wrong, in Graph's words."""

    def __init__(self, rule: Rule, text: str, *, field: str = "") -> None:
        super().__init__(text)
        self.rule = rule
        self.field = field


class Credentials:
    """The federated credentials of one application."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._now: tuple[FederatedCredential, ...] = ()
        self._before: tuple[FederatedCredential, ...] = ()  # removed or replaced; the token endpoint may know them

    def all(self) -> Sequence[FederatedCredential]:
        """Those that Graph shows, whether or not the token endpoint knows them yet."""
        return self._now

    def visible(self) -> Sequence[FederatedCredential]:
        """Those that the token endpoint knows."""
        now = self._clock()
        return [each for each in (*self._now, *self._before) if each.visible_at <= now < each.gone_at]

    def find(self, key: str) -> FederatedCredential | None:
        """The one with this name or id."""
        return next((each for each in self._now if key == each.name or key.lower() == each.id), None)

    def add(self, wanted: FederatedCredential, *, delay: float = 0.0) -> FederatedCredential:
        """Adds one, which the token endpoint knows after `delay` seconds. Raises CredentialRefused."""
        with self._lock:
            identifier = str(uuid.uuid4())
            name = wanted.name or f"credential-{identifier[:8]}"
            made = replace(wanted, name=name, id=identifier, visible_at=self._later(delay))
            _check(made, self._now)
            if len(self._now) >= MOST_CREDENTIALS:
                text = f"an application has at most {MOST_CREDENTIALS} federated credentials"
                raise CredentialRefused(Rule.TOO_MANY, text)
            self._now += (made,)
        return made

    def change(
        self, known: FederatedCredential, wanted: FederatedCredential, *, delay: float = 0.0
    ) -> FederatedCredential:
        """Replaces `known`, which the token endpoint takes for `delay` more seconds. Raises CredentialRefused."""
        with self._lock:
            made = replace(wanted, name=known.name, id=known.id, visible_at=self._later(delay))
            _check(made, [each for each in self._now if each is not known])
            self._now = tuple(made if each is known else each for each in self._now)
            self._before += (replace(known, gone_at=self._later(delay)),)
        return made

    def remove(self, known: FederatedCredential | None = None, *, delay: float = 0.0) -> None:
        """Removes one, or all; the token endpoint forgets it after `delay` seconds."""
        with self._lock:
            going = [each for each in self._now if known in (None, each)]
            self._now = tuple(each for each in self._now if each not in going)
            self._before += tuple(replace(each, gone_at=self._later(delay)) for each in going)

    def _later(self, delay: float) -> float:
        return self._clock() + delay if delay else 0.0


def _check(wanted: FederatedCredential, others: Sequence[FederatedCredential]) -> None:
    """Raises CredentialRefused unless `wanted` may stand beside `others`."""
    if not _NAME.fullmatch(wanted.name):
        raise CredentialRefused(Rule.NAME, f"name {wanted.name!r} is not valid", field="name")
    for field, value in (
        ("issuer", wanted.issuer),
        ("subject", wanted.subject),
        ("audiences", wanted.audience),
        ("description", wanted.description or "-"),
    ):
        if not 0 < len(value) <= LONGEST:
            raise CredentialRefused(
                Rule.LENGTH, f"{field} has {len(value)} characters, expected 1 to {LONGEST}", field=field
            )
    address = urlsplit(wanted.issuer)
    if not address.scheme or not address.netloc:
        raise CredentialRefused(Rule.ISSUER, f"issuer {wanted.issuer!r} is not an address", field="issuer")
    if any(wanted.name == other.name for other in others):
        raise CredentialRefused(Rule.NAME_TAKEN, f"there is a credential {wanted.name} already", field="name")
    if any((wanted.issuer, wanted.subject) == (other.issuer, other.subject) for other in others):
        text = f"there is a credential for {wanted.issuer} and {wanted.subject} already"
        raise CredentialRefused(Rule.PAIR_TAKEN, text, field="subject")
