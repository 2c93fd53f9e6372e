"""Findings of a benchmark that a mean distance does not show."""

from __future__ import annotations

from statistics import median

import numpy as np

from lipsync.evaluation.benchmark.measures import MEASURES, OLD_VIDEO
from lipsync.evaluation.benchmark.numbers import BenchNumbers
from lipsync.evaluation.text import signed

_NEW = "new_speech_found"
_MUCH = {
    "motion_correlation": "moves like the old mouth",
    "silent_share": "moves the mouth under silence",
}
"""Measures that are 0 for a mouth that follows only the new sound, and 1 for the old mouth."""


def findings(numbers: BenchNumbers, system: str) -> list[str]:
    """One line per finding; empty if nothing stands out."""
    lines = []
    nearer = numbers.compare((system, "distance"), (OLD_VIDEO, "distance"))
    found_in = numbers.compare((OLD_VIDEO, _NEW), (system, _NEW))
    comparisons = [c for c in (nearer, found_in) if c and not np.isnan(c.p)]
    follows = [c.clear and c.difference.mean > 0 for c in comparisons]
    if comparisons and not any(follows):
        lines.append(
            "no better than the old video under the new sound, by its distance and by the speech "
            "that is found"
        )
    offsets = [row.offset for row in numbers.rows if row.set == system and not row.problem]
    if any(follows) and abs(middle := median(offsets)) > 1:
        lines.append(f"out of sync: the median offset is {signed(middle)} frames")
    old = numbers.compare((OLD_VIDEO, _NEW), (system, "old_speech_found"))
    if old and old.clear and old.difference.mean > 0:
        share = np.mean(list(numbers.values(system, "old_speech_found").values()))
        lines.append(
            f"keeps the old mouth: the old speech still fits {share:.0%} of its dubs "
            f"({share - old.difference.mean:.0%} by chance)"
        )
    for name, text in _MUCH.items():
        mean = numbers.mean(system, next(m for m in MEASURES if m.name == name))
        if mean and mean.low > 0.5:
            lines.append(f"{text} ({name} {mean.text(2)})")
    moved = numbers.mean(system, next(m for m in MEASURES if m.name == "motion_share"))
    if moved and moved.high < 0.5:
        lines.append(f"hardly moves the mouth (motion_share {moved.text(2)}; real videos 1)")
    return lines
