"""Reads the claims of a token without verifying it, for diagnostics only: nothing may be decided on them.

No message holds any part of the token.
"""

import base64
import binascii
import json
import math
import re
from typing import Any, Final

__all__ = ["claims", "number", "text", "texts"]

_PART: Final = re.compile(r"[A-Za-z0-9_-]+")


def claims(token: str) -> dict[str, Any]:
    """The claims of a signed JWT. Raises ValueError with what is wrong with it."""
    parts = token.split(".")
    if len(parts) != 3:
        count = f"{len(parts)} parts" if len(parts) > 1 else "1 part"
        raise ValueError(f"it has {count} between dots, expected 3")
    if not all(_PART.fullmatch(part) for part in parts):
        raise ValueError("it has characters that are not base64url")
    _object(parts[0], "header")
    return _object(parts[1], "payload")


def text(value: object) -> str:
    """A claim that should be text; "" if it is not."""
    return value if isinstance(value, str) else ""


def texts(value: object) -> tuple[str, ...]:
    """A claim that should be text or a list of texts."""
    if isinstance(value, str):
        return (value,)
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def number(value: object) -> float | None:
    """A claim that should be a time in seconds since the epoch; None if it is not."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        seconds = float(value)
    except OverflowError:  # an int may have thousands of digits
        return None
    return seconds if math.isfinite(seconds) else None


def _object(part: str, name: str) -> dict[str, Any]:
    problem = f"its {name} is not a JSON object"
    try:
        decoded = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        decoded = None
    if not isinstance(decoded, dict):
        # Raised here and not above: the decoder's exception holds what it could not read.
        raise ValueError(problem)
    return decoded
