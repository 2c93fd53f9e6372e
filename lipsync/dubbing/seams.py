"""How visible the edge of a pasted mouth is, beside the picture as it was."""

from __future__ import annotations

import numpy as np

from lipsync.faces.painting import Mask, unit_points
from lipsync.metrics.quality import luma

LEVELS = (0.02, 0.15, 0.3, 0.5, 0.7, 0.85, 0.98)  # of the mask, where lines are drawn
_LEAST = 1.0  # level of luma; smaller steps of an original are taken for this


def seam(
    original: np.ndarray,
    picture: np.ndarray,
    transform: np.ndarray,
    mask: Mask,
    along: str = "mask",
) -> float:
    """The largest step across a line of the mask, over that of the original at the same places.

    Args:
        original, picture: uint8 (H, W, 3) RGB, before and after.
        transform: (2, 3) of the crop that the generated face was pasted into.
        mask: by which it was pasted.
        along: "mask": lines of equal weight of the mask; "box": the edge of the crop's lower half,
            for a face that was pasted without a mask.

    Returns:
        About 1, or less, without a seam; NaN where the crop lies outside of the picture.
    """
    weight = _weights(original.shape[:2], transform, mask if along == "mask" else None)
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


def _weights(shape: tuple[int, int], transform: np.ndarray, mask: Mask | None) -> np.ndarray:
    u, v = unit_points(transform, 0, 0, shape[1], shape[0])
    if mask is not None:
        return mask.weights(u, v)
    inside = (v >= 0.5) & (v <= 1) & (u >= 0) & (u <= 1)
    return inside.astype(np.float32)


def _normal_steps(levels: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """How much luma changes a pixel in the direction in which the weight does."""
    down, across = np.gradient(levels)
    to_down, to_across = np.gradient(weight)
    length = np.maximum(np.hypot(to_down, to_across), 1e-6)
    return np.abs(down * to_down + across * to_across) / length
