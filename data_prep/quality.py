"""Quality measures of faces and audio, which decide whether a clip is good training data."""

from __future__ import annotations

import cv2
import numpy as np

from lipsync.audio import SAMPLE_RATE
from lipsync.faces.crops import crop

_SIDE = 64  # side of the face for fine_detail, pixels
_BLOCK = SAMPLE_RATE // 10  # samples per level


def fine_detail(frame: np.ndarray, box: np.ndarray) -> float:
    """Sharpness of a face, independent of its size, contrast and brightness.

    The face is resized to 64 x 64 grey pixels; the sharpness is the variance of what a Gaussian
    blur of sigma 1 removes, in percent of the total variance. It is low for faces that are only a
    few pixels large, out of focus, or blurred by motion or compression.

    Args:
        frame: RGB uint8 (H, W, 3).
        box: (4,) the detector's box in pixels, forehead to chin.

    Returns:
        The sharpness in percent; 0 for a box of at most one pixel in width or height.
    """
    if not (box[2] - box[0] > 1 and box[3] - box[1] > 1):
        return 0.0
    grey = cv2.cvtColor(crop(frame, box, _SIDE), cv2.COLOR_RGB2GRAY).astype(np.float32)
    detail = grey - cv2.GaussianBlur(grey, (0, 0), 1)
    return float(100 * detail.var() / max(grey.var(), 1.0))


def turn(landmarks: np.ndarray) -> float:
    """How far a face is turned sideways: 0 is frontal, 1 is a profile.

    Measured as the sideways distance of the nose tip from the midpoint of the eyes, in units of
    half the distance between the eyes: 1 if it is level with one eye, more beyond it.

    Args:
        landmarks: (n, 5, 2) eyes, nose tip, corners of the mouth; NaN where unknown.

    Returns:
        The median over frames; 0.0 if no frame has all landmarks.
    """
    known = landmarks[np.isfinite(landmarks).all(axis=(1, 2))].astype(np.float64)
    if not len(known):
        return 0.0
    # The axis is perpendicular to the line from eyes to mouth. Unlike the line through the eyes,
    # it stays stable in a profile, where the eyes coincide.
    down = known[:, 3:].mean(axis=1) - known[:, :2].mean(axis=1)
    across = np.stack([down[:, 1], -down[:, 0]], 1) / np.linalg.norm(down, axis=1)[:, None]
    left, right, nose = ((known[:, i] * across).sum(axis=1) for i in (0, 1, 2))
    apart = np.maximum((right - left) / 2, 1e-3)
    return float(np.median(np.abs(nose - (left + right) / 2) / apart))


def outside(box: np.ndarray, size: tuple[int, int]) -> float:
    """Fraction of a box's area, in [0, 1], outside a picture of ``size`` (width, height)."""
    low = np.clip(box[:2], 0, size)
    high = np.clip(box[2:], 0, size)
    return max(0.0, float(1 - np.prod(high - low) / np.prod(box[2:] - box[:2])))


def level(wave: np.ndarray) -> float:
    """Level of the loudest tenth of a second, in dBFS; -120 for digital silence.

    Args:
        wave: float32 (samples,) at 16 kHz in [-1, 1].
    """
    return float(max(levels(wave), default=-120.0))


def levels(wave: np.ndarray) -> np.ndarray:
    """Level of each tenth of a second in dBFS, (tenths,), see :func:`level`."""
    squares = np.pad(wave.astype(np.float64) ** 2, (0, -len(wave) % _BLOCK)).reshape(-1, _BLOCK)
    return 10 * np.log10(np.maximum(squares.mean(axis=1), 1e-12))
