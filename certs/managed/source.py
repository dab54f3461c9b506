"""The self-managed mode: one authority for all replicas in a Secret, one leaf for each in memory.

Each round reads the webhook configuration and then the Secret, asks `certs.managed.next_step.next_step` what is
missing, does that one thing and reads again, until nothing is missing. A conflict means that another replica was
faster: it is counted, not logged. A problem that a person must fix is one error line when it begins and one line when
it is over. Nothing here stops serving: whatever fails, the leaf that is served stays.
"""

from __future__ import annotations

import logging
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from certs import messages
from certs.clock import ApiClock, Chance, Clock, SystemClock, system_chance
from certs.errors import CertificateError, Conflict, NotFound, UntimelyPair
from certs.managed import advice
from certs.managed.advice import STEP_AREAS, Area
from certs.managed.ca_bundle import TrustStore, trusted_by_all
from certs.managed.next_step import next_step, phase, waits_for_slow_apiservers
from certs.managed.pause import GLANCE, Pause
from certs.managed.perform import COUNTS, Performer
from certs.managed.reader import Reader, Snapshot
from certs.managed.report import Report
from certs.managed.secret import SecretStore
from certs.managed.self_dial import Dial, SelfDial
from certs.managed.settings import RotationSettings
from certs.managed.steps import Create, Leaf, NothingToDo, Observation, Step
from certs.messages import problem
from certs.pem import fingerprint
from certs.serving import Serving
from certs.source import Description

__all__ = ["SelfManagedSource"]

_log = logging.getLogger(__name__)

_MOST_STEPS = 16  # in one round: a first start needs 4, a rotation 6, the rest is for conflicts


class SelfManagedSource:
    """See the module. `dial` tries each rotation with a fresh connection; without it that is left out."""

    def __init__(
        self,
        *,
        secrets: SecretStore,
        trust: TrustStore,
        settings: RotationSettings,
        clock: Clock | None = None,
        chance: Chance | None = None,
        dial: Dial | None = None,
        serve: Callable[[Clock], Serving] = lambda clock: Serving(clock=clock),
    ) -> None:
        wall, self._chance = clock or SystemClock(), chance or system_chance()
        self._settings, self._clock = settings, ApiClock(wall, skew=settings.skew)
        self.serving = serve(self._clock)
        counts: Counter[str] = Counter(dict.fromkeys(COUNTS, 0))
        self._counts, self._report = counts, Report(settings, counts)
        self._reader = Reader(
            secrets=secrets,
            trust=trust,
            settings=settings,
            clock=self._clock,
            report=self._report,
            jitter=self._chance.random(),
        )
        self._performer = Performer(
            secrets=secrets, trust=trust, settings=settings, clock=self._clock, serving=self.serving, counts=counts
        )
        self._self_dial = SelfDial(dial, settings=settings, report=self._report, counts=counts) if dial else None
        self._pause = Pause(wall, self._chance, interval=settings.interval)
        self._leaf: Leaf | None = None
        self._observation: Observation | None = None
        self._trusted: bool | None = None
        self._known_everywhere = False

    async def start(self) -> None:
        """The first round. If the API server is away, `run` goes on trying."""
        await self._guard(self.round)

    async def run(self) -> None:
        """Round after round, until cancelled."""
        seconds = GLANCE  # by then the server listens
        while True:
            await self._pause.wait(seconds)
            await self._guard(self.round)
            await self._guard(self.dial)
            seconds = self._pause.length(self._in_vain())

    def healthy(self) -> bool:
        """A leaf is served, every one of our caBundles trusts it, and no fresh connection was refused.

        Its end is judged by the API server's time: a wall clock that was set does not make the replica unready.
        """
        refused = self._self_dial is not None and self._self_dial.refused
        return self.serving.usable() and self._trusted is True and self._known_everywhere and not refused

    def describe(self) -> Description:
        """The state as of the last round."""
        seen = self._observation
        current = seen.secret.current if seen and seen.secret else None
        return Description(
            mode="self-managed",
            healthy=self.healthy(),
            not_after=self.serving.not_after,
            fingerprint=self.serving.fingerprint,
            authority_not_after=current.not_valid_after_utc if current else None,
            trust_published=self._trusted,
            phase=phase(seen).value if seen else None,
            dialled=self._self_dial.result if self._self_dial else None,
            waits=self._waits(),
            problems=tuple(self._report.problems.values()),
            counts=dict(self._counts),
        )

    async def round(self) -> None:
        """Read, do what is missing, and read again until nothing is."""
        self._report.begin()
        self._pause.mark()
        failed: set[type[Step]] = set()
        untimely = False
        for _ in range(_MOST_STEPS):
            snapshot = await self._reader.read(self._leaf)
            if snapshot.observation.leaf is not self._leaf:
                self._leaf = None
                _log.info(
                    "MutatingWebhookConfiguration %s, Secret %s: of another installation; a new leaf is signed for it",
                    self._settings.configuration,
                    self._settings.secret,
                )
            if snapshot.configuration_absent:
                self._trusted = False
            step = next_step(replace(snapshot.observation, failed=frozenset(failed)), self._settings)
            if isinstance(step, NothingToDo):
                break
            area = STEP_AREAS[type(step)]
            try:
                self._leaf = await self._performer.perform(step, snapshot) or self._leaf
                self._report.clear(area)
            except CertificateError as error:
                if _is_race(error, step, snapshot) and not (untimely and isinstance(error, UntimelyPair)):
                    untimely = untimely or isinstance(error, UntimelyPair)
                    _log.debug("%s: %s", area.name, error)
                    self._counts["conflicts"] += 1
                    await self._clock.sleep(self._chance.random() / 2)
                    continue
                failed.add(type(step))
                self._report.observe(area, error)
            if self._report.is_away(Area.TRUST, Area.SECRET):
                break  # one time limit a round is enough
        self._conclude(snapshot)

    async def dial(self) -> None:
        """Connect to ourselves if a trusted leaf is served that was not tried yet."""
        seen = self._observation
        if self._self_dial and seen and seen.bundles and self._trusted and self.serving.usable():
            await self._self_dial.try_once(seen.bundles, leaf=self.serving.fingerprint)

    def _conclude(self, snapshot: Snapshot) -> None:
        """What the last reading of a round says about us, and the round's report."""
        seen, leaf = snapshot.observation, self._leaf
        self._observation = seen
        if seen.bundles is not None:
            self._trusted = leaf is not None and fingerprint(leaf.authority) in trusted_by_all(seen.bundles)
        elif not self._report.has(Area.TRUST):
            self._trusted = False
            self._report.add(Area.WEBHOOK, advice.no_webhook(self._settings))
        if leaf is not None and not waits_for_slow_apiservers(replace(seen, leaf=leaf), self._settings):
            self._known_everywhere = True
        self._report_times(seen)
        if self._report.found_nothing() and not (self.serving.usable() and self._trusted):
            self._report.add(Area.LEAF, advice.not_serving(self._settings))
        self._report.finish()

    def _report_times(self, seen: Observation) -> None:
        current = seen.secret.current if seen.secret else None
        if seen.clock_offset:
            self._report.add(Area.CLOCK, advice.clock(seen.clock_offset, self._settings))
        elif current is not None and current.not_valid_before_utc > seen.now:
            not_before = current.not_valid_before_utc
            self._report.add(Area.AUTHORITY, advice.authority_from_the_future(not_before, self._settings))

    def _waits(self) -> str | None:
        if self._known_everywhere or not (self._trusted and self.serving.usable()):
            return None
        wait = f"{self._settings.publish_wait.total_seconds():g} s"
        return f"the authority was made just now; every kube-apiserver is given {wait} to learn of it"

    def _in_vain(self) -> int:
        """How many rounds, or dials, in a row have failed."""
        return max(self._report.rounds_in_vain, self._self_dial.in_vain if self._self_dial else 0)

    async def _guard(self, part: Callable[[], Awaitable[None]]) -> None:
        """A bug in a round must not end the rounds: the next one may repair what this one could not."""
        try:
            await part()
        except Exception as error:  # noqa: BLE001 - and its text is not logged: it may quote what it was given
            self._counts["bugs"] += 1
            frame = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(frame.filename).name}:{frame.lineno}"
            _log.error("%s", problem(messages.ROUND_FAILED, error=type(error).__name__, place=place))


def _is_race(error: CertificateError, step: Step, snapshot: Snapshot) -> bool:
    """Whether reading again is all it takes: another replica was faster, what was read is gone, or time has passed.

    Time has passed if the process was suspended between reading and signing; if it happens twice it is something else.
    """
    if isinstance(error, NotFound):
        return not (isinstance(step, Create) and snapshot.stored is None)  # then the namespace is absent
    return isinstance(error, Conflict | UntimelyPair)
