"""Quantities of resources as Kubernetes writes them: 100m, 0.1, 64Mi, 1e3."""

import re
from fractions import Fraction
from typing import Any, Final

_QUANTITY: Final = re.compile(
    r"\+?([0-9]{1,20}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})(?:[eE]([+-]?[0-9]{1,2})|([numkMGTPE]|[KMGTPE]i)?)"
)
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY: Final = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


def quantity(value: Any) -> Fraction | None:
    """The number that `value` stands for, of text or of YAML's number; None if it is not a quantity, or negative."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    found = _QUANTITY.fullmatch(str(value))
    if found is None:
        return None
    digits, exponent, suffix = found.groups()
    number = Fraction(digits if digits[-1] != "." else digits[:-1])
    if suffix in _BINARY:
        return number * (1 << _BINARY[suffix])
    power = int(exponent) if exponent else _DECIMAL.get(suffix or "", 0)
    factor: int = 10 ** abs(power)
    return number * factor if power >= 0 else number / factor
