"""The mark of what this program made in Entra: the description of a federated identity credential.

It says for which issuer and subject the credential was made, and for which cluster if the cluster has a name. Only what
has it is ever removed.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

WORD: Final = "m365wi"
"""Also a tag of the applications that `onboard` makes."""

_LONGEST: Final = 600  # characters that Entra takes in a description
_HASH: Final = "sha256:"


@dataclass(frozen=True)
class Mark:
    """What a mark says. issuer: as it was, or its hash if the description would be too long. cluster: may be ""."""

    issuer: str
    subject: str
    cluster: str = ""

    def is_of(self, issuer: str) -> bool:
        """Whether the credential was made for this issuer."""
        return self.issuer in (issuer, _hashed(issuer))


def mark(issuer: str, subject: str, cluster: str = "") -> str:
    """The description of a credential that this program makes. cluster: the name that the user gave it."""
    text = " ".join(filter(None, (f"{WORD}:", issuer, subject, cluster)))
    return text if len(text) <= _LONGEST else " ".join(filter(None, (f"{WORD}:", _hashed(issuer), subject, cluster)))


def read_mark(description: str) -> Mark | None:
    """The mark in a description, None without one."""
    head, *parts = description.split(" ")
    return Mark(*parts) if head == f"{WORD}:" and len(parts) in (2, 3) and all(parts) else None


def _hashed(issuer: str) -> str:
    return _HASH + hashlib.sha256(issuer.encode()).hexdigest()
