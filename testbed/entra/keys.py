"""The keys of issuers. As in Entra, they are fetched by way of the discovery document and kept for a while."""

from __future__ import annotations

import json
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from testbed.entra.aadsts import Refusal
from testbed.entra.clock import Clock

__all__ = ["Keys"]

UNREACHABLE: Final = 50166
UNUSABLE: Final = 501661
"""Both say "Request to External OIDC endpoint failed". When Entra gives which is not documented. Here the
first is for no answer or a status other than 200, the second for documents that cannot be used."""

MOST_KEYS = 100
LARGEST_DOCUMENT = 1 << 20


@dataclass(frozen=True)
class _Source:
    """Where an issuer's documents are fetched; `base` replaces the issuer's own URL."""

    base: str
    context: ssl.SSLContext
    token: str = ""
    is_elsewhere: bool = False


@dataclass(frozen=True)
class _Fetched:
    keys: Sequence[Mapping[str, Any]]
    at: float


class Keys:
    """Key sets by issuer. `ca_file` is trusted in addition to the system's authorities; times are in seconds.

    A set is kept for `lifetime`. If a key is not in it, it is fetched again, but only after `refetch_after`: so a new
    key is unknown for a while after a rotation, as in Entra. `timeout`, of the machine's seconds for each document, may
    be set at any time.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        ca_file: Path,
        lifetime: float = 86400.0,
        refetch_after: float = 300.0,
        timeout: float = 5.0,
    ) -> None:
        self._clock = clock
        self._lifetime = lifetime
        self._refetch_after = refetch_after
        self.timeout = timeout
        self._context = ssl.create_default_context()
        self._context.load_verify_locations(ca_file)
        self._lock = threading.Lock()
        self._given: dict[str, Sequence[Mapping[str, Any]]] = {}
        self._sources: dict[str, _Source] = {}
        self._fetched: dict[str, _Fetched] = {}

    def trust_jwks(self, issuer: str, jwks: Mapping[str, Any]) -> None:
        """Uses these keys for `issuer` and never fetches any."""
        with self._lock:
            self._given[issuer] = list(jwks["keys"])[:MOST_KEYS]

    def fetch_from(self, issuer: str, base_url: str, *, ca_file: Path | None = None, token: str = "") -> None:
        """Fetches the documents of `issuer` below `base_url`; trusts `ca_file` there and sends `token` as Bearer."""
        context = self._context
        if ca_file:
            context = ssl.create_default_context(cafile=ca_file)
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # a cluster's own authority may not pass the strict checks
        with self._lock:
            self._sources[issuer] = _Source(base_url.rstrip("/"), context, token, is_elsewhere=True)
            self._fetched.pop(issuer, None)

    def forget(self) -> None:
        """Forgets what was fetched."""
        with self._lock:
            self._fetched.clear()

    def find(self, issuer: str, key_id: str | None) -> Sequence[Mapping[str, Any]]:
        """The keys that may have signed a token of `issuer` with this `key_id`, or without one; empty if it is unknown.

        Raises Refusal if the issuer's documents cannot be read.
        """
        with self._lock:
            if issuer in self._given:
                return _matching(self._given[issuer], key_id)
            known = self._fetched.get(issuer)
        age = self._clock() - known.at if known else 0.0
        if known and age < self._lifetime:
            found = _matching(known.keys, key_id)
            if found or age < self._refetch_after:
                return found
        fetched = _Fetched(self._fetch(issuer), self._clock())
        with self._lock:
            self._fetched[issuer] = fetched
        return _matching(fetched.keys, key_id)

    def _fetch(self, issuer: str) -> Sequence[Mapping[str, Any]]:
        with self._lock:
            source = self._sources.get(issuer) or _Source(issuer.rstrip("/"), self._context)
        discovery = self._get(f"{source.base}/.well-known/openid-configuration", source)
        location = discovery.get("jwks_uri")
        if discovery.get("issuer") != issuer or not isinstance(location, str):
            raise Refusal(UNUSABLE)
            # The document has the address that others use, and kube-apiserver does not serve the issuer's path.
        if source.is_elsewhere:
            below = issuer.rstrip("/")
            location = source.base + (location.removeprefix(below) if location.startswith(below) else _path(location))
        keys = self._get(location, source).get("keys")
        if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
            raise Refusal(UNUSABLE)
        return keys[:MOST_KEYS]

    def _get(self, url: str, source: _Source) -> Mapping[str, Any]:
        # No proxy: a test sets HTTPS_PROXY for the client.
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=source.context)
        )
        try:
            request = urllib.request.Request(url, headers={"Accept": "*/*", "User-Agent": "testbed.entra"})
            if source.token:
                request.add_unredirected_header("Authorization", f"Bearer {source.token}")
            with opener.open(request, timeout=self.timeout) as answer:
                content = answer.read(LARGEST_DOCUMENT)
                if answer.length:  # cut off, or too large
                    raise Refusal(UNREACHABLE)
        except urllib.error.HTTPError as error:
            error.close()
            raise Refusal(UNREACHABLE) from None
        except (OSError, HTTPException, ValueError):
            raise Refusal(UNREACHABLE) from None
        try:
            document = json.loads(content)
        except ValueError:
            raise Refusal(UNUSABLE) from None
        if not isinstance(document, dict):
            raise Refusal(UNUSABLE)
        return document


def _path(url: str) -> str:
    return urlsplit(url).path


def _matching(keys: Sequence[Mapping[str, Any]], key_id: str | None) -> Sequence[Mapping[str, Any]]:
    return [key for key in keys if key_id is None or key.get("kid") == key_id]
