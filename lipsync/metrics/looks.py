"""What one video's faces look like, frame by frame, where no true picture is needed.

Numbers to read beside those of the real video: less detail is blur and more is noise, and a real
mouth flickers a little too.
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

_SIGMAS = (1.0, 2.0, 4.0)  # pixels, of the Gaussians that part the bands
BANDS = ("detail_fine", "detail_middle", "detail_coarse")


def detail_bands(levels: np.ndarray) -> dict[str, float]:
    """How much detail there is at three sizes: standard deviations of bands of luma (H, W).

    ``detail_fine`` is what a Gaussian of one pixel takes away (pores, teeth, noise),
    ``detail_middle`` what is left of that after one of two pixels is taken off, ``detail_coarse``
    the same of two and four (lips, shadows). In grey levels; 0 for a flat picture.
    """
    smooth = [levels, *(cv2.GaussianBlur(levels, (0, 0), sigma) for sigma in _SIGMAS)]
    bands = zip(BANDS, pairwise(smooth), strict=True)
    return {name: float((a - b).std()) for name, (a, b) in bands}


def texture_flicker(
    flow: Callable[..., np.ndarray], before: np.ndarray, now: np.ndarray
) -> np.ndarray:
    """What changes from a frame to the next besides what moves, (H, W) in grey levels.

    The frame before is moved onto this one by the optical flow between them; what differs then is
    light and texture. At points that come into the picture it is 0.

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
    """From the dark to the light parts of a mouth: of luma (S, S), the range of its middle 96 %.

    Teeth beside the dark behind them give much of it, closed or smeared lips little.
    """
    dark, light = np.percentile(mouth_region(levels), [2, 98])
    return float(light - dark)


class FaceLook:
    """Looks at faces in turn and keeps two of them.

    Frames are brought in with :meth:`add`; :meth:`numbers` then gives ``seam`` of the face,
    ``mouth_contrast`` of the mouth, and of the lower half ``sharpness``, the :data:`BANDS`,
    ``jitter``, ``flicker`` (the mean of :func:`texture_flicker`) and ``silent_motion``: those that
    are defined.
    """

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._last: list[np.ndarray] = []
        self._found: dict[str, list[float]] = {}
        self._movement: list[float] = []

    def add(self, face: np.ndarray) -> None:
        """The next frame's face, uint8 (S, S, 3) RGB."""
        levels = luma(face)
        mouths = [lower_half(seen) for seen in (*self._last, levels)]
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
            self._found.setdefault(name, []).append(value)
        self._last = [*self._last[-1:], levels]

    def numbers(self, wave: np.ndarray) -> dict[str, float]:
        """The means over the frames so far; ``wave`` is the sound beside them, at 16 kHz."""
        means = {
            name: float(np.mean(known))
            for name, values in self._found.items()
            if (known := [value for value in values if np.isfinite(value)])
        }
        silent = silent_frames(wave, len(self._movement) + 1)
        means["silent_motion"] = silent_motion(np.array(self._movement), silent)
        return {name: value for name, value in means.items() if np.isfinite(value)}
