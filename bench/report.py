"""The report: our values against those of the reference, as a table for people and as JSON for programs.

A row has one value for each round, in the order of the rounds. A column shows their median, the ratio is that of the
two medians, and its spread is the smallest and the largest ratio of a single round.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bench.machine import Setup

__all__ = ["GOALS", "Goal", "Report", "Row", "as_json", "as_text", "update_page"]

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
SIGNS = {"at least": "≥", "at most": "≤"}


@dataclass(frozen=True)
class Goal:
    """The goal of a row: a bound of the ratio, or of our own value."""

    of: Literal["ratio", "ours"]
    bound: Literal["at least", "at most"]
    value: float

    def met(self, row: Row) -> bool:
        """Whether the row meets it."""
        value = row.ratio if self.of == "ratio" else row.median_ours
        return value >= self.value if self.bound == "at least" else value <= self.value

    def __str__(self) -> str:
        return f"{self.of} {SIGNS[self.bound]} {self.value:g}"


GOALS = {
    "requests at 8": Goal("ratio", "at least", 2),
    "p99 at 8": Goal("ratio", "at most", 1),
    "memory": Goal("ours", "at most", 90),
    "start": Goal("ours", "at most", 1.5),
    "pods": Goal("ratio", "at least", 1),
}
"""The goals of the product, by measure."""


@dataclass(frozen=True)
class Row:
    """One measure. `none` has the values without a webhook, if that makes sense."""

    what: str
    unit: str
    reference: tuple[float, ...]
    ours: tuple[float, ...]
    goal: Goal | None = None
    none: tuple[float, ...] = ()

    @property
    def median_reference(self) -> float:
        """Of all rounds."""
        return statistics.median(self.reference)

    @property
    def median_ours(self) -> float:
        """Of all rounds."""
        return statistics.median(self.ours)

    @property
    def ratio(self) -> float:
        """Ours to the reference's."""
        return self.median_ours / self.median_reference

    @property
    def spread(self) -> tuple[float, float]:
        """The smallest and the largest ratio of one round."""
        ratios = [mine / theirs for mine, theirs in zip(self.ours, self.reference, strict=True)]
        return min(ratios), max(ratios)


@dataclass(frozen=True)
class Report:
    """A whole run. generator_busy: the most of its core that the load generator used; near 1, it was the limit."""

    command: str
    setup: Setup
    rows: tuple[Row, ...]
    requests: int
    errors: int
    generator_busy: float

    @property
    def missed(self) -> tuple[Row, ...]:
        """The rows whose goal is not met."""
        return tuple(row for row in self.rows if row.goal and not row.goal.met(row))


def as_json(report: Report) -> dict[str, Any]:
    """The report with every round's value, and the medians, ratios and verdicts made of them."""
    document = dataclasses.asdict(report)
    for row, entry in zip(report.rows, document["rows"], strict=True):
        low, high = row.spread
        entry["median"] = {"reference": row.median_reference, "ours": row.median_ours}
        entry |= {"ratio": round(row.ratio, 3), "ratio_of_rounds": [round(low, 3), round(high, 3)]}
        entry["goal"] = {"text": str(row.goal), "met": row.goal.met(row)} if row.goal else None
    return document


def as_text(report: Report) -> str:
    """The report as Markdown."""
    setup = report.setup
    versions = ", ".join(f"{name} {version}" for name, version in setup.versions.items())
    said = [
        f"`{report.command}` on {setup.date}: {setup.cores} cores ({setup.processor}), load average {setup.load}.",
        f"{versions}.",
        f"{report.requests:,} requests, {report.errors} errors;",
        f"the load generator used at most {report.generator_busy:.0%} of its core.",
    ]
    return "\n".join([*said, "", *_table(report.rows)])


def update_page(path: Path, report: Report) -> None:
    """Writes the report between the markers of a page."""
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{BEGIN} or {END} is missing in {path.name}")
    path.write_text(f"{before}{BEGIN}\n{as_text(report)}\n{END}{after}", encoding="utf-8")


def _table(rows: Sequence[Row]) -> list[str]:
    lines = ["| | no webhook | reference | ours | ratio | (rounds) | goal |", "|---|---:|---:|---:|---:|---:|---|"]
    for row in rows:
        none = _shown(statistics.median(row.none)) if row.none else ""
        low, high = row.spread
        verdict = "" if row.goal is None else f"{row.goal}{': met' if row.goal.met(row) else ': **missed**'}"
        lines.append(
            f"| {row.what}, {row.unit} | {none} | {_shown(row.median_reference)} | {_shown(row.median_ours)}"
            f" | {row.ratio:.2f} | {low:.2f} to {high:.2f} | {verdict} |"
        )
    return lines


def _shown(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
