"""An issuer and its keys, for tests."""

import base64
from typing import Any

DISCOVERY = ".well-known/openid-configuration"
KEYS = "openid/v1/jwks"
HOME = "https://issuer.example.com/prod"
MODULUS = base64.urlsafe_b64encode(b"\xc5" * 256).decode().rstrip("=")


def key(kid: str | None = "a", **changes: Any) -> dict[str, Any]:
    """A public RSA key of 2048 bits; None takes the id out."""
    made = {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": kid, "n": MODULUS, "e": "AQAB", **changes}
    return {name: value for name, value in made.items() if value is not None}
