"""Shot boundary detection on thumbnails of the frames.

Thumbnails are normalised for brightness and contrast, so that dark footage is treated like bright
footage, and switched, dimmed or flashing lights are not cuts. A cut changes the whole image
abruptly and permanently, whereas a moving head or camera changes successive frames by similar
amounts. A frame therefore starts a shot if it differs strongly from the previous one, many times
more than neighbouring frames do, and if frames on either side of it differ as strongly.

In a dissolve, successive frames differ little, but each is a mixture of two strongly different
frames, at most 40 frames apart. Movement does not produce such mixtures.
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from statistics import median
from typing import NamedTuple

import cv2
import numpy as np

SIDE = 32  # side of the thumbnails in pixels
MIN_DIFFERENCE = 0.35  # of a cut, in mean absolute deviations; unrelated images have about 1.2
MIN_RATIO = 3.0  # of a cut's difference to the median of the four around it
MIN_DISSOLVED = 0.5  # minimum difference between the frames before and after a dissolve
MAX_RESIDUE = 0.22  # maximum relative residue of a mixture; motion leaves 0.3 or more
_AROUND = 2  # neighbouring frames to each side for comparison
_STILL = 0.05  # difference caused by noise
_FLAT = 4.0  # floor of the mean absolute deviation, in 8-bit levels
_SHAKE = 4  # maximum camera shake between frames, in pixels of the thumbnail
_SPANS = (12, 24, 40)  # lengths of dissolves to test, in frames


class Step(NamedTuple):
    """Differences between a frame and earlier ones.

    Attributes:
        one, two: difference from the previous frame, and from the one before that; large values of
            ``one`` are compensated for camera shake.
        residue: relative residue of the frame ``back`` frames ago as a mixture of this frame and
            the one ``2 * back`` ago, in [0, 1]; 1 if these two are similar.
        back: half the span of the best mixture.
    """

    one: float
    two: float
    residue: float = 1.0
    back: int = 0


class ShotMeter:
    """Computes the :class:`Step` of each frame in a stream."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._plain: deque[np.ndarray] = deque(maxlen=max(_SPANS) + 1)  # newest first
        self._normalised: deque[np.ndarray] = deque(maxlen=max(_SPANS) + 1)

    def add(self, frame: np.ndarray) -> None:
        """Add an RGB uint8 (H, W, 3) frame; frames may differ in size."""
        plain = thumbnail(frame)
        plain -= plain.mean(axis=(0, 1))
        self._plain.appendleft(plain)
        self._normalised.appendleft(plain / max(float(np.abs(plain).mean()), _FLAT))
        one, two = (self._difference(back) for back in (1, 2))
        if one >= MIN_DIFFERENCE:
            one = min(one, _min_shifted_difference(self._normalised[0], self._normalised[1]))
        residue, back = min((self._residue(span), span // 2) for span in _SPANS)
        back = back if residue < 1 else 0
        self.steps.append(Step(round(one, 3), round(two, 3), round(residue, 3), back))

    def _difference(self, back: int) -> float:
        """Difference between the newest frame and an earlier one; 0 if there is none."""
        if back >= len(self._normalised):
            return 0.0
        return float(np.abs(self._normalised[0] - self._normalised[back]).mean())

    def _residue(self, span: int) -> float:
        if self._difference(span) < MIN_DISSOLVED:
            return 1.0
        first, change = self._plain[span], self._plain[0] - self._plain[span]
        size = float((change**2).sum()) + 1e-6
        # share of the newest frame at three quarters, half and a quarter of the span
        late, half, early = (
            float(((self._plain[back] - first) * change).sum()) / size
            for back in (span // 4, span // 2, 3 * span // 4)
        )
        if not (0.25 < half < 0.75 and early < half < late):
            return 1.0
        rest = self._plain[span // 2] - first - half * change
        return min(1.0, float(np.sqrt((rest**2).sum() / size)))


def _min_shifted_difference(picture: np.ndarray, other: np.ndarray) -> float:
    """Minimum difference between two thumbnails over small shifts, to compensate camera shake."""
    inside = picture[_SHAKE:-_SHAKE, _SHAKE:-_SHAKE]
    high, wide = inside.shape[:2]
    shifts = range(2 * _SHAKE + 1)
    return min(
        float(np.abs(inside - other[y : y + high, x : x + wide]).mean())
        for y in shifts
        for x in shifts
    )


def thumbnail(frame: np.ndarray) -> np.ndarray:
    """Downsample a frame to float32 (32, 32, 3)."""
    # Take every k-th pixel first, as averaging a whole 4K frame takes as long as decoding it.
    step = max(1, min(frame.shape[:2]) // (4 * SIDE))
    coarse = np.ascontiguousarray(frame[::step, ::step])
    return cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)


def find_cuts(steps: list[Step] | np.ndarray) -> list[int]:
    """First frames of all shots but the first; for a dissolve, the frame in its middle.

    Args:
        steps: :attr:`ShotMeter.steps`, or the same as an array (frames, 2) or (frames, 4).

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
    # Exclude flashes, where the frames before and after are similar.
    pairs = [k for k in (i, i + 1) if 2 <= k < len(values)]
    lasting = (values[pairs, 1] >= difference / 2).all()
    return bool(lasting and difference >= MIN_RATIO * max(usual, _STILL))


def shot_spans(cuts: list[int], frames: int) -> list[tuple[int, int]]:
    """Split ``frames`` frames into shots (first frame, frame after the last).

    Example:
        >>> shot_spans([10, 25], 40)
        [(0, 10), (10, 25), (25, 40)]
    """
    edges = [0, *cuts, frames]
    return [(a, b) for a, b in pairwise(edges) if b > a]
