"""What people read about the rounds: one line when a problem begins or changes its kind, one when it is over.

A short outage of the API server is not reported. Neither is a 403 from an API server that has just started and has not
loaded its RBAC rules yet.
"""

from __future__ import annotations

import logging
from collections import Counter

from certs.errors import CertificateError, Forbidden, StoreUnavailable
from certs.managed import advice
from certs.managed.advice import Area
from certs.managed.settings import RotationSettings
from certs.messages import Problem

__all__ = ["PATIENCE", "Report"]

_log = logging.getLogger(__name__)

PATIENCE = 3  # rounds for which the API server may be away before a line is logged
_READS = frozenset({Area.TRUST, Area.SECRET})


class Report:
    """Collects the problems of a round; `finish` logs how they differ from those reported before."""

    def __init__(self, settings: RotationSettings, counts: Counter[str]) -> None:
        self._settings, self._counts = settings, counts
        self.problems: dict[Area, Problem] = {}
        """What was reported and is not over."""
        self.rounds_in_vain = 0
        """How many rounds in a row, up to this one, met an API server that is away."""
        self._before = 0
        self._found: dict[Area, Problem] = {}
        self._held: dict[Area, Problem] = {}
        self._away: dict[Area, tuple[type[CertificateError], int]] = {}
        self._allowed: set[Area] = set()

    def begin(self) -> None:
        """A round begins."""
        self._before, self.rounds_in_vain = self.rounds_in_vain, 0
        self._found = {}

    def observe(self, area: Area, error: CertificateError) -> None:
        """A call failed, or a step."""
        if isinstance(error, StoreUnavailable):
            self._counts["unavailable"] += 1
        if isinstance(error, StoreUnavailable) or (isinstance(error, Forbidden) and area in self._allowed):
            self.rounds_in_vain = self._before + 1
            kind, count = self._away.get(area, (type(error), 0))
            count = count + 1 if kind is type(error) else 1
            self._away[area] = type(error), count
            if count < PATIENCE:
                _log.debug("%s: %s", area.name, error)
                if area in self.problems:  # what was reported before is not over either
                    self._found[area] = self.problems[area]
                return
        self._found[area] = advice.explain(area, error, self._settings)

    def add(self, area: Area, problem: Problem) -> None:
        """This round found a problem that is not an error of a call."""
        self._found[area] = problem

    def clear(self, area: Area) -> None:
        """A call or step of the area succeeded. One that may read and is forbidden to later gets some patience."""
        self._found.pop(area, None)
        self._away.pop(area, None)
        if area in _READS:
            self._allowed.add(area)

    def hold(self, area: Area, problem: Problem) -> None:
        """A problem that outlasts the rounds, until `release`. Logged now."""
        self._held[area] = problem
        self._log({**self.problems, area: problem})

    def release(self, area: Area) -> None:
        """The end of what `hold` began. Logged now."""
        self._held.pop(area, None)
        self._log({other: problem for other, problem in self.problems.items() if other is not area})

    def is_away(self, *areas: Area) -> bool:
        """Whether the API server is away for one of `areas`, reported or not yet."""
        return not self._away.keys().isdisjoint(areas)

    def has(self, area: Area) -> bool:
        """Whether this round found a problem of the area, reported or not yet."""
        return area in self._found or area in self._away

    def found_nothing(self) -> bool:
        """Whether this round has met no problem, reported or not yet."""
        return not self._found and not self.rounds_in_vain

    def finish(self) -> None:
        """The round is over: log what has begun and what is over."""
        self._log({**self._found, **self._held})

    def _log(self, problems: dict[Area, Problem]) -> None:
        for area, problem in problems.items():
            before = self.problems.get(area)
            if before is None or before.kind is not problem.kind:
                _log.error("%s", problem)
        for area, problem in self.problems.items():
            if area not in problems:
                _log.info("over: %s", problem.text)
        self.problems = problems
