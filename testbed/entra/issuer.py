"""An OIDC issuer of the emulator: it signs tokens as kube-apiserver does, for tests without a cluster."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from testbed.entra.clock import Clock
from testbed.entra.faults import Fault
from testbed.entra.messages import JSON_TYPE, Note, Request, Response, json_response

__all__ = ["Issuer", "Issuers", "SigningKey"]

DISCOVERY = "/.well-known/openid-configuration"
JWKS = "/openid/v1/jwks"


# Making a key takes longer than most tests, so keys are used again. A test never needs more at once.
MADE: dict[int, rsa.RSAPrivateKey] = {}
MAKING = threading.Lock()
TURNS = itertools.cycle(range(16))


def private_key() -> rsa.RSAPrivateKey:
    """An RSA key: a new one, or the next of those that this process has made."""
    with MAKING:
        turn = next(TURNS)
        if turn not in MADE:
            MADE[turn] = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return MADE[turn]


class SigningKey:
    """An RSA key with its id. The key is made on first use."""

    def __init__(self, key_id: str) -> None:
        self.id = key_id
        self._lock = threading.Lock()
        self._private: rsa.RSAPrivateKey | None = None

    @property
    def private(self) -> rsa.RSAPrivateKey:
        """The private key, which is made on first use."""
        with self._lock:
            if self._private is None:
                self._private = private_key()
            return self._private

    def public(self) -> dict[str, Any]:
        """The public half as a JWK."""
        key = RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {**key, "kid": self.id, "use": "sig", "alg": "RS256"}

    def sign(self, claims: Mapping[str, Any], **headers: str) -> str:
        """A JWT of these claims."""
        return jwt.encode(dict(claims), self.private, algorithm="RS256", headers={"kid": self.id, **headers})


class Issuer:
    """One issuer. `url` is its `iss`; the token endpoint fetches its documents there."""

    def __init__(self, url: str, *, clock: Clock, audience: str) -> None:
        self.url = url
        self.key = SigningKey("key-1")
        self.published: list[SigningKey] = [self.key]
        self._clock = clock
        self._audience = audience

    def token(
        self,
        *,
        subject: str = "system:serviceaccount:default:default",
        audience: str | Sequence[str] | None = None,
        lifetime: float = 3600.0,
        key: SigningKey | None = None,
        **claims: Any,
    ) -> str:
        """A ServiceAccount token for `lifetime` seconds by the emulator's clock; it is expired if that is negative.

        Without `audience` it is the cloud's. Further claims replace those of the same name; None removes a claim. A
        forgery has a `key` that this issuer does not publish.
        """
        now = int(self._clock())
        audiences = [audience or self._audience] if audience is None or isinstance(audience, str) else list(audience)
        begin = now if lifetime > 0 else now + int(lifetime) - 3600
        document = {
            "aud": audiences,
            "exp": now + int(lifetime),
            "iat": begin,
            "iss": self.url,
            "nbf": begin,
            "sub": subject,
            **_kubernetes(subject),
            **claims,
        }
        return (key or self.key).sign({name: value for name, value in document.items() if value is not None})

    def rotate(self, *, keep_old: bool = True) -> None:
        """Publishes a new key and signs with it from now on. The old keys stay published if they are kept."""
        self.key = SigningKey(f"key-{int(self.key.id[4:]) + 1}")
        self.published = [*self.published, self.key] if keep_old else [self.key]

    def jwks(self) -> dict[str, Any]:
        """The key set that the issuer publishes."""
        return {"keys": [key.public() for key in self.published]}

    def discovery(self) -> dict[str, Any]:
        """The discovery document."""
        return {
            "issuer": self.url,
            "jwks_uri": self.url.rstrip("/") + JWKS,
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }


def _kubernetes(subject: str) -> dict[str, Any]:
    """The claim that kube-apiserver adds for a ServiceAccount."""
    parts = subject.split(":")
    if len(parts) != 4 or not subject.startswith("system:serviceaccount:"):
        return {}
    return {"kubernetes.io": {"namespace": parts[2], "serviceaccount": {"name": parts[3]}}}


class Issuers:
    """Serves the documents of every issuer, each below the path of its URL."""

    def __init__(self, *, clock: Clock, audience: str) -> None:
        self._clock = clock
        self._audience = audience
        self._by_path: dict[str, Issuer] = {}

    def add(self, url: str) -> Issuer:
        """Serves another issuer under `url`."""
        issuer = Issuer(url, clock=self._clock, audience=self._audience)
        self._by_path[urlsplit(url).path.rstrip("/")] = issuer
        return issuer

    def answer(self, request: Request, note: Note) -> Response:
        """The discovery document or the keys of the issuer whose path it is; 404 if it is another path."""
        for document in (DISCOVERY, JWKS):
            issuer = self._by_path.get(request.path.removesuffix(document))
            if issuer and request.path.endswith(document) and request.method == "GET":
                return json_response(200, issuer.discovery() if document == DISCOVERY else issuer.jwks())
        note.code = 404
        return json_response(404, {"error": "not found"})

    def fail(self, request: Request, note: Note, fault: Fault) -> Response:
        """An empty answer with the status of `fault`, or 500."""
        note.code = fault.code
        return Response(fault.status or 500, b"", {"Content-Type": JSON_TYPE})
