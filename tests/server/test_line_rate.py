"""How many lines about refused clients there may be, in a time that the test makes pass."""

from types import SimpleNamespace

import pytest

from tests.server.fake_loop import FakeLoop
from webhook.server import line_rate
from webhook.server.line_rate import LineRate


class Lines:
    """What a LineRate allows and reports."""

    def __init__(self) -> None:
        self.loop = FakeLoop()
        self.reports: list[tuple[float, str, int]] = []
        self.rate = LineRate(lambda reason, count: self.reports.append((self.loop.now, reason, count)))

    def allowed(self, count: int, reason: str = "a") -> int:
        """How many of so many lines may be written."""
        return sum(self.rate.allows(reason) for _ in range(count))


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Lines:
    lines = Lines()
    monkeypatch.setattr(line_rate, "time", SimpleNamespace(monotonic=lines.loop.time))
    monkeypatch.setattr(line_rate, "asyncio", SimpleNamespace(get_running_loop=lambda: lines.loop))
    return lines


def test_fifty_lines_of_a_reason_are_written_at_once(lines: Lines) -> None:
    """Another reason has its own fifty."""
    assert lines.allowed(60) == 50
    assert lines.allowed(60, "b") == 50


def test_then_there_are_five_in_a_second(lines: Lines) -> None:
    """Exactly one more after a fifth of a second."""
    lines.allowed(50)
    lines.loop.move(0.125)
    assert lines.allowed(2) == 0
    lines.loop.move(0.125)
    assert lines.allowed(2) == 1
    lines.loop.move(1)
    assert lines.allowed(10) == 5


def test_no_more_than_fifty_are_saved(lines: Lines) -> None:
    """A quiet day does not allow a flood."""
    lines.allowed(50)
    lines.loop.move(86400)
    assert lines.allowed(100) == 50


def test_what_is_left_out_is_counted_and_told_after_ten_seconds(lines: Lines) -> None:
    """One line for each reason, from the first line that is left out."""
    lines.allowed(53)
    lines.allowed(51, "b")
    lines.loop.move(9.5)
    assert lines.reports == []
    lines.loop.move(0.5)
    assert lines.reports == [(110, "a", 3), (110, "b", 1)]


def test_nothing_is_told_if_nothing_was_left_out(lines: Lines) -> None:
    """The usual case."""
    lines.allowed(50)
    assert lines.loop.waiting == []


def test_the_next_flood_is_counted_from_its_own_first_line(lines: Lines) -> None:
    """What was told is not told again."""
    lines.allowed(53)
    lines.loop.move(10)
    assert lines.allowed(55) == 50
    lines.loop.move(10)
    assert lines.reports == [(110, "a", 3), (120, "a", 5)]
