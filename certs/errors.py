"""What can go wrong with certificates.

    CertificateError
    ├── PairError               a certificate and its key that cannot be served
    │   ├── UnreadablePair      not PEM, half written, encrypted, too large, absent
    │   ├── MismatchedPair      the key belongs to another certificate
    │   ├── UntimelyPair        expired, or not valid yet
    │   └── RefusedPair         a client would refuse it: wrong name, not for servers, refused by OpenSSL
    ├── UnreadableAuthorities   a file of authorities that cannot be used
    ├── UntrustedLeaf           a client that trusts the bundle does not trust the leaf, for this name at this time
    ├── DialError               a fresh connection to ourselves could not be made
    │   └── RefusedDial         it was made, and the handshake failed: most often the certificate was refused
    └── StoreError              an answer of the Kubernetes API
        ├── Conflict            another client wrote first: read again
        ├── NotFound            the object is absent
        ├── Forbidden           RBAC forbids it
        ├── Rejected            the object is not accepted: an immutable Secret, a policy, a namespace that is deleted
        └── StoreUnavailable    no answer, or a server's error: try again later

No message holds anything private. A text is our own and names a file, a Secret, a subject or a fingerprint, or it is
what the API server answered.
"""

from __future__ import annotations

__all__ = [
    "CertificateError",
    "Conflict",
    "DialError",
    "Forbidden",
    "MismatchedPair",
    "NotFound",
    "PairError",
    "RefusedDial",
    "RefusedPair",
    "Rejected",
    "StoreError",
    "StoreUnavailable",
    "UnreadableAuthorities",
    "UnreadablePair",
    "UntimelyPair",
    "UntrustedLeaf",
]


class CertificateError(Exception):
    """What this package raises."""


class PairError(CertificateError):
    """The pair cannot be served."""


class UnreadablePair(PairError):
    """Not PEM, half written, encrypted, too large or absent."""


class MismatchedPair(PairError):
    """The key belongs to another certificate."""


class UntimelyPair(PairError):
    """Expired, or not valid yet."""


class RefusedPair(PairError):
    """A client, or OpenSSL, would refuse it."""


class UnreadableAuthorities(CertificateError):
    """Not PEM, half written, too large, absent, or not of authorities."""


class UntrustedLeaf(CertificateError):
    """A client that trusts the bundle does not trust the leaf."""


class DialError(CertificateError):
    """A fresh connection to ourselves could not be made, so nothing is known about the certificate."""


class RefusedDial(DialError):
    """The TLS handshake of a fresh connection to ourselves failed, as it would for every client."""


class StoreError(CertificateError):
    """The Kubernetes API did not do what was asked."""


class Conflict(StoreError):
    """Another client wrote the object since it was read, or it exists already."""


class NotFound(StoreError):
    """The object is absent."""


class Forbidden(StoreError):
    """The API server forbids the call, whatever is sent."""


class Rejected(StoreError):
    """The API server does not accept the object as we sent it."""


class StoreUnavailable(StoreError):
    """No answer in time, or a server's error."""
