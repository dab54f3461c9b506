"""Which failures heal, and when the next attempt is made."""

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365_identity._attempts import Attempts, Healing, heals, is_throttled
from m365_identity._failures import Failure, FailureKind
from m365_identity.retry import Clock, Retry


def refused(code: int | None = None, *, status: int = 400, retry_after: float | None = None) -> Failure:
    """An answer of Entra's."""
    codes = () if code is None else (code,)
    return Failure(kind=FailureKind.REFUSED, description="", http_status=status, codes=codes, retry_after=retry_after)


def failure(kind: FailureKind, status: int = 0) -> Failure:
    """A failure without an answer of Entra."""
    return Failure(kind=kind, description="", http_status=status)


@pytest.mark.parametrize("code", [70021, 700211, 700212, 700213, 70025, 90061, 50166, 501661])
@pytest.mark.parametrize("status", [400, 401])
def test_a_credential_that_may_be_fresh_heals(code: int, status: int) -> None:
    """With either status that was seen."""
    assert heals(refused(code, status=status)) is Healing.WAIT


@pytest.mark.parametrize(
    "waiting",
    [
        *(refused(code, status=400) for code in (90033, 90006, 90024, 90012, 50033, 50196, 90055)),
        *(refused(status=status) for status in (408, 429, 500, 502, 503, 504)),
        *(failure(FailureKind.STRANGE, status) for status in (429, 503)),
        failure(FailureKind.UNREACHABLE),
        failure(FailureKind.NO_ANSWER),
        *(failure(FailureKind.PROXY, status) for status in (408, 429, 502, 503, 504)),
    ],
    ids=str,
)
def test_what_passes_by_itself_heals(waiting: Failure) -> None:
    """Entra's passing problems, throttling, 5xx, the network."""
    assert heals(waiting) is Healing.WAIT


@pytest.mark.parametrize(
    "final",
    [
        *(refused(code) for code in (7002138, 700016, 90002, 700027, 700223, 53003, 70011, 12345)),
        *(refused(status=status) for status in (400, 401, 403)),
        *(failure(FailureKind.STRANGE, status) for status in (200, 302, 403, 407)),
        failure(FailureKind.UNTRUSTED),
        *(failure(FailureKind.PROXY, status) for status in (301, 401, 403, 405, 407)),
    ],
    ids=str,
)
def test_all_else_fails_at_once(final: Failure) -> None:
    """Waiting would only hide it."""
    assert heals(final) is Healing.NONE


def test_throttling_is_known_by_status_or_code() -> None:
    """A 400 with the code of a loop is throttling too."""
    assert is_throttled(refused(status=429))
    assert is_throttled(refused(50196))
    assert not is_throttled(refused(status=503))


class Now:
    """Time that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def clock(self, chance: float = 1.0) -> Clock:
        return Clock(monotonic=lambda: self.seconds, chance=lambda: chance)


def pauses(retry: Retry, *, chance: float = 1.0, takes: float = 0.0, wait: float | None = None) -> list[float]:
    """The pauses of a call whose attempts all fail in a way that heals, after `takes` seconds each."""
    now = Now()
    series = Attempts(retry, now.clock(chance))
    made: list[float] = []
    while True:
        now.seconds += takes
        pause = series.pause(refused(status=503, retry_after=wait))
        if pause is None:
            assert series.count == len(made) + 1
            return made
        made.append(pause)
        now.seconds += pause
        assert len(made) < 10_000


def test_pauses_double_up_to_the_longest_and_the_last_ends_at_the_bound() -> None:
    """Thirty seconds by default: seven attempts where each is answered at once."""
    assert pauses(Retry()) == [1, 2, 4, 8, 10, 5]
    assert sum(pauses(Retry(bound=300))) == 300


def test_chance_halves_a_pause_at_most() -> None:
    """So that pods that failed together do not come back together."""
    assert pauses(Retry(), chance=0.0)[:4] == [0.5, 1, 2, 4]


def test_a_bound_of_nothing_is_one_attempt() -> None:
    """And that one may wait for the server as usual."""
    assert pauses(Retry(bound=0)) == []
    assert Attempts(Retry(bound=0), Now().clock()).silence() == 10.0


def test_retry_after_is_the_least() -> None:
    """It is waited for, be it longer than the usual pause; the usual pause is kept where it is shorter."""
    assert pauses(Retry(), wait=12.0) == [12, 12]
    assert pauses(Retry(), wait=0.0)[:2] == [1, 2]


def test_a_retry_after_beyond_the_bound_is_not_begun() -> None:
    """The caller learns at once how long it would have been."""
    assert pauses(Retry(), wait=31.0) == []


def test_a_token_out_of_its_time_is_read_again_once() -> None:
    """At once, beyond the bound too; the second time it is final."""
    series = Attempts(Retry(bound=0), Now().clock())
    assert series.pause(refused(700024)) == 0.0
    assert series.pause(refused(700024)) is None
    assert series.count == 2


def test_silence_is_limited_to_what_is_left() -> None:
    """Ten seconds, less towards the end, and never less than one."""
    now = Now()
    series = Attempts(Retry(), now.clock())
    found = []
    for seconds in (0, 25, 29.5, 31):
        now.seconds = seconds
        found.append(series.silence())
    assert found == [10, 5, 1, 1]


@pytest.mark.parametrize("wrong", [{"bound": -1}, {"bound": float("nan")}, {"first": 0}, {"first": 11}, {"silence": 0}])
def test_bounds_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    """When they are written down, not when they are needed."""
    with pytest.raises(ValueError):
        Retry(**wrong)


@hypothesis.settings(deadline=None)
@given(
    bound=st.floats(0, 300),
    first=st.floats(0.5, 10),
    more=st.floats(0, 60),
    chance=st.floats(0, 1, exclude_max=True),
    takes=st.floats(0, 20),
    wait=st.none() | st.floats(0, 100),
)
def test_the_bound_is_kept(
    bound: float, first: float, more: float, chance: float, takes: float, wait: float | None
) -> None:
    """Whatever happens: no attempt begins after it, no pause is shorter than asked for but the last one."""
    made = pauses(Retry(bound=bound, first=first, longest=first + more), chance=chance, takes=takes, wait=wait)
    assert sum(made) + takes * len(made) <= bound + 1e-6
    assert all(0 <= pause <= max(first + more, wait or 0) + 1e-6 for pause in made)
    if wait is not None:
        assert all(pause >= wait for pause in made)
