"""Two reports on the same videos, compared by paired differences."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from lipsync.errors import ConfigError
from lipsync.evaluation.calibration import Calibration
from lipsync.evaluation.rows import GENERATED, LEAKAGE, LIKENESS, OWN, PICTURE, SILENT, Row
from lipsync.evaluation.table import SCORES, Report
from lipsync.evaluation.text import aligned
from lipsync.metrics.statistics import compare_paired, holm


def load_report(path: str | Path) -> Report:
    """Load a report from its ``scores.json``, or from the folder that holds it.

    Raises:
        ConfigError: no such file, or not a report.
    """
    path = Path(path)
    path = path / "scores.json" if path.is_dir() else path
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        rows = [Row(**row) for row in content["videos"]]
        names = ("judge", "protocol", "vshift", "settings", "frechet")
        window = (content.get("calibration") or {}).get("window", 0)
        calibration = Calibration.from_card(content, window)
        return Report(rows, *(content[name] for name in names), calibration)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror}); name a folder that lipsync evaluate wrote"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise ConfigError(
            f"{path}: is not a report; name a folder that lipsync evaluate wrote"
        ) from None


def compare(first: Report, second: Report, kind: str = GENERATED) -> str:
    """Compare two reports on the same videos, paired by name: mean differences, second minus first.

    Significance is corrected for the number of comparisons. Likeness of generated videos is
    compared on faces with their own speech, where ground truth exists; leakage of the old mouth
    also on dubs with silence.

    Raises:
        ConfigError: different judges or protocols, or no video in common.
    """
    for name in ("judge", "protocol", "vshift"):
        if getattr(first, name) != getattr(second, name):
            raise ConfigError(
                f"the reports differ in their {name} ('{getattr(first, name)}' and "
                f"'{getattr(second, name)}'), so their numbers cannot be compared"
            )
    columns = [(name, name, [kind]) for name in (*SCORES[:2], *PICTURE)]
    if kind == GENERATED:
        for name, _, kinds in columns:
            kinds += [OWN] if name in LIKENESS else []  # where ground truth exists
        columns += [(f"{name}, silence", name, [SILENT]) for name in LEAKAGE]
    found = {}
    for about, name, kinds in columns:
        sides = [
            _by_video([row for one in kinds for row in report.scored_rows(one)], name)
            for report in (first, second)
        ]
        if not sides[0].keys() & sides[1].keys():
            continue
        found[about] = compare_paired(*sides)
    if not found:
        raise ConfigError(
            "the reports have no scored video in common; compare runs on the same list"
        )
    lines = [
        [about, str(c.difference.n), c.difference.text(), f"{c.share_higher:.0%}", c.verdict]
        for about, c in holm(found).items()
    ]
    head = ("second less first", "n", "mean difference [95 % interval]", "higher in", "")
    warnings = dict.fromkeys(
        report.independence for report in (first, second) if report.independence
    )
    return "\n".join([*warnings, *aligned(head, lines, right=head[1:4])])


def _by_video(rows: Iterable[Row], name: str) -> dict[str, float]:
    numbers = {row.video: getattr(row, name, row.picture.get(name)) for row in rows}
    return {video: value for video, value in numbers.items() if value is not None}
