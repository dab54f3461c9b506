"""Every attack on a running server, with one criterion: `tests.attacks.beside`."""

import pytest

from tests.attacks import on_connections, on_pods, on_requests
from tests.attacks.beside import Webhook, assert_holds

pytestmark = pytest.mark.slow

ATTACKS = {**on_connections.ATTACKS, **on_requests.ATTACKS, **on_pods.ATTACKS}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_normal_client_notices_nothing_and_nothing_is_left(webhook: Webhook, attack: str) -> None:
    """Ten repetitions."""
    assert_holds(webhook, ATTACKS[attack])
