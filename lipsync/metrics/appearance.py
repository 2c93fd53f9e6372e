"""No-reference image metrics of the faces in one video.

Compare them with those of real video: less detail means blur and more means noise, and even real
mouths flicker a little.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import cv2
import numpy as np

from lipsync.metrics.leakage import mouth_region
from lipsync.metrics.quality import (
    jitter,
    luma,
    motion,
    seam_strength,
    sharpness,
    silent_frames,
    silent_motion,
)
from lipsync.windows import lower_half

_SIGMAS = (1.0, 2.0, 4.0)  # of the Gaussians that separate the bands, in pixels
BANDS = ("detail_fine", "detail_middle", "detail_coarse")


def detail_bands(levels: np.ndarray) -> dict[str, float]:
    """Amount of detail at three scales: standard deviations of frequency bands of luma (H, W).

    The bands are differences of Gaussians: ``detail_fine`` between the image and sigma 1 pixel
    (pores, teeth, noise), ``detail_middle`` between 1 and 2, ``detail_coarse`` between 2 and 4
    (lips, shadows). In 8-bit levels; 0 for a flat image.
    """
    smooth = [levels, *(cv2.GaussianBlur(levels, (0, 0), sigma) for sigma in _SIGMAS)]
    bands = zip(BANDS, pairwise(smooth), strict=True)
    return {name: float((a - b).std()) for name, (a, b) in bands}


def texture_flicker(
    flow: Callable[..., np.ndarray], before: np.ndarray, now: np.ndarray
) -> np.ndarray:
    """Change between successive frames after motion compensation, (H, W) in 8-bit levels.

    The previous frame is warped onto the current one by optical flow; the remaining difference is
    light and texture. It is 0 where the flow comes from outside the image.

    Args:
        flow: ``calc`` of an OpenCV flow, such as ``cv2.DISOpticalFlow``.
        before, now: luma (H, W), float32 in 0 to 255.
    """
    height, width = now.shape
    there = flow(now.astype(np.uint8), before.astype(np.uint8), None)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    x, y = x + there[..., 0], y + there[..., 1]
    moved = cv2.remap(before, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return np.abs(now - moved) * inside


def mouth_contrast(levels: np.ndarray) -> float:
    """Contrast of the mouth in luma (S, S): range from the 2nd to the 98th percentile.

    High for teeth against a dark mouth, low for closed or smeared lips.
    """
    dark, light = np.percentile(mouth_region(levels), [2, 98])
    return float(light - dark)


class FaceAppearance:
    """Accumulate metrics over the faces of a video; keeps only two frames.

    After :meth:`add` for each frame, :meth:`numbers` returns ``seam`` for the face,
    ``mouth_contrast`` for the mouth, and for the lower half ``sharpness``, the :data:`BANDS`,
    ``jitter``, ``flicker`` (the mean of :func:`texture_flicker`) and ``silent_motion``. Undefined
    ones are left out.
    """

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._last: list[np.ndarray] = []
        self._values: dict[str, list[float]] = {}
        self._movement: list[float] = []

    def add(self, face: np.ndarray) -> None:
        """Add the next frame's face, uint8 (S, S, 3) RGB."""
        levels = luma(face)
        mouths = [lower_half(frame) for frame in (*self._last, levels)]
        found = {
            "sharpness": sharpness(mouths[-1]),
            **detail_bands(mouths[-1]),
            "mouth_contrast": mouth_contrast(levels),
            "seam": seam_strength(levels),
        }
        if self._last:
            self._movement.append(motion(*mouths[-2:]))
            changed = texture_flicker(self._flow.calc, self._last[-1], levels)
            found["flicker"] = float(lower_half(changed).mean())
        if len(self._last) == 2:
            found["jitter"] = jitter(*mouths)
        for name, value in found.items():
            self._values.setdefault(name, []).append(value)
        self._last = [*self._last[-1:], levels]

    def numbers(self, wave: np.ndarray) -> dict[str, float]:
        """Means over the frames so far; ``wave`` is their audio at 16 kHz."""
        means = {
            name: float(np.mean(known))
            for name, values in self._values.items()
            if (known := [value for value in values if np.isfinite(value)])
        }
        silent = silent_frames(wave, len(self._movement) + 1)
        means["silent_motion"] = silent_motion(np.array(self._movement), silent)
        return {name: value for name, value in means.items() if np.isfinite(value)}
