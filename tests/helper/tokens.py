"""Tokens without a signature worth the name, for what only decodes them."""

import base64
import json
from typing import Any


def jwt(**claims: Any) -> str:
    """A JWT with these claims."""
    parts = [json.dumps(part).encode() for part in ({"alg": "RS256", "kid": "k"}, claims)]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in [*parts, b"signature"])
