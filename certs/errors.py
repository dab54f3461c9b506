"""What can go wrong with certificates.

    CertificateError
    ├── PairError               a certificate and its key that cannot be served
    │   ├── UnreadablePair      not PEM, half written, encrypted, too large, absent
    │   ├── MismatchedPair      the key is another certificate's
    │   ├── UntimelyPair        expired, or not valid yet
    │   └── RefusedPair         a client would turn it away: wrong name, not for servers, refused by OpenSSL
    ├── UntrustedLeaf           no path from the leaf to the bundle for this name at this time
    ├── DialError               a fresh connection to ourselves could not be made
    │   └── RefusedDial         it was made, and the handshake failed: the certificate was turned away, most often
    └── StoreError              an answer of the Kubernetes API
        ├── Conflict            someone else wrote first: read again
        ├── NotFound            the object is absent
        ├── Forbidden           RBAC says no
        ├── Rejected            the object is not accepted: an immutable Secret, a policy, a namespace that ends
        └── Unavailable         no answer, or a server's error: try again later

No message holds anything private: texts are our own and name a file, a Secret, a subject or a fingerprint, or they are
what the API server said of a request.
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
    "Unavailable",
    "UnreadablePair",
    "UntimelyPair",
    "UntrustedLeaf",
]


class CertificateError(Exception):
    """Whatever this package raises."""


class PairError(CertificateError):
    """The pair cannot be served."""


class UnreadablePair(PairError):
    """Not PEM, half written, encrypted, too large or absent."""


class MismatchedPair(PairError):
    """The key is not that of the certificate."""


class UntimelyPair(PairError):
    """Expired, or not valid yet."""


class RefusedPair(PairError):
    """A client, or OpenSSL, would turn it away."""


class UntrustedLeaf(CertificateError):
    """The bundle does not vouch for the leaf."""


class DialError(CertificateError):
    """A fresh connection to ourselves could not be made: nothing is known about the certificate."""


class RefusedDial(DialError):
    """A fresh connection to ourselves came to no TLS session: no client's would."""


class StoreError(CertificateError):
    """The Kubernetes API did not do what was asked."""


class Conflict(StoreError):
    """The object was written by someone else since it was read, or exists already."""


class NotFound(StoreError):
    """The object is absent."""


class Forbidden(StoreError):
    """The API server does not let us, whatever we send."""


class Rejected(StoreError):
    """The API server does not accept the object as we sent it."""


class Unavailable(StoreError):
    """No answer in time, or a server's error."""
