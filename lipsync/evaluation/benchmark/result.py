"""What a bench found: means, normalised numbers, codec drift, comparisons, and what they say."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from lipsync.errors import ConfigError
from lipsync.evaluation.benchmark.layout import SPEAKER
from lipsync.evaluation.benchmark.measures import (
    KINDS,
    MEASURES,
    OLD_VIDEO,
    RECOMPRESSED,
    Measure,
    Reference,
)
from lipsync.evaluation.rows import COPIED, REAL, Row
from lipsync.evaluation.table import Report
from lipsync.evaluation.text import aligned, scaled, signed, write_text
from lipsync.metrics.statistics import (
    Comparison,
    Interval,
    compare_paired,
    holm,
    mean_interval,
    share_interval,
    statistic_interval,
)

PROTOCOL = "bench-1"
COLUMNS = ("system", "name", "measure", "value", "normalised")
Values = Mapping[str, float]
"""Clip -> number."""


@dataclass(frozen=True)
class BenchResult:
    """Scores of several systems' dubs beside the baselines.

    Attributes:
        rows: one a clip and system or baseline; those that could not be scored name the problem.
        systems: their names.
        clips: clip -> what ``clips.csv`` says of it.
        judge, protocol, vshift: as in a :class:`lipsync.evaluation.Report`.
        settings: what else the numbers depend on.
    """

    rows: list[Row]
    systems: list[str]
    clips: dict[str, dict[str, str]]
    judge: str
    protocol: str
    vshift: int
    settings: dict[str, Any]

    @property
    def kinds(self) -> list[str]:
        """Systems and baselines, as tables show them."""
        return [REAL, *self.systems, *RECOMPRESSED, OLD_VIDEO]

    @property
    def measures(self) -> list[Measure]:
        """Those that any system has a number of."""
        return [m for m in MEASURES if any(self.values(s, m.name) for s in self.systems)]

    @property
    def speakers(self) -> dict[str, str] | None:
        """Clip -> speaker; None where nobody says."""
        found = {name: about.get(SPEAKER, "") for name, about in self.clips.items()}
        return found if any(found.values()) else None

    @property
    def left_out(self) -> list[Row]:
        """The rows that name a problem."""
        return [row for row in self.rows if row.problem]

    @cached_property
    def _numbers(self) -> dict[str, dict[str, Values]]:
        """Kind -> measure -> clip -> number."""
        found: dict[str, dict[str, dict[str, float]]] = {}
        for row in self.rows:
            kind = row.set.partition(" (")[0]  # dubs with silence are a system's own
            for name, value in _values(row).items():
                found.setdefault(kind, {}).setdefault(name, {})[row.video] = value
        return found

    def values(self, kind: str, measure: str, within: Iterable[str] | None = None) -> Values:
        """Clip -> number of a measure, of a system or baseline."""
        found = self._numbers.get(kind, {}).get(measure, {})
        return found if within is None else {n: found[n] for n in within if n in found}

    def mean(
        self, kind: str, measure: Measure, within: Iterable[str] | None = None
    ) -> Interval | None:
        """Over the clips that have a number, or those of them that are ``within``."""
        values = self.values(kind, measure.name, within)
        if not values:
            return None
        interval = share_interval if measure.share else mean_interval
        return interval(list(values.values()), self._clusters(values))

    def normalised(self, kind: str, measure: Measure) -> Interval | None:
        """The mean, on a scale on which the real videos are 0 and the worst baseline is 1.

        None where these two are not defined, or not told apart.
        """
        zero, one = (self._reference(of) for of in (measure.zero, measure.one))
        values = self.values(kind, measure.name)
        names = [name for name in values if name in zero and name in one]
        gaps = {n: one[n] - zero[n] for n in names}
        if not gaps or not _apart(gaps, self.speakers):
            return None
        items = np.array([[values[n] - zero[n], gaps[n]] for n in names])
        return statistic_interval(
            items, lambda sums: sums[:, 0] / sums[:, 1], self._clusters(names)
        )

    def drift(self, measure: Measure) -> float | None:
        """The most by which a mean of the real videos moves as they are written again."""
        real = self.values(REAL, measure.name)
        moved = [
            abs(float(np.mean([again[n] - real[n] for n in again if n in real])))
            for again in (self.values(kind, measure.name) for kind in RECOMPRESSED)
            if again.keys() & real.keys()
        ]
        return max(moved, default=None)

    def drifts(self, measure: Measure) -> bool:
        """Whether that is more than systems differ, or a single one from the real videos."""
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
        """Two systems -> measure -> the second less the first, on the clips of both.

        Verdicts are with regard to how many measures there are of a kind.
        """
        return {pair: self._compared(*pair) for pair in combinations(self.systems, 2)}

    def findings(self, system: str) -> list[str]:
        """What the numbers say of a system that a mean of distances does not: one line each."""
        said = []
        nearer = self._compare((system, "distance"), (OLD_VIDEO, "distance"))
        found_in = self._compare((OLD_VIDEO, _NEW), (system, _NEW))
        follows = [c.clear and c.difference.mean > 0 for c in (nearer, found_in) if c]
        if follows and not any(follows):
            said.append(
                "is not told apart from the old video under the new sound, neither by distance nor "
                "by the speech that is found in it"
            )
        offsets = [row.offset for row in self.rows if row.set == system and not row.problem]
        if any(follows) and abs(middle := median(offsets)) > 1:
            said.append(f"is out of sync: the median offset is {signed(middle)} frames")
        old = self._compare((OLD_VIDEO, _NEW), (system, "old_speech_found"))
        if old and old.clear and old.difference.mean > 0:
            share = np.mean(list(self.values(system, "old_speech_found").values()))
            said.append(
                f"keeps the old mouth: the old speech still fits {share:.0%} of its dubs, by "
                f"chance it would {share - old.difference.mean:.0%}"
            )
        for name, text in _MUCH.items():
            mean = self.mean(system, next(m for m in MEASURES if m.name == name))
            if mean and mean.low > 0.5:
                said.append(f"{text} ({name} {mean.text(2)})")
        moved = self.mean(system, next(m for m in MEASURES if m.name == "motion_share"))
        if moved and moved.high < 0.5:
            said.append(f"hardly moves the mouth (motion_share {moved.text(2)}; real videos 1)")
        return said

    @property
    def as_report(self) -> Report:
        """The real videos beside another sound, as a report of them would have it."""
        names = {REAL: REAL, OLD_VIDEO: COPIED}
        rows = [replace(row, set=names[row.set]) for row in self.rows if row.set in names]
        return Report(rows, self.judge, self.protocol, self.vshift)

    def check(self) -> None:
        """Refuse a bench in which no dub could be scored.

        Raises:
            ConfigError: names the first problem.
        """
        if not any(row.set in self.systems and not row.problem for row in self.rows):
            first = next(row for row in self.rows if row.set in self.systems)
            count = sum(row.set in self.systems for row in self.rows)
            raise ConfigError(
                f"none of {count} dubs could be scored, first {first.set}/{first.video}: "
                f"{first.problem}"
            )

    def table(self) -> str:
        """Aligned text: a line a measure, real videos, systems and the worst baseline beside."""
        kinds = [REAL, *self.systems, OLD_VIDEO]
        lines = []
        for measure in self.measures:
            cells = []
            for kind in kinds:
                mean, found = self.mean(kind, measure), self.normalised(kind, measure)
                text = "-" if mean is None else mean.text(measure.digits)
                of_scale = kind in self.systems and found is not None
                cells.append(f"{text} ({scaled(found.mean)})" if of_scale else text)
            mark = "drifts" if self.drifts(measure) else ""
            lines.append([measure.name, *cells, mark])
        head = ("measure", *kinds, "")
        told = [f"judge: {self.judge}; mean [95 % interval] (0 real videos, 1 worst baseline)"]
        if warning := self.as_report.warning:
            told.insert(0, warning)
        said = [f"{s} {text}" for s in self.systems for text in self.findings(s)]
        counts = [
            f"{system}: {sum(r.set == system for r in self.left_out)} left out"
            for system in self.systems
            if any(row.set == system for row in self.left_out)
        ]
        return "\n".join([*told, *aligned(head, lines, right=kinds), *said, *counts])

    def as_dict(self) -> dict[str, Any]:
        """What ``summary.json`` holds."""

        def plain(value: Interval | None) -> Any:
            return None if value is None else value.as_dict()

        return {
            "bench": PROTOCOL,
            "judge": self.judge,
            "protocol": self.protocol,
            "vshift": self.vshift,
            "settings": self.settings,
            "warning": self.as_report.warning or None,
            "systems": self.systems,
            "findings": {system: self.findings(system) for system in self.systems},
            "measures": {
                m.name: {
                    "about": m.about,
                    "codec_drift": self.drift(m),
                    "drifts_more_than_systems_differ": self.drifts(m),
                    "means": {kind: plain(self.mean(kind, m)) for kind in self.kinds},
                    "normalised": {s: plain(self.normalised(s, m)) for s in self.systems},
                }
                for m in self.measures
            },
            "comparisons": [
                {"first": first, "second": second}
                | {"measures": {name: c.as_dict() for name, c in found.items()}}
                for (first, second), found in self.comparisons.items()
            ],
            "groups": {
                column: {
                    value: {
                        m.name: {s: plain(self.mean(s, m, names)) for s in self.systems}
                        for m in self.measures
                    }
                    for value, names in self.groups(column).items()
                }
                for column in self.columns
            },
            "left_out": [
                {"system": row.set, "name": row.video, "problem": row.problem}
                for row in self.left_out
            ],
            "clips": self.clips,
            "rows": [asdict(row) for row in self.rows if not row.problem],
        }

    @property
    def columns(self) -> list[str]:
        """Columns of ``clips.csv`` by which means are given, too."""
        names = dict.fromkeys(column for about in self.clips.values() for column in about)
        return [column for column in names if column != SPEAKER]

    def groups(self, column: str) -> dict[str, list[str]]:
        """Value of a column -> the clips that have it."""
        found: dict[str, list[str]] = {}
        for name, about in self.clips.items():
            if value := about.get(column):
                found.setdefault(value, []).append(name)
        return dict(sorted(found.items()))

    def save(self, folder: str | Path) -> list[Path]:
        """Write ``numbers.csv`` and ``summary.json`` into ``folder``, each whole."""
        text = io.StringIO()
        groups = list(dict.fromkeys(column for about in self.clips.values() for column in about))
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*COLUMNS, *groups])
        for row in self.rows:
            kind, about = row.set.partition(" (")[0], self.clips.get(row.video, {})
            for name, value in _values(row).items():
                low, high = self._scales.get(name, (0.0, 0.0))
                placed = round((value - low) / (high - low), 4) if high != low else ""
                beside = [about.get(column, "") for column in groups]
                writer.writerow([kind, row.video, name, value, placed, *beside])
        as_json = json.dumps(self.as_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        return [
            write_text(Path(folder) / "numbers.csv", text.getvalue()),
            write_text(Path(folder) / "summary.json", as_json),
        ]

    @cached_property
    def _scales(self) -> dict[str, tuple[float, float]]:
        """Measure -> the means of what is 0 and 1 of it, where there are such."""
        found = {}
        for m in self.measures:
            if any(self.normalised(system, m) for system in self.systems):
                sides = (self._reference(of).values() for of in (m.zero, m.one))
                low, high = (float(np.mean(list(values))) for values in sides)
                found[m.name] = (low, high)
        return found

    def _reference(self, of: Reference) -> Values:
        """Clip -> what is 0, or 1, of a measure."""
        if isinstance(of, tuple):
            return self.values(*of)
        return {} if of is None else dict.fromkeys(self.clips, of)

    def _clusters(self, names: Iterable[str]) -> list[str] | None:
        speakers = self.speakers
        return None if speakers is None else [speakers[name] for name in names]

    def _compared(self, first: str, second: str) -> dict[str, Comparison]:
        found: dict[str, Comparison] = {}
        for kind in KINDS:
            names = [m.name for m in self.measures if m.kind == kind]
            made = {name: self._compare((first, name), (second, name)) for name in names}
            found |= holm({name: c for name, c in made.items() if c is not None})
        return found

    def _compare(self, first: tuple[str, str], second: tuple[str, str]) -> Comparison | None:
        """None where no clip has both numbers."""
        sides = self.values(*first), self.values(*second)
        return compare_paired(*sides, self.speakers) if sides[0].keys() & sides[1].keys() else None


_NEW = "new_speech_found"
_MUCH = {
    "motion_correlation": "moves like the old mouth",
    "silent_share": "moves the mouth under silence",
}
"""Measures that are 0 of a mouth that obeys the new sound alone, and 1 of the old mouth."""


def _apart(gaps: Values, clusters: Mapping[str, str] | None) -> bool:
    found = compare_paired(dict.fromkeys(gaps, 0.0), gaps, clusters)
    if np.isnan(found.p):
        return found.difference.low > 0 or found.difference.high < 0
    return found.clear


def _values(row: Row) -> dict[str, float]:
    """Measure -> number of a row."""
    found = {name: getattr(row, name) for name in ("distance", "confidence", "offset")}
    return {name: value for name, value in (found | row.picture).items() if value is not None}
