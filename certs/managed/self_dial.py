"""A fresh connection to ourselves: connections that are open hide a certificate that no new client would accept."""

from __future__ import annotations

import asyncio
import ssl
from typing import Protocol

from certs.errors import DialError, RefusedDial

__all__ = ["Dial", "Dialler"]


class Dial(Protocol):
    """How to reach ourselves."""

    async def __call__(self, *, bundle: bytes, name: str) -> None:
        """Connect as kube-apiserver does: trusting `bundle` (PEM) alone, asking for `name`.

        Raises `RefusedDial` if the certificate is turned away, `DialError` if nothing can be said about it.
        """
        ...


class Dialler:
    """Over TCP, to the port that the server listens on."""

    def __init__(self, host: str, port: int, *, limit: float = 5.0) -> None:
        self._host, self._port, self._limit = host, port, limit

    async def __call__(self, *, bundle: bytes, name: str) -> None:
        """See `Dial`."""
        try:
            context = ssl.create_default_context(cadata=bundle.decode("ascii"))
        except ssl.SSLError as error:
            raise RefusedDial(f"OpenSSL cannot read the bundle: {error.reason or 'unknown reason'}") from None
        # As Go does it: whatever is in the bundle is trusted, and an authority that somebody put into the Secret need
        # not have all the extensions that Python asks for since 3.13.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        try:
            async with asyncio.timeout(self._limit):
                _, writer = await asyncio.open_connection(self._host, self._port, ssl=context, server_hostname=name)
        except ssl.SSLCertVerificationError as error:
            raise RefusedDial(f"the certificate was refused: {error.verify_message}") from None
        except ssl.SSLError as error:
            raise RefusedDial(f"the TLS handshake failed: {error.reason or 'unknown reason'}") from None
        except TimeoutError:
            raise DialError(f"no TLS handshake within {self._limit:g} s") from None
        except OSError as error:
            raise DialError(f"no connection: {error.strerror or type(error).__name__}") from None
        writer.transport.abort()  # nothing was sent and nothing is waited for
