"""The self-managed mode: one authority for all replicas in a Secret, one leaf for each in memory.

Each round reads the webhook configuration and then the Secret, asks `certs.managed.next_step.next_step` what is
missing, does that one thing and reads again, until nothing is. The order of the two readings matters: a caBundle is
changed against a configuration that is no newer than the Secret from which it is derived.
A conflict means that another replica was faster: it is counted, not logged. What a person must mend is one error line
when it begins and one line when it is over. Nothing here stops serving: whatever fails, the leaf that is served stays.
"""

from __future__ import annotations

import logging
import math
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from cryptography import x509

from certs.clock import ApiClock, Chance, Clock, SystemClock, system_chance
from certs.errors import (
    CertificateError,
    Conflict,
    DialError,
    Forbidden,
    NotFound,
    RefusedDial,
    StoreError,
    Unavailable,
    UntimelyPair,
)
from certs.managed import advice, secret
from certs.managed.ca_bundle import Published, TrustStore, common, observe, published
from certs.managed.next_step import Create, Leaf, Rest, Step, View, next_step, phase, settling
from certs.managed.perform import COUNTS, Look, Performer, limited
from certs.managed.secret import SecretStore, State, Stored
from certs.managed.self_dial import Dial
from certs.managed.settings import Settings
from certs.pem import bundle_pem, fingerprint
from certs.serving import Serving
from certs.source import Description, Problem

__all__ = ["SelfManagedSource"]

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

_STEPS = 16  # in one round: a first start needs 4, a rotation 6, the rest is for conflicts
_PATIENCE = 3  # rounds for which the API server may be away before a line is logged
_GLANCE = 1.0  # seconds: how soon a wall clock that jumped is noticed
_JUMP = 5.0  # seconds by which the wall clock was set, or that passed beyond those waited for: the machine slept


class SelfManagedSource:
    """See the module. `dial` tries each rotation with a fresh connection; without it that is left out."""

    def __init__(
        self,
        *,
        secrets: SecretStore,
        trust: TrustStore,
        settings: Settings,
        clock: Clock | None = None,
        chance: Chance | None = None,
        dial: Dial | None = None,
        serve: Callable[[Clock], Serving] = lambda clock: Serving(clock=clock),
    ) -> None:
        self._secrets, self._trust, self._settings, self._dial = secrets, trust, settings, dial
        self._wall, self._chance = clock or SystemClock(), chance or system_chance()
        self._clock = ApiClock(self._wall, skew=settings.skew)
        self.serving = serve(self._clock)
        self._counts: Counter[str] = Counter(dict.fromkeys(COUNTS, 0))
        self._performer = Performer(
            secrets=secrets,
            trust=trust,
            settings=settings,
            clock=self._clock,
            serving=self.serving,
            counts=self._counts,
        )
        self._jitter = self._chance.random()
        self._offset = self._wall_offset()
        self._leaf: Leaf | None = None
        self._read: tuple[str, State] | None = None
        self._view: View | None = None
        self._known: tuple[x509.Certificate, ...] = ()
        self._seen: dict[str, float] = {}
        self._vanished: frozenset[str] = frozenset()
        self._trusted: bool | None = None
        self._settled = False
        self._dialled: tuple[object, str] | None = None
        self._refused = False
        self._dials_in_vain = self._rounds_in_vain = self._passing = 0
        self._away: dict[str, tuple[type[CertificateError], int]] = {}
        self._allowed: set[str] = set()
        self._problems: dict[str, Problem] = {}

    async def start(self) -> None:
        """The first round. For an API server that is away, `run` waits."""
        await self._guarded(self.round)

    async def run(self) -> None:
        """Round after round, until cancelled."""
        pause = _GLANCE  # by then the server listens
        while True:
            await self._rest(pause)
            await self._guarded(self.round)
            await self._guarded(self._dial_if_due)
            pause = self._pause()

    def healthy(self) -> bool:
        """A leaf is served, every caBundle of ours vouches for it, and no fresh connection was turned away.

        Its end is judged by the API server's time: a wall clock that was set is no reason to take no calls.
        """
        return self.serving.usable() and self._trusted is True and self._settled and not self._refused

    def describe(self) -> Description:
        """The state as of the last round."""
        view = self._view
        current = view.state.current if view and view.state else None
        return Description(
            mode="self-managed",
            healthy=self.healthy(),
            not_after=self.serving.not_after,
            fingerprint=self.serving.fingerprint,
            authority_not_after=current.not_valid_after_utc if current else None,
            trust_published=self._trusted,
            phase=phase(view).value if view else None,
            dialled=self._dialled[1] if self._dialled else None,
            waits=self._waits(),
            problems=tuple(self._problems.values()),
            counts=dict(self._counts),
        )

    def _waits(self) -> str | None:
        if self._settled or not (self._trusted and self.serving.usable()):
            return None
        wait = f"{self._settings.settle.total_seconds():g} s"
        return f"the authority was made just now; every kube-apiserver is given {wait} to hear of it"

    async def round(self) -> None:
        """Read, do what is missing, and read again until nothing is."""
        problems: dict[str, Problem] = {}
        skip: set[type[Step]] = set()
        passing, untimely = self._passing, False
        for _ in range(_STEPS):
            look = await self._look(problems)
            step = next_step(replace(look.view, skip=frozenset(skip)), self._settings)
            if isinstance(step, Rest):
                break
            kind = type(step).__name__
            try:
                self._leaf = await self._performer.perform(step, look) or self._leaf
                self._away.pop(kind, None)
            except CertificateError as error:
                if _expected(error, step, look) and not (untimely and isinstance(error, UntimelyPair)):
                    untimely = untimely or isinstance(error, UntimelyPair)
                    _log.debug("%s: %s", kind, error)
                    self._counts["conflicts"] += 1
                    await self._clock.sleep(self._chance.random() / 2)
                    continue
                skip.add(type(step))
                self._note(problems, kind, error, advice.step(step, error, self._settings))
            if self._away.keys() & {"trust", "secret"}:
                break  # one time limit a round is enough
        self._rounds_in_vain = self._rounds_in_vain + 1 if self._passing > passing else 0
        self._conclude(look.view, problems)

    async def _look(self, problems: dict[str, Problem]) -> Look:
        settings, asked, self._offset = self._settings, self._clock.ticks(), self._wall_offset()
        configuration, stored, state = None, None, None
        try:
            configuration = await self._limited(self._trust.get())
            self._clock.hear(configuration.date, since=asked)
        except StoreError as error:
            self._note(problems, "trust", error, advice.trust(error, settings))
            if isinstance(error, NotFound):
                self._trusted, self._seen = False, {}
        else:
            self._clear(problems, "trust")
        since = self._clock.ticks()
        try:
            stored = await self._limited(self._secrets.get())
            self._clock.hear(stored.date, since=since)
            state = self._state(stored)
        except NotFound:
            state = secret.read(None, name=settings.name)
        except StoreError as error:
            self._note(problems, "secret", error, advice.secret(error, settings))
        if state is not None:
            self._clear(problems, "secret")
        now, ticks, entries, vanished = self._clock.now(), self._clock.ticks(), None, frozenset[str]()
        if configuration is not None:
            entries = published(configuration, names=settings.webhooks, service=settings.service)
            vanished = self._observe(entries, ticks=ticks)
        view = View(
            asked=now - timedelta(seconds=ticks - asked),
            now=now,
            ticks=ticks,
            ahead=self._clock.ahead(),
            state=state,
            entries=entries or None,
            leaf=self._leaf,
            seen=dict(self._seen),
            known=self._known,
            jitter=self._jitter,
        )
        if state is not None and state.current is not None:
            self._known = state.authorities()
        return Look(view=view, stored=stored, configuration=configuration, vanished=vanished)

    def _observe(self, entries: tuple[Published, ...], *, ticks: float) -> frozenset[str]:
        before, self._seen = self._seen, observe(self._seen, entries, ticks=ticks)
        self._vanished = (self._vanished | before.keys()) - self._seen.keys()
        return self._vanished

    def _state(self, stored: Stored) -> State:
        """Reading tries the key, which costs a millisecond: once for each version of the Secret."""
        if self._read is None or self._read[0] != stored.version:
            settings = self._settings
            state = secret.read(stored, name=settings.name, shortest_leaf=settings.shortest_leaf)
            self._read = stored.version, state
        return self._read[1]

    def _conclude(self, view: View, problems: dict[str, Problem]) -> None:
        settings, leaf = self._settings, self._leaf
        self._view = view
        current = view.state.current if view.state else None
        if view.entries is not None:
            self._trusted = leaf is not None and fingerprint(leaf.authority) in common(view.entries)
        elif "trust" not in problems and "trust" not in self._away:
            self._trusted, problems["webhook"] = False, advice.no_webhook(settings)
        self._settled = self._settled or not (leaf is None or settling(replace(view, leaf=leaf), settings))
        if view.ahead:
            problems["clock"] = advice.clock(view.ahead, settings)
        elif current is not None and current.not_valid_before_utc > view.now:
            problems["future"] = advice.authority_from_the_future(current.not_valid_before_utc, settings)
        if not problems and not self._rounds_in_vain and not (self.serving.usable() and self._trusted):
            problems["leaf"] = advice.not_serving(settings)
        self._tell(problems)

    async def _dial_if_due(self) -> None:
        """After each rotation and each change of the bundle, until it succeeds."""
        view = self._view
        if self._dial is None or view is None or view.entries is None or not (self._trusted and self.serving.usable()):
            return
        held = common(view.entries)
        rotation = (self.serving.fingerprint, held)
        if self._dialled == (rotation, "ok"):
            return
        bundle = bundle_pem(c for c in view.entries[0].bundle.certificates if fingerprint(c) in held)
        try:
            await self._dial(bundle=bundle, name=self._settings.name)
        except DialError as error:
            self._dialled, self._refused = (rotation, str(error)), isinstance(error, RefusedDial)
            self._counts["dials_failed"] += 1
            self._dials_in_vain += 1
            if self._refused or self._dials_in_vain >= _PATIENCE:
                self._tell({**self._problems, "dial": advice.refused(error)})
        else:
            self._dialled, self._refused, self._dials_in_vain = (rotation, "ok"), False, 0
            self._tell({area: problem for area, problem in self._problems.items() if area != "dial"})

    def _note(self, problems: dict[str, Problem], area: str, error: CertificateError, problem: Problem) -> None:
        """Something failed. An API server that is away for a moment is nobody's business.

        Nor is one that has just started and forbids, before it has read its rules, what it allowed until then.
        """
        if isinstance(error, Unavailable):
            self._counts["unavailable"] += 1
        if isinstance(error, Unavailable) or (isinstance(error, Forbidden) and area in self._allowed):
            self._passing += 1
            kind, count = self._away.get(area, (type(error), 0))
            self._away[area] = type(error), count + 1 if kind is type(error) else 1
            if self._away[area][1] < _PATIENCE:
                _log.debug("%s: %s", area, error)
                if area in self._problems:  # it is not over either
                    problems[area] = self._problems[area]
                return
        problems[area] = problem

    def _clear(self, problems: dict[str, Problem], area: str) -> None:
        problems.pop(area, None)
        self._away.pop(area, None)
        self._allowed.add(area)

    def _tell(self, problems: dict[str, Problem]) -> None:
        """One line when something begins or changes its kind, and one when it is over."""
        if self._refused or self._dials_in_vain >= _PATIENCE:
            problems = {**problems, **({"dial": self._problems["dial"]} if "dial" in self._problems else {})}
        for area, problem in problems.items():
            before = self._problems.get(area)
            if before is None or before.fix != problem.fix:
                _log.error("%s", problem)
        for area, problem in self._problems.items():
            if area not in problems:
                _log.info("over: %s", problem.what)
        self._problems = problems

    def _pause(self) -> float:
        """Seconds until the next round: never far, since the wall clock is what counts and it is looked at then."""
        interval, chance = self._settings.interval.total_seconds(), self._chance.random()
        in_vain = max(self._rounds_in_vain, self._dials_in_vain)
        if in_vain:
            return min(interval, 2.0**in_vain) * (0.5 + chance / 2)
        return interval * (1 - chance / 5)

    async def _rest(self, seconds: float) -> None:
        """Wait, but not on where the wall clock was set since the last look, or time was slept through: see `_JUMP`.

        Since the look, not since the wait began: the clock may be set in the middle of a round.
        """
        glances = math.ceil(seconds / _GLANCE)
        for _ in range(glances):
            before = self._clock.ticks()
            await self._clock.sleep(seconds / glances)
            late = self._clock.ticks() - before - seconds / glances
            moved = self._wall_offset() - self._offset
            if late > _JUMP or abs(moved) > _JUMP:
                _log.debug("the wall clock moved by %.0f s, a wait ended %.1f s late", moved, late)
                return

    def _wall_offset(self) -> float:
        """Seconds between the wall clock and `ticks`: the same until the wall clock is set."""
        return self._wall.now().timestamp() - self._wall.ticks()

    async def _guarded(self, part: Callable[[], Awaitable[None]]) -> None:
        """A bug in a round must not end the rounds: the next one may heal what this one could not."""
        try:
            await part()
        except Exception as error:  # noqa: BLE001 - and its text is not logged: it may quote what it was given
            self._counts["bugs"] += 1
            frame = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(frame.filename).name}:{frame.lineno}"
            _log.error("a round failed: %s at %s. Report it; serving goes on", type(error).__name__, place)

    async def _limited(self, call: Awaitable[_T]) -> _T:
        return await limited(call, limit=self._settings.call_limit, clock=self._clock)


def _expected(error: CertificateError, step: Step, look: Look) -> bool:
    """Whether reading again is all it takes: another replica was faster, what was read is gone, or time has passed.

    The last is a process that was suspended between reading and signing; where it happens again it is something else.
    """
    if isinstance(error, NotFound):
        return not (isinstance(step, Create) and look.stored is None)  # there is no namespace
    return isinstance(error, Conflict | UntimelyPair)
