"""Where one shot ends and the next begins, from the differences of neighbouring frames.

A cut changes the whole picture at once, and for good. A moving head or camera changes it as much
from one frame to the next as before and after; a flash changes it back. So a frame begins a shot
where it differs from the last one strongly, many times more than frames around it do, and where
frames on either side of it differ as strongly.
"""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np

SIDE = 32  # of the thumbnails that are compared, pixels
MIN_DIFFERENCE = 18.0  # of a cut, in levels of 255; a large head that turns reaches 12
MIN_RATIO = 3.0  # of a cut's difference to the mean of the four around it
_AROUND = 2  # frames to each side that a difference is compared with


class ShotMeter:
    """Takes frames one by one and keeps two small numbers of each."""

    def __init__(self) -> None:
        self.steps: list[tuple[float, float]] = []
        self._last: list[np.ndarray] = []

    def add(self, frame: np.ndarray) -> None:
        """Measure an RGB uint8 (H, W, 3) frame; the size may change from frame to frame."""
        small = thumbnail(frame)
        before = [float(np.abs(small - other).mean()) for other in self._last[::-1]]
        one, two = (*before, 0.0, 0.0)[:2]
        self.steps.append((round(one, 2), round(two, 2)))
        self._last = [*self._last[-1:], small]


def thumbnail(frame: np.ndarray) -> np.ndarray:
    """float32 (32, 32, 3), the frame without its detail; each channel's mean difference counts."""
    # Every k-th pixel first: averaging a 4K frame whole would take as long as decoding it.
    step = max(1, min(frame.shape[:2]) // (4 * SIDE))
    coarse = np.ascontiguousarray(frame[::step, ::step])
    return cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)


def find_cuts(steps: np.ndarray) -> list[int]:
    """The first frames of all shots but the first.

    Args:
        steps: (frames, 2) from :attr:`ShotMeter.steps`: the mean difference of a frame from the one
            before it, and from the one before that, in levels of 255.

    Returns:
        Ascending frame numbers, each 1 or more.
    """
    steps = np.asarray(steps, np.float64).reshape(-1, 2)
    cuts = []
    for i in range(1, len(steps)):
        difference = steps[i, 0]
        if difference < MIN_DIFFERENCE:
            continue
        near = [k for k in range(i - _AROUND, i + _AROUND + 1) if k != i and 1 <= k < len(steps)]
        usual = steps[near, 0].mean() if near else 0.0
        # A flash: the frames before and behind it are alike.
        pairs = [k for k in (i, i + 1) if 2 <= k < len(steps)]
        lasting = (steps[pairs, 1] >= difference / 2).all()
        if lasting and difference >= MIN_RATIO * max(usual, 1.0):
            cuts.append(i)
    return cuts


def shot_spans(cuts: list[int], frames: int) -> list[tuple[int, int]]:
    """Shots as (first frame, frame after the last), which together are all ``frames``.

    Example:
        >>> shot_spans([10, 25], 40)
        [(0, 10), (10, 25), (25, 40)]
    """
    edges = [0, *cuts, frames]
    return [(a, b) for a, b in pairwise(edges) if b > a]
