"""The numbers of a benchmark: means, normalised means, codec drift, comparisons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np

from lipsync.errors import ConfigError
from lipsync.evaluation.benchmark.layout import SPEAKER
from lipsync.evaluation.benchmark.measures import (
    KINDS,
    MEASURES,
    OLD_VIDEO,
    RECOMPRESSED,
    SILENCED,
    Measure,
    Reference,
)
from lipsync.evaluation.independence import independence
from lipsync.evaluation.rows import COPIED, REAL, Row
from lipsync.evaluation.table import Report
from lipsync.metrics.statistics import (
    Comparison,
    Interval,
    compare_paired,
    holm,
    mean_interval,
    share_interval,
    statistic_interval,
)

_PROBLEMS = 8  # maximum number of reasons in an error message

Values = Mapping[str, float]
"""Clip -> value."""


@dataclass(frozen=True)
class BenchNumbers:
    """Scores of several systems' dubs beside the baselines.

    Attributes:
        rows: one per clip and system or baseline; rows without scores name the problem.
        systems: names of the systems.
        clips: clip -> its columns in ``clips.csv``.
        judge, protocol, vshift: as in a :class:`lipsync.evaluation.Report`.
        settings: what else the numbers depend on.
        judge_trained: system -> whether the judge took part in its training: "yes", "no" or
            "unknown".
    """

    rows: list[Row]
    systems: list[str]
    clips: dict[str, dict[str, str]]
    judge: str
    protocol: str
    vshift: int
    settings: dict[str, Any]
    judge_trained: dict[str, str] = field(default_factory=dict)

    @property
    def kinds(self) -> list[str]:
        """Systems and baselines, in the order of the tables."""
        return [REAL, *self.systems, *RECOMPRESSED, OLD_VIDEO]

    @property
    def measures(self) -> list[Measure]:
        """The measures for which any system has a value."""
        return [m for m in MEASURES if any(self.values(s, m.name) for s in self.systems)]

    @property
    def speakers(self) -> dict[str, str] | None:
        """Clip -> speaker; None if no speaker is given."""
        found = {name: about.get(SPEAKER, "") for name, about in self.clips.items()}
        return found if any(found.values()) else None

    @property
    def independence(self) -> dict[str, str]:
        """System -> a warning if the judge trained it, or if that is unknown."""
        warnings = {s: independence(how, self.judge, s) for s, how in self.judge_trained.items()}
        return {system: line for system, line in warnings.items() if line}

    @property
    def left_out(self) -> list[Row]:
        """The rows without scores, each with its problem."""
        return [row for row in self.rows if row.problem]

    @cached_property
    def _numbers(self) -> dict[str, dict[str, Values]]:
        """Kind -> measure -> clip -> value."""
        found: dict[str, dict[str, dict[str, float]]] = {}
        for row in self.rows:
            kind = row.set.removesuffix(SILENCED)  # dubs with silence have measures of their own
            for name, value in row_values(row).items():
                found.setdefault(kind, {}).setdefault(name, {})[row.video] = value
        return found

    def values(self, kind: str, measure: str, within: Iterable[str] | None = None) -> Values:
        """Clip -> value of a measure, for a system or baseline."""
        found = self._numbers.get(kind, {}).get(measure, {})
        return found if within is None else {n: found[n] for n in within if n in found}

    def mean(
        self, kind: str, measure: Measure, within: Iterable[str] | None = None
    ) -> Interval | None:
        """The mean over the clips that have a value, optionally only those ``within``."""
        values = self.values(kind, measure.name, within)
        if not values:
            return None
        interval = share_interval if measure.share else mean_interval
        return interval(list(values.values()), self._clusters(values))

    def normalised(self, kind: str, measure: Measure) -> Interval | None:
        """The mean, scaled so that the real videos are at 0 and the worst baseline is at 1.

        None if either is undefined, or if they do not differ clearly.
        """
        zero, one = (self._reference(of) for of in (measure.zero, measure.one))
        values = self.values(kind, measure.name)
        names = [name for name in values if name in zero and name in one]
        gaps = {n: one[n] - zero[n] for n in names}
        if not gaps or not _differ_clearly(gaps, self.speakers):
            return None
        if measure.share:  # keep its interval, which never has width 0
            low, high = (float(np.mean([of[n] for n in names])) for of in (zero, one))
            mean = self.mean(kind, measure, names)
            ends = sorted((end - low) / (high - low) for end in (mean.low, mean.high))
            return Interval((mean.mean - low) / (high - low), *ends, mean.n)
        items = np.array([[values[n] - zero[n], gaps[n]] for n in names])
        return statistic_interval(
            items, lambda sums: sums[:, 0] / sums[:, 1], self._clusters(names)
        )

    def drift(self, measure: Measure) -> float | None:
        """The largest change in the real videos' mean when they are re-encoded."""
        real = self.values(REAL, measure.name)
        changes = [
            abs(float(np.mean([again[n] - real[n] for n in again if n in real])))
            for again in (self.values(kind, measure.name) for kind in RECOMPRESSED)
            if again.keys() & real.keys()
        ]
        return max(changes, default=None)

    def drift_dominates(self, measure: Measure) -> bool:
        """Whether the drift exceeds the largest difference between systems, or between a single
        system and the real videos."""
        others = self.systems if len(self.systems) > 1 else [*self.systems, REAL]
        gaps = []
        for pair in combinations(others, 2):
            one, two = (self.values(kind, measure.name) for kind in pair)
            if both := one.keys() & two.keys():
                gaps.append(abs(float(np.mean([one[n] - two[n] for n in both]))))
        drift = self.drift(measure)
        return drift is not None and bool(gaps) and drift > max(gaps)

    @cached_property
    def comparisons(self) -> dict[tuple[str, str], dict[str, Comparison]]:
        """Two systems -> measure -> second minus first, paired by clip.

        Verdicts are Holm-corrected over the measures of a kind.
        """
        return {pair: self._compare_systems(*pair) for pair in combinations(self.systems, 2)}

    @property
    def as_report(self) -> Report:
        """The real videos with their own and with another sound, as a report."""
        names = {REAL: REAL, OLD_VIDEO: COPIED}
        rows = [replace(row, set=names[row.set]) for row in self.rows if row.set in names]
        return Report(rows, self.judge, self.protocol, self.vshift)

    def check(self) -> None:
        """Refuse a benchmark in which no dub could be scored.

        Raises:
            ConfigError: names the problems, each with its number of dubs and the first of them.
        """
        dubs = [row for row in self.rows if row.set in self.systems]
        if any(not row.problem for row in dubs):
            return
        counts = Counter(row.problem for row in dubs)
        first = {row.problem: f"{row.set}/{row.video}" for row in reversed(dubs)}
        reasons = [
            f"{first[problem]}: {problem}" + (f" (and {count - 1} more)" if count > 1 else "")
            for problem, count in counts.most_common(_PROBLEMS)
        ]
        if len(counts) > _PROBLEMS:
            reasons.append(f"{len(counts) - _PROBLEMS} more reasons")
        raise ConfigError(f"none of {len(dubs)} dubs could be scored; {'; '.join(reasons)}")

    @property
    def columns(self) -> list[str]:
        """Columns of ``clips.csv`` to group means by."""
        names = dict.fromkeys(column for about in self.clips.values() for column in about)
        return [column for column in names if column != SPEAKER]

    def groups(self, column: str) -> dict[str, list[str]]:
        """Value of a column -> the clips that have it."""
        found: dict[str, list[str]] = {}
        for name, about in self.clips.items():
            if value := about.get(column):
                found.setdefault(value, []).append(name)
        return dict(sorted(found.items()))

    @cached_property
    def scales(self) -> dict[str, tuple[float, float]]:
        """Measure -> the means that are normalised to 0 and to 1, where both exist."""
        found = {}
        for m in self.measures:
            if any(self.normalised(system, m) for system in self.systems):
                sides = (self._reference(of).values() for of in (m.zero, m.one))
                low, high = (float(np.mean(list(values))) for values in sides)
                found[m.name] = (low, high)
        return found

    def _reference(self, of: Reference) -> Values:
        """Clip -> the value that is normalised to 0, or to 1."""
        if isinstance(of, tuple):
            return self.values(*of)
        return {} if of is None else dict.fromkeys(self.clips, of)

    def _clusters(self, names: Iterable[str]) -> list[str] | None:
        speakers = self.speakers
        return None if speakers is None else [speakers[name] for name in names]

    def _compare_systems(self, first: str, second: str) -> dict[str, Comparison]:
        found: dict[str, Comparison] = {}
        for kind in KINDS:
            names = [m.name for m in self.measures if m.kind == kind]
            raw = {name: self.compare((first, name), (second, name)) for name in names}
            found |= holm({name: c for name, c in raw.items() if c is not None})
        return found

    def compare(self, first: tuple[str, str], second: tuple[str, str]) -> Comparison | None:
        """Compare two (kind, measure) pairs on the clips that have both; None if there are none."""
        sides = self.values(*first), self.values(*second)
        return compare_paired(*sides, self.speakers) if sides[0].keys() & sides[1].keys() else None


def _differ_clearly(gaps: Values, clusters: Mapping[str, str] | None) -> bool:
    found = compare_paired(dict.fromkeys(gaps, 0.0), gaps, clusters)
    if np.isnan(found.p):
        return found.difference.low > 0 or found.difference.high < 0
    return found.clear


def row_values(row: Row) -> dict[str, float]:
    """Measure -> value, for one row."""
    found = {name: getattr(row, name) for name in ("distance", "confidence", "offset")}
    return {name: value for name, value in (found | row.picture).items() if value is not None}
