"""The result of a benchmark as text, ``numbers.csv`` and ``summary.json``."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lipsync.evaluation.benchmark.findings import findings
from lipsync.evaluation.benchmark.measures import OLD_VIDEO, SILENCED
from lipsync.evaluation.benchmark.numbers import BenchNumbers, row_values
from lipsync.evaluation.benchmark.people import People
from lipsync.evaluation.rows import REAL
from lipsync.evaluation.text import aligned, scaled, write_json, write_text
from lipsync.plain import plain

PROTOCOL = "bench-1"
COLUMNS = ("system", "name", "measure", "value", "normalised")


@dataclass(frozen=True)
class BenchResult(BenchNumbers):
    """What :func:`lipsync.evaluation.bench` found, see :class:`BenchNumbers`.

    Attributes:
        people: the answers of a blind study, if there are any.
    """

    people: People | None = None

    def findings(self, system: str) -> list[str]:
        """Findings about a system, one line each."""
        return findings(self, system)

    def table(self) -> str:
        """Aligned text: one row per measure; real videos, systems, worst baseline as columns."""
        kinds = [REAL, *self.systems, OLD_VIDEO]
        lines = []
        for measure in self.measures:
            cells = []
            for kind in kinds:
                mean, found = self.mean(kind, measure), self.normalised(kind, measure)
                text = "-" if mean is None else mean.text(measure.digits)
                of_scale = kind in self.systems and found is not None
                cells.append(f"{text} ({scaled(found.mean)})" if of_scale else text)
            mark = "drifts" if self.drift_dominates(measure) else ""
            lines.append([measure.name, *cells, mark])
        head = ("measure", *kinds, "")
        head_lines = [
            f"judge: {self.judge}; mean [95 % interval] (0 real videos, 1 worst baseline)"
        ]
        if warning := self.as_report.warning:
            head_lines.insert(0, warning)
        head_lines = [*self.independence.values(), *head_lines]
        finding_lines = [f"{s} {text}" for s in self.systems for text in self.findings(s)]
        counts = [
            f"{system}: {sum(r.set == system for r in self.left_out)} left out"
            for system in self.systems
            if any(row.set == system for row in self.left_out)
        ]
        people = self.people.lines(self) if self.people else []
        return "\n".join(
            [*head_lines, *aligned(head, lines, right=kinds), *finding_lines, *counts, *people]
        )

    def as_dict(self) -> dict[str, Any]:
        """The content of ``summary.json``."""
        return plain({
            "bench": PROTOCOL,
            "judge": self.judge,
            "protocol": self.protocol,
            "vshift": self.vshift,
            "settings": self.settings,
            "warning": self.as_report.warning or None,
            "systems": self.systems,
            "judge_trained": self.judge_trained,
            "findings": {system: self.findings(system) for system in self.systems},
            "measures": {
                m.name: {
                    "about": m.about,
                    "codec_drift": self.drift(m),
                    "drifts_more_than_systems_differ": self.drift_dominates(m),
                    "means": {kind: self.mean(kind, m) for kind in self.kinds},
                    "normalised": {s: self.normalised(s, m) for s in self.systems},
                }
                for m in self.measures
            },
            "comparisons": [
                {"first": first, "second": second, "measures": found}
                for (first, second), found in self.comparisons.items()
            ],
            "groups": {
                column: {
                    value: {
                        m.name: {s: self.mean(s, m, names) for s in self.systems}
                        for m in self.measures
                    }
                    for value, names in self.groups(column).items()
                }
                for column in self.columns
            },
            "people": self.people.as_dict(self) if self.people else None,
            "left_out": [
                {"system": row.set, "name": row.video, "problem": row.problem}
                for row in self.left_out
            ],
            "clips": self.clips,
            "rows": [row for row in self.rows if not row.problem],
        })  # fmt: skip

    def save(self, folder: str | Path) -> list[Path]:
        """Write ``numbers.csv`` and ``summary.json`` into ``folder``, each atomically."""
        text = io.StringIO()
        groups = list(dict.fromkeys(column for about in self.clips.values() for column in about))
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*COLUMNS, *groups])
        for row in self.rows:
            kind, about = row.set.removesuffix(SILENCED), self.clips.get(row.video, {})
            for name, value in row_values(row).items():
                low, high = self.scales.get(name, (0.0, 0.0))
                placed = round((value - low) / (high - low), 4) if high != low else ""
                beside = [about.get(column, "") for column in groups]
                writer.writerow([kind, row.video, name, value, placed, *beside])
        return [
            write_text(Path(folder) / "numbers.csv", text.getvalue()),
            write_json(Path(folder) / "summary.json", self.as_dict()),
        ]
