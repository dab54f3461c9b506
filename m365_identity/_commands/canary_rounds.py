"""The rounds of the canary: each signs in once, with nothing kept from the round before, and says when the next is due.

    how the round ended                         the next
    Entra gave a token                          after the interval
    a failure that can heal                     after 15 s, then twice as long each time, at most the interval
    Entra gets too many requests                the same, and not before Retry-After, of which an hour counts at most
    any other failure                           after the interval

Each pause is up to a tenth longer, by chance, so that canaries that were started together do not stay together.
"""

from collections.abc import Callable, Mapping
from typing import Final, NoReturn

from m365_identity._text import duration, one_line
from m365_identity.credential import WorkloadIdentityCredential
from m365_identity.errors import M365IdentityError, ThrottledError
from m365_identity.metrics import SignInMetrics
from m365_identity.retry import Clock, Retry
from m365_identity.settings import Settings

# After our own module, whose error says what to install.
from prometheus_client import CollectorRegistry, Gauge, generate_latest  # isort: skip

__all__ = ["Canary", "CanaryMetrics"]

_FIRST: Final = 15.0  # seconds
_LONGEST_WAIT: Final = 3600.0  # seconds; what Retry-After asks for beyond it is not believed
# Seconds that no round takes: two attempts of ten seconds of silence each, and names that several servers do not know.
_STUCK: Final = 300.0


class CanaryMetrics:
    """Tells an alert how long ago the last success was.

    m365_identity_canary_last_success_timestamp_seconds   when a round succeeded last, 0 before the first
    m365_identity_canary_interval_seconds                 how often there is a round
    """

    def __init__(self, registry: CollectorRegistry, *, every: float) -> None:
        self._success = Gauge(
            "m365_identity_canary_last_success_timestamp_seconds",
            "When the canary signed in last, 0 before the first time. Unix time.",
            registry=registry,
        )
        interval = Gauge("m365_identity_canary_interval_seconds", "How often the canary signs in.", registry=registry)
        interval.set(every)

    def succeeded(self, when: float) -> None:
        """A round has succeeded."""
        self._success.set(when)


class Canary:
    """Signs in, round after round. every: the interval in seconds. tell: gets a line for the log.

    There is a line for each failure, and for the first success after the start or after a failure.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        every: float,
        environ: Mapping[str, str],
        tell: Callable[[str], object],
        clock: Clock = Clock(),  # noqa: B008  # frozen
    ) -> None:
        self._settings = settings
        self._every = every
        self._environ = environ
        self._tell = tell
        self._clock = clock
        self._registry = CollectorRegistry()
        self._observer = SignInMetrics(self._registry)
        self._metrics = CanaryMetrics(self._registry, every=every)
        self._rounds = 0
        self._failures = 0  # since the last success
        self._failing_since = 0.0
        self._due = clock.monotonic() + _STUCK

    @property
    def is_alive(self) -> bool:
        """Whether the round that is due was not missed: otherwise the thread hangs in a call that has no time limit."""
        return self._clock.monotonic() < self._due

    @property
    def is_ready(self) -> bool:
        """Whether a round has ended, whatever became of it."""
        return self._rounds > 0

    def exposition(self) -> bytes:
        """The metrics, as Prometheus reads them."""
        return generate_latest(self._registry)

    def run(self) -> NoReturn:
        """Rounds without end."""
        while True:
            self._due = self._clock.monotonic() + _STUCK
            pause = self.round()
            self._due = self._clock.monotonic() + pause + _STUCK
            self._clock.sleep(pause)

    def round(self) -> float:
        """Signs in once. Returns the seconds until the next round; never raises."""
        began = self._clock.monotonic()
        try:
            self._sign_in()
        except M365IdentityError as error:
            wanted = self._after(error)
            fix = f"; fix: {error.advice.fix}" if error.advice else ""
            problem = f"{error.summary} [{', '.join(error.codes)}]{fix}"
        except Exception as error:  # noqa: BLE001  # it goes on whatever happens; the text may hold anything
            wanted = self._every
            problem = f"{type(error).__name__} in the canary"
        else:
            self._succeeded(began)
            return self._about(self._every)
        finally:
            self._rounds += 1
        if not self._failures:
            self._failing_since = began
        self._failures += 1
        pause = self._about(wanted)
        self._tell(f"sign-in failed: {one_line(problem)}; again in {duration(pause)}")
        return pause

    def _sign_in(self) -> None:
        """With a credential and connections of its own, so that no token and no address is remembered."""
        with WorkloadIdentityCredential(
            settings=self._settings,
            retry=Retry(bound=0),
            metrics=self._observer,
            environ=self._environ,
            clock=self._clock,
        ) as credential:
            credential.get_token(self._settings.scope)

    def _succeeded(self, began: float) -> None:
        now = self._clock.monotonic()
        self._metrics.succeeded(self._clock.wall())
        if self._failures:
            self._tell(
                f"signed in again after {duration(now - self._failing_since)}; failed attempts: {self._failures}"
            )
        elif not self._rounds:
            self._tell(f"signed in within {now - began:.2f} s; from now on there is a line for each failure")
        self._failures = 0

    def _after(self, error: M365IdentityError) -> float:
        """Seconds until the round after a failure."""
        if not error.may_heal:
            return self._every
        usual = min(self._every, _FIRST * 2.0 ** min(self._failures, 16))
        if isinstance(error, ThrottledError) and error.retry_after is not None:
            return max(usual, min(error.retry_after, _LONGEST_WAIT))
        return usual

    def _about(self, seconds: float) -> float:
        return seconds * (1 + self._clock.chance() / 10)
