"""Training runs for the Training tab: curves from their CSV logs, and their images."""

from __future__ import annotations

import csv
import math
import re
from pathlib import Path
from typing import Any

from lipsync.demo.messages import Refusal
from lipsync.errors import ConfigError

_LOGS = "csv/version_*/metrics.csv"
_DEEP = 4  # maximum depth of runs below the given folder
_MOST_POINTS = 400
_NAME = re.compile(
    r"(?P<split>train|val)/(?P<chart>.+?)"
    r"(?:_(?P<line>generated|real|swapped_audio|copied_reference|gap_\d+))?"
)


class Runs:
    """A folder of runs, rescanned on each request.

    Args:
        folder: the folder of the runs, or of a single one.

    Raises:
        ConfigError: no such folder.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise ConfigError(f"--runs {folder}: no such folder; name the folder of your runs")

    def find(self) -> dict[str, Path]:
        """Name -> folder of the runs with a log, most recently written first."""
        found: dict[str, tuple[float, Path]] = {}
        for depth in range(_DEEP):
            for log in self.folder.glob("*/" * depth + _LOGS):
                run = log.parents[2]
                name = run.relative_to(self.folder).as_posix()
                name = self.folder.resolve().name if name == "." else name
                when = log.stat().st_mtime
                found[name] = max((when, run), found.get(name, (0.0, run)))
        return {name: run for name, (_, run) in sorted(found.items(), key=lambda i: -i[1][0])}

    def curves(self, name: str) -> list[dict[str, Any]]:
        """The charts of a run: ``{"name": ..., "lines": {label: [[step, value], ...]}}``."""
        charts: dict[str, dict[str, list[list[float]]]] = {}
        logs = sorted(self._run(name).glob(_LOGS), key=lambda p: int(p.parent.name[8:] or 0))
        for log in logs:
            for row in _rows(log):
                step = row.get("step")
                for column, text in row.items():
                    known = _NAME.fullmatch(column or "")
                    if not known or not text or not step or not math.isfinite(float(text)):
                        continue
                    label = known["split"]
                    label += f" {known['line'].replace('_', ' ')}" if known["line"] else ""
                    lines = charts.setdefault(known["chart"], {})
                    lines.setdefault(label, []).append([float(step), float(text)])
        return [
            {"name": chart, "lines": {label: _thin_out(line) for label, line in lines.items()}}
            for chart, lines in sorted(charts.items(), key=lambda item: item[0] != "loss")
        ]

    def pictures(self, name: str) -> list[str]:
        """Names of the images of a run, oldest first."""
        return sorted(path.name for path in self._run(name).glob("pictures/*.png"))

    def picture(self, name: str, picture: str) -> Path:
        """Path of an image of a run."""
        if picture not in self.pictures(name):
            raise Refusal("This run has no such picture.", 404)
        return self._run(name) / "pictures" / picture

    def _run(self, name: str) -> Path:
        run = self.find().get(name)
        if run is None:
            raise Refusal("There is no run of that name.", 404)
        return run


def _rows(log: Path) -> list[dict[str, str]]:
    try:
        with log.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error):  # it may be being rewritten
        return []


def _thin_out(line: list[list[float]]) -> list[list[float]]:
    """Thin out a line to a maximum number of points, keeping the last."""
    step = math.ceil(len(line) / _MOST_POINTS)
    return line[(len(line) - 1) % step :: step]
