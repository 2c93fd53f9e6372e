"""Scheduling of the new lines: when each is spoken, and how fast. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

GAP = 0.1  # seconds of silence left between lines
COMFORTABLE = 1.15  # speed up to which pauses are not used
LEAD = 1.0  # seconds by which a line may start before the one it replaces


@dataclass(frozen=True)
class PlacedLine:
    """A line with its time and speed.

    Attributes:
        start, end: seconds from the start of the video.
        speed: playback speed, 1 being as synthesised.
        borrowed: seconds taken from the pauses around it.
        over: seconds by which it is too long for its time at ``speed``; 0.0 if it fits.
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
) -> list[PlacedLine]:
    """Fit lines into the times of the original ones.

    A line that is too short is slowed down, as far as ``slowest``. One that is too long is first
    sped up to 1.15; then it uses the pause after it and the one before it, all but 0.1 s of each;
    then it is sped up to ``fastest``. If it still does not fit, it starts up to 1 s early, and the
    line before it ends sooner. Whatever remains is ``over``.

    Args:
        slots: (start, end) of the original lines in seconds, in order.
        natural: duration of each new line in seconds at speed 1; 0 for a silent line.
        total: length of the video in seconds.
        slowest, fastest: limits of the speed.
    """
    ends = _latest_ends(slots, natural, total, fastest)
    placed: list[PlacedLine] = []
    free = 0.0  # end of the speech placed so far
    for (slot_start, slot_end), seconds, latest in zip(slots, natural, ends, strict=True):
        if not seconds:
            placed.append(PlacedLine(slot_start, slot_start, 1.0, 0.0, 0.0))
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
        placed.append(PlacedLine(start, start + lasts, speed, borrowed, over))
        free = start + lasts + GAP
    return placed


def _latest_ends(
    slots: Sequence[tuple[float, float]],
    natural: Sequence[float],
    total: float,
    fastest: float,
) -> list[float]:
    """The latest end of each line that lets those after it fit."""
    ends, latest = [], total
    for (start, _), seconds in zip(reversed(slots), reversed(natural), strict=True):
        ends.append(latest)
        if seconds:
            latest = max(min(start, latest - seconds / fastest), start - LEAD) - GAP
    return ends[::-1]
