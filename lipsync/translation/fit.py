"""When each new line is spoken, and how fast. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

GAP = 0.1  # seconds of silence that are left between lines
COMFORTABLE = 1.15  # times as fast: beyond it, pauses are borrowed first
LEAD = 1.0  # seconds that a line may begin before the one that it replaces


@dataclass(frozen=True)
class Placed:
    """A line in its place.

    Attributes:
        start, end: seconds from the start of the video.
        speed: how many times as fast as it was spoken.
        borrowed: seconds of the pauses around it that it takes.
        over: seconds by which it is too long for its place at ``speed``; 0.0 where it fits.
    """

    start: float
    end: float
    speed: float
    borrowed: float
    over: float


def fit(
    slots: Sequence[tuple[float, float]],
    natural: Sequence[float],
    total: float,
    *,
    slowest: float,
    fastest: float,
) -> list[Placed]:
    """Fit lines into the times at which the original ones were spoken.

    A line that is too short is spoken slower, as far as ``slowest``. One that is too long is spoken
    up to 1.15 times as fast; if that is not enough it takes of the pause after it, then of the one
    before it, all but 0.1 s; then it is spoken faster, up to ``fastest``. Where a line still does
    not fit, it begins up to 1 s early, and the one before it ends sooner for it. What is then too
    long is ``over``.

    Args:
        slots: (start, end) of the original lines in seconds, in order.
        natural: seconds that each new line lasts as it was spoken; 0 for one that is silent.
        total: length of the video in seconds.
        slowest, fastest: bounds of the speed.
    """
    ends = _latest_ends(slots, natural, total, fastest)
    placed: list[Placed] = []
    free = 0.0  # from when on there is no speech yet
    for (slot_start, slot_end), seconds, latest in zip(slots, natural, ends, strict=True):
        if not seconds:
            placed.append(Placed(slot_start, slot_start, 1.0, 0.0, 0.0))
            continue
        easy = seconds / min(COMFORTABLE, fastest)
        start = max(slot_start, free)
        end = min(max(slot_end, start + easy), latest)
        if end - start < easy:
            start = max(min(start, end - easy), free, slot_start - LEAD)
        have = max(end - start, 1e-3)
        speed = min(max(seconds / have, slowest), fastest)
        lasts = seconds / speed
        over = lasts - have if lasts - have > 1e-3 else 0.0
        borrowed = max(0.0, slot_start - start) + max(0.0, start + lasts - slot_end)
        placed.append(Placed(start, start + lasts, speed, borrowed, over))
        free = start + lasts + GAP
    return placed


def _latest_ends(
    slots: Sequence[tuple[float, float]],
    natural: Sequence[float],
    total: float,
    fastest: float,
) -> list[float]:
    """When each line must have ended, for those after it to fit."""
    ends, latest = [], total
    for (start, _), seconds in zip(reversed(slots), reversed(natural), strict=True):
        ends.append(latest)
        if seconds:
            latest = max(min(start, latest - seconds / fastest), start - LEAD) - GAP
    return ends[::-1]
