"""Quantities of resources."""

from fractions import Fraction
from typing import Any

import pytest

from webhook.core.quantities import quantity


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("1", 1),
        (1, 1),
        (0.5, Fraction(1, 2)),
        ("100m", Fraction(1, 10)),
        ("0.1", Fraction(1, 10)),
        (".5", Fraction(1, 2)),
        ("1.", 1),
        ("+1", 1),
        ("64Mi", 64 * 2**20),
        ("64M", 64 * 10**6),
        ("1e3", 1000),
        ("1E3", 1000),
        ("5E-1", Fraction(1, 2)),
        ("2E", 2 * 10**18),
        ("0", 0),
    ],
)
def test_a_quantity_is_a_number(value: Any, number: Fraction) -> None:
    """In each of Kubernetes' spellings, and as YAML's number."""
    assert quantity(value) == number


@pytest.mark.parametrize(
    "value", ["", "m", "-1", "1 Gi", "1gi", "1e1000", "1e", ".", "1_000", "\u0661", True, None, [], {}]
)
def test_anything_else_is_not_a_quantity(value: Any) -> None:
    """Nor is what would take long to work out."""
    assert quantity(value) is None
