"""A fresh connection to ourselves: connections that are open hide a certificate that no new client would accept."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from typing import Protocol

from certs.errors import DialError, RefusedDial
from certs.managed import advice
from certs.managed.advice import Area
from certs.managed.ca_bundle import PublishedBundle, trusted_by_all
from certs.managed.report import PATIENCE, Report
from certs.managed.settings import RotationSettings
from certs.pem import bundle_pem, fingerprint

__all__ = ["Dial", "Dialler", "SelfDial"]


class Dial(Protocol):
    """How to connect to ourselves."""

    async def __call__(self, *, bundle: bytes, name: str) -> None:
        """Connect as kube-apiserver does: trusting `bundle` (PEM) alone, asking for `name`.

        Raises `RefusedDial` if the certificate is refused, `DialError` if nothing can be said about it.
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
        # As Go does it: every certificate in the bundle is trusted, and an authority that a person put into the Secret
        # need not have all the extensions that Python asks for since 3.13.
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
        writer.transport.abort()  # nothing was sent and nothing is awaited


class SelfDial:
    """Tries each new leaf and each change of the bundles with a fresh connection, until one succeeds."""

    def __init__(self, dial: Dial, *, settings: RotationSettings, report: Report, counts: Counter[str]) -> None:
        self._dial, self._settings, self._report, self._counts = dial, settings, report, counts
        self._tried: object = None
        self.result: str | None = None
        """`ok`, or what the last fresh connection met; None before the first."""
        self.refused = False
        """Whether it met a refusal: then no client can connect."""
        self.in_vain = 0
        """How many in a row, up to this one, failed."""

    async def try_once(self, bundles: tuple[PublishedBundle, ...], *, leaf: str | None) -> None:
        """Connect, unless that has succeeded already with this leaf, by fingerprint, and these bundles."""
        held = trusted_by_all(bundles)
        if self._tried == (leaf, held) and self.result == "ok":
            return
        self._tried = leaf, held
        pem = bundle_pem(c for c in bundles[0].bundle.certificates if fingerprint(c) in held)
        try:
            await self._dial(bundle=pem, name=self._settings.name)
        except DialError as error:
            self.result, self.refused, self.in_vain = str(error), isinstance(error, RefusedDial), self.in_vain + 1
            self._counts["dials_failed"] += 1
            if self.refused or self.in_vain >= PATIENCE:
                self._report.hold(Area.DIAL, advice.explain(Area.DIAL, error, self._settings))
            else:
                self._report.release(Area.DIAL)
        else:
            self.result, self.refused, self.in_vain = "ok", False, 0
            self._report.release(Area.DIAL)
