"""Visibility of the seam around a pasted mouth."""

from __future__ import annotations

import numpy as np

from lipsync.faces.painting import Mask, unit_points
from lipsync.metrics.quality import luma

LEVELS = (0.02, 0.15, 0.3, 0.5, 0.7, 0.85, 0.98)  # contour levels of the mask to examine
_LEAST = 1.0  # floor of the original's steps, in levels of luma


def seam(
    original: np.ndarray,
    picture: np.ndarray,
    transform: np.ndarray,
    mask: Mask,
    along: str = "mask",
) -> float:
    """Largest mean step across a contour of the mask, relative to the original at the same place.

    Args:
        original, picture: uint8 (H, W, 3) RGB, before and after.
        transform: (2, 3) transform of the crop.
        mask: mask used for pasting.
        along: "mask": contours of the mask; "box": the edge of the crop's lower half, for a face
            that was pasted without a mask.

    Returns:
        1 or less without a seam; NaN if the crop lies outside the image.
    """
    weight = _weights(original.shape[:2], transform, mask if along == "mask" else None)
    steps = [_normal_steps(luma(one), weight) for one in (original, picture)]
    size = np.hypot(*np.gradient(weight))
    ratios = []
    for level in LEVELS if along == "mask" else (0.5,):
        # pixels on the contour
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
    """Absolute gradient of luma per pixel, in the direction of the weight's gradient."""
    down, across = np.gradient(levels)
    to_down, to_across = np.gradient(weight)
    length = np.maximum(np.hypot(to_down, to_across), 1e-6)
    return np.abs(down * to_down + across * to_across) / length
