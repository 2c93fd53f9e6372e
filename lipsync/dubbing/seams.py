"""How visible the edge of a pasted mouth is, beside the picture as it was."""

from __future__ import annotations

import numpy as np

from lipsync.dubbing.blend import mouth_mask
from lipsync.metrics.quality import luma

LEVELS = (0.02, 0.15, 0.3, 0.5, 0.7, 0.85, 0.98)  # of the mask, where lines are drawn
_LEAST = 1.0  # level of luma; smaller steps of an original are taken for this


def seam(
    original: np.ndarray, picture: np.ndarray, square: np.ndarray, along: str = "mask"
) -> float:
    """The largest step across a line of the mask, over that of the original at the same places.

    Args:
        original, picture: uint8 (H, W, 3) RGB, before and after.
        square: (4,) the box that the generated face was pasted into.
        along: "mask": lines of equal weight of the mask; "box": the edge of the box's lower half,
            for a face that was pasted without a mask.

    Returns:
        About 1, or less, without a seam; NaN where the box lies outside of the picture.
    """
    weight = _weights(original.shape[:2], square, along)
    steps = [_normal_steps(luma(one), weight) for one in (original, picture)]
    size = np.hypot(*np.gradient(weight))
    ratios = []
    for level in LEVELS if along == "mask" else (0.5,):
        # pixels through which the line goes
        line = (np.abs(weight - level) <= size) & (size > 1e-3)
        if line.sum() >= 8:
            before, after = (float(step[line].mean()) for step in steps)
            ratios.append(after / max(before, _LEAST))
    return max(ratios, default=float("nan"))


def _weights(shape: tuple[int, int], square: np.ndarray, along: str) -> np.ndarray:
    x0, y0, x1, y1 = (float(side) for side in square)
    u = (np.arange(shape[1]) + 0.5 - x0) / (x1 - x0)
    v = (np.arange(shape[0]) + 0.5 - y0) / (y1 - y0)
    if along == "mask":
        return mouth_mask(u, v)
    inside = ((v >= 0.5) & (v <= 1))[:, None] & ((u >= 0) & (u <= 1))[None]
    return inside.astype(np.float32)


def _normal_steps(levels: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """How much luma changes a pixel in the direction in which the weight does."""
    down, across = np.gradient(levels)
    to_down, to_across = np.gradient(weight)
    length = np.maximum(np.hypot(to_down, to_across), 1e-6)
    return np.abs(down * to_down + across * to_across) / length
