"""`Chance`: the machine's, and the one of `tests.certs.fakes`."""

from __future__ import annotations

import pytest

from certs.clock import Chance, system_chance
from tests.certs.fakes import FixedChance


@pytest.mark.parametrize("chance", [system_chance(), FixedChance(0), FixedChance()], ids=["system", "least", "fixed"])
def test_chance_is_from_0_to_less_than_1(chance: Chance) -> None:
    assert all(0 <= chance.random() < 1 for _ in range(100))


def test_replicas_do_not_act_at_once() -> None:
    """Two processes that start together draw different numbers."""
    assert system_chance().random() != system_chance().random()
