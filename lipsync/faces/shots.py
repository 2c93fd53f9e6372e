"""Where one shot ends and the next begins, from thumbnails of the frames.

Thumbnails are compared without their brightness and contrast, so that dark footage has the cuts of
bright footage, and light that is switched, dimmed or flashes has none. A cut changes the whole
picture at once, and for good. A moving head or camera changes it as much from one frame to the next
as before and after. So a frame begins a shot where it differs from the last one strongly, many
times more than frames around it do, and where frames on either side of it differ as strongly.

In a dissolve no frame differs much from the next, but all are mixtures of two that are a second or
less apart and differ strongly. What moves in between is none.
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from statistics import median
from typing import NamedTuple

import cv2
import numpy as np

SIDE = 32  # of the thumbnails that are compared, pixels
MIN_DIFFERENCE = 0.35  # of a cut, in mean deviations; two pictures of nothing in common have 1.2
MIN_RATIO = 3.0  # of a cut's difference to the median of the four around it
MIN_DISSOLVED = 0.5  # difference of what is before a dissolve from what is behind it
MAX_RESIDUE = 0.22  # of a mixture, in parts of that; motion leaves 0.3 and more
_AROUND = 2  # frames to each side that a difference is compared with
_STILL = 0.05  # difference that noise makes
_FLAT = 4.0  # levels of 255: least mean deviation that a picture is taken to have
_SHAKE = 4  # pixels of a thumbnail by which a camera moves from a frame to the next
_SPANS = (12, 24, 40)  # frames from before a dissolve to behind it


class Step(NamedTuple):
    """How a frame differs from those before it.

    Attributes:
        one, two: difference from the frame before it, and from the one before that; of a large one
            what is left where the camera only moved.
        residue: how badly the frame ``back`` frames ago is a mixture of this one and one as long
            before it, in [0, 1]; 1 where the two are alike.
        back: half the span of the best such mixture.
    """

    one: float
    two: float
    residue: float = 1.0
    back: int = 0


class ShotMeter:
    """Takes frames one by one and keeps the :class:`Step` of each."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._plain: deque[np.ndarray] = deque(maxlen=max(_SPANS) + 1)  # the newest first
        self._even: deque[np.ndarray] = deque(maxlen=max(_SPANS) + 1)

    def add(self, frame: np.ndarray) -> None:
        """Measure an RGB uint8 (H, W, 3) frame; the size may change from frame to frame."""
        plain = thumbnail(frame)
        plain -= plain.mean(axis=(0, 1))
        self._plain.appendleft(plain)
        self._even.appendleft(plain / max(float(np.abs(plain).mean()), _FLAT))
        one, two = (self._difference(back) for back in (1, 2))
        if one >= MIN_DIFFERENCE:
            one = min(one, _moved(self._even[0], self._even[1]))
        residue, back = min((self._residue(span), span // 2) for span in _SPANS)
        back = back if residue < 1 else 0
        self.steps.append(Step(round(one, 3), round(two, 3), round(residue, 3), back))

    def _difference(self, back: int) -> float:
        """Of the newest frame from an earlier one, 0 where there is none."""
        if back >= len(self._even):
            return 0.0
        return float(np.abs(self._even[0] - self._even[back]).mean())

    def _residue(self, span: int) -> float:
        if self._difference(span) < MIN_DISSOLVED:
            return 1.0
        first, change = self._plain[span], self._plain[0] - self._plain[span]
        size = float((change**2).sum()) + 1e-6
        # the parts of the newest frame at three quarters, half and a quarter of the span
        late, half, early = (
            float(((self._plain[back] - first) * change).sum()) / size
            for back in (span // 4, span // 2, 3 * span // 4)
        )
        if not (0.25 < half < 0.75 and early < half < late):
            return 1.0
        rest = self._plain[span // 2] - first - half * change
        return min(1.0, float(np.sqrt((rest**2).sum() / size)))


def _moved(picture: np.ndarray, other: np.ndarray) -> float:
    """The difference of two thumbnails where a camera that shook is taken into account."""
    inside = picture[_SHAKE:-_SHAKE, _SHAKE:-_SHAKE]
    high, wide = inside.shape[:2]
    shifts = range(2 * _SHAKE + 1)
    return min(
        float(np.abs(inside - other[y : y + high, x : x + wide]).mean())
        for y in shifts
        for x in shifts
    )


def thumbnail(frame: np.ndarray) -> np.ndarray:
    """float32 (32, 32, 3), the frame without its detail."""
    # Every k-th pixel first: averaging a 4K frame whole would take as long as decoding it.
    step = max(1, min(frame.shape[:2]) // (4 * SIDE))
    coarse = np.ascontiguousarray(frame[::step, ::step])
    return cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)


def find_cuts(steps: list[Step] | np.ndarray) -> list[int]:
    """The first frames of all shots but the first; of a dissolve the frame in its middle.

    Args:
        steps: from :attr:`ShotMeter.steps`, or (frames, 2) or (frames, 4) numbers of such.

    Returns:
        Ascending frame numbers, each 1 or more.
    """
    values = np.array([Step(*step) for step in steps], np.float64).reshape(-1, 4)
    cuts = [i for i in range(1, len(values)) if _is_cut(values, i)]
    mixed = values[:, 2] < MAX_RESIDUE
    middles = sorted((np.arange(len(values)) - values[:, 3])[mixed].astype(int).tolist())
    dissolves: list[list[int]] = []
    for middle in middles:
        if middle > 0 and not any(abs(middle - cut) <= max(_SPANS) // 2 for cut in cuts):
            if not dissolves or middle - dissolves[-1][-1] > max(_SPANS) // 2:
                dissolves.append([])
            dissolves[-1].append(middle)
    return sorted(cuts + [round(median(one)) for one in dissolves])


def _is_cut(values: np.ndarray, i: int) -> bool:
    difference = values[i, 0]
    if difference < MIN_DIFFERENCE:
        return False
    near = [k for k in range(i - _AROUND, i + _AROUND + 1) if k != i and 1 <= k < len(values)]
    usual = float(np.median(values[near, 0])) if near else 0.0
    # A flash: the frames before and behind it are alike.
    pairs = [k for k in (i, i + 1) if 2 <= k < len(values)]
    lasting = (values[pairs, 1] >= difference / 2).all()
    return bool(lasting and difference >= MIN_RATIO * max(usual, _STILL))


def shot_spans(cuts: list[int], frames: int) -> list[tuple[int, int]]:
    """Shots as (first frame, frame after the last), which together are all ``frames``.

    Example:
        >>> shot_spans([10, 25], 40)
        [(0, 10), (10, 25), (25, 40)]
    """
    edges = [0, *cuts, frames]
    return [(a, b) for a, b in pairwise(edges) if b > a]
