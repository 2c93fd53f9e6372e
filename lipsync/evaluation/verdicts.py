"""Are the real videos in sync? A calibrated judge's yes, no or unsure, and its reliability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lipsync.evaluation.calibration import IN_SYNC, OFF_SYNC, UNSURE, Calibration, reliability
from lipsync.evaluation.rows import Row
from lipsync.metrics.search import VSHIFT

Verdicts = Mapping[str, tuple[str, float]]
"""Video -> "yes", "no" or "unsure", and the probability that its offset is right."""


def verdicts(rows: Sequence[Row], calibration: Calibration | None, vshift: int) -> Verdicts:
    """The videos' verdicts; empty without a calibration, or for another range of offsets."""
    if calibration is None or vshift != VSHIFT:
        return {}
    return {
        row.video: (
            calibration.in_sync(row.offset, row.confidence, row.n),
            round(calibration.probability(row.confidence, row.n), 4),
        )
        for row in rows
    }


def share_right(rows: Sequence[Row], found: Verdicts) -> list[dict[str, float]]:
    """Share of real videos with an offset within a frame of 0, against the stated probability."""
    right = [abs(row.offset) <= 1 for row in rows if row.video in found]
    return reliability((found[row.video][1] for row in rows if row.video in found), right)


def verdict_lines(
    found: Verdicts, bins: Sequence[Mapping[str, float]], calibration: Calibration | None
) -> list[str]:
    """The verdicts as text; empty if there are none."""
    if not found or calibration is None:
        return []
    all_verdicts = [verdict for verdict, _ in found.values()]
    counts = ", ".join(f"{all_verdicts.count(v)} {v}" for v in (IN_SYNC, OFF_SYNC, UNSURE))
    right = "; ".join(
        f"{b['stated']:.2f} stated, {b['right']:.2f} within a frame (n {b['n']})" for b in bins
    )
    return [
        f"real videos in sync: {counts}; {right}",
        f"  ({calibration})",
    ]
