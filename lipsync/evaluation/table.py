"""Rows of scores as an aligned table, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from lipsync.errors import ConfigError
from lipsync.media import whole_file

GENERATED, REAL = "generated", "real"
COLUMNS = ("set", "video", "n", "distance", "confidence", "offset", "problem")


@dataclass(frozen=True)
class Row:
    """One video's scores, or an overall row, where the numbers are means over its videos.

    ``n`` counts windows in a video's row and scored videos in an overall row. Numbers are ``None``
    where there are none to give; ``problem`` says why.
    """

    set: str
    video: str
    n: int
    distance: float | None = None
    confidence: float | None = None
    offset: float | None = None
    problem: str = ""


@dataclass(frozen=True)
class Report:
    """Scores of generated videos beside those of real ones.

    Attributes:
        rows: one a video, generated then real; those that could not be scored name the problem.
        judge: name of the network that judged.
        protocol: how faces were cropped and windows cut, with its version.
        vshift: candidate offsets on either side, in frames of 1/25 s.
    """

    rows: list[Row]
    judge: str
    protocol: str
    vshift: int

    def overall(self, kind: str) -> Row:
        """Means over the videos of ``"generated"`` or ``"real"`` that could be scored."""
        rows = [row for row in self.rows if row.set == kind]
        scored = [row for row in rows if not row.problem]
        left_out = f"{len(rows) - len(scored)} left out" if len(scored) < len(rows) else ""
        if not scored:
            return Row(kind, "overall", 0, problem=left_out)
        means = (fmean(getattr(row, name) for row in scored) for name in COLUMNS[3:6])
        return Row(kind, "overall", len(scored), *means, problem=left_out)

    def check(self) -> None:
        """Refuse a report where one of the two sets has no scores at all.

        Raises:
            ConfigError: names the first problem.
        """
        for kind in (GENERATED, REAL):
            rows = [row for row in self.rows if row.set == kind]
            if all(row.problem for row in rows):
                first = f", first {rows[0].video}: {rows[0].problem}" if rows else ""
                raise ConfigError(f"none of {len(rows)} {kind} videos could be scored{first}")

    def all_rows(self) -> list[Row]:
        """The videos' rows and the two overall rows."""
        return [*self.rows, self.overall(GENERATED), self.overall(REAL)]

    def table(self) -> str:
        """Aligned text, the overall rows of generated and real videos last, one under the other.

        The first line says who judged and how to read the numbers, for whoever is shown the table.
        """
        lines = [_cells(row) for row in self.all_rows()]
        widths = [max(map(len, column)) for column in zip(COLUMNS, *lines, strict=True)]
        lines = [list(COLUMNS), ["-" * width for width in widths], *lines]
        lines.insert(-2, lines[1])
        title = (
            f"judge: {self.judge} ({self.protocol.partition(':')[0]}); distance = LSE-D, lower is "
            "better; confidence = LSE-C, higher is better; offset in frames"
        )
        rows = (
            "  ".join(
                cell.rjust(width) if name in COLUMNS[2:6] else cell.ljust(width)
                for name, cell, width in zip(COLUMNS, line, widths, strict=True)
            ).rstrip()
            for line in lines
        )
        return "\n".join([title, *rows])

    def as_dict(self) -> dict[str, Any]:
        """What the JSON file holds."""
        return {
            "judge": self.judge,
            "protocol": self.protocol,
            "vshift": self.vshift,
            "overall": {kind: asdict(self.overall(kind)) for kind in (GENERATED, REAL)},
            "videos": [asdict(row) for row in self.rows],
        }

    def save(self, folder: str | Path) -> list[Path]:
        """Write ``scores.csv`` and ``scores.json`` into ``folder``, each whole or not at all."""
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in self.all_rows())
        as_json = json.dumps(self.as_dict(), indent=2, ensure_ascii=False) + "\n"
        return [
            _write(Path(folder) / "scores.csv", text.getvalue()),
            _write(Path(folder) / "scores.json", as_json),
        ]


def _cells(row: Row) -> list[str]:
    numbers = [
        "-" if value is None else f"{value:.3f}" if isinstance(value, float) else f"{value}"
        for value in (row.distance, row.confidence, row.offset)
    ]
    return [row.set, row.video, str(row.n), *numbers, row.problem]


def _write(path: Path, text: str) -> Path:
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path
