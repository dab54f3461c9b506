"""How long a review may take by what kube-apiserver says. Over a socket: test_statuses.py."""

import pytest

from webhook.server.deadlines import Timeouts


@pytest.mark.parametrize(
    ("query", "seconds"),
    [
        (b"", 4.5),
        (b"timeout=8s", 7.5),
        (b"timeout=10s", 9.5),
        (b"timeout=30s", 9.5),
        (b"timeout=1m0s", 9.5),
        (b"timeout=1s", 0.9),
        (b"timeout=500ms", 0.45),
        (b"timeout=0s", 4.5),
        (b"timeout=h", 4.5),
        (b"timeout=5.5.5s", 4.5),
        (b"a=b&timeout=2s&c=d", 1.8),
        (b"xtimeout=2s", 4.5),
    ],
)
def test_a_review_may_take_what_its_caller_waits_less_a_margin(query: bytes, seconds: float) -> None:
    """The margin is half a second, at most a tenth of the whole; 5 s if the caller does not say, at most 10 s."""
    assert Timeouts().allowed(query) == pytest.approx(seconds)


def test_each_of_them_can_be_set() -> None:
    """default, longest and margin."""
    timeouts = Timeouts(default=2, longest=4, margin=0.1)
    assert [timeouts.allowed(query) for query in (b"", b"timeout=9s", b"timeout=3s")] == pytest.approx([1.9, 3.9, 2.9])
