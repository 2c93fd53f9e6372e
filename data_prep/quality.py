"""Numbers that say whether a face and its sound are worth learning from."""

from __future__ import annotations

import cv2
import numpy as np

from lipsync.audio import SAMPLE_RATE
from lipsync.faces.crops import crop

_SIDE = 64  # of the face that fine detail is measured on, pixels
_BLOCK = SAMPLE_RATE // 10  # samples over which a level is taken


def fine_detail(frame: np.ndarray, box: np.ndarray) -> float:
    """How sharp a face is, whatever its size, contrast and light.

    The face is brought to 64 x 64 grey pixels; the result is the part of its variance that a
    Gaussian blur of sigma 1 takes away, in percent. A face that is only a few pixels large, out of
    focus or smeared by motion or compression has little.

    Args:
        frame: RGB uint8 (H, W, 3).
        box: (4,) a detector's box, forehead to chin.
    """
    if not (box[2] - box[0] > 1 and box[3] - box[1] > 1):
        return 0.0
    grey = cv2.cvtColor(crop(frame, box, _SIDE), cv2.COLOR_RGB2GRAY).astype(np.float32)
    detail = grey - cv2.GaussianBlur(grey, (0, 0), 1)
    return float(100 * detail.var() / max(grey.var(), 1.0))


def turn(landmarks: np.ndarray) -> float:
    """How far a face is turned to a side: 0 looks into the camera, 1 is a profile.

    Where the nose tip lies between the eyes, along the line through them: in the middle is 0, at
    one of them is 1, beyond it more. The median over frames.

    Args:
        landmarks: (n, 5, 2) eyes, nose tip, corners of the mouth; NaN where unknown.

    Returns:
        0.0 if no landmark is known.
    """
    known = landmarks[np.isfinite(landmarks).all(axis=(1, 2))].astype(np.float64)
    if not len(known):
        return 0.0
    # Across is at right angles to the way from the eyes to the mouth: unlike the line through the
    # eyes, it keeps its direction as the eyes meet in a profile.
    down = known[:, 3:].mean(axis=1) - known[:, :2].mean(axis=1)
    across = np.stack([down[:, 1], -down[:, 0]], 1) / np.linalg.norm(down, axis=1)[:, None]
    left, right, nose = ((known[:, i] * across).sum(axis=1) for i in (0, 1, 2))
    apart = np.maximum((right - left) / 2, 1e-3)
    return float(np.median(np.abs(nose - (left + right) / 2) / apart))


def outside(box: np.ndarray, size: tuple[int, int]) -> float:
    """The part of a box's area, in [0, 1], that lies outside a picture of this width and height."""
    low = np.clip(box[:2], 0, size)
    high = np.clip(box[2:], 0, size)
    return max(0.0, float(1 - np.prod(high - low) / np.prod(box[2:] - box[:2])))


def level(wave: np.ndarray) -> float:
    """Loudness of the loudest tenth of a second, in dB of full scale; -120 for digital silence.

    Args:
        wave: float32 (samples,) at 16 kHz in [-1, 1].
    """
    return float(max(levels(wave), default=-120.0))


def levels(wave: np.ndarray) -> np.ndarray:
    """Loudness of every tenth of a second, (tenths,), see :func:`level`."""
    squares = np.pad(wave.astype(np.float64) ** 2, (0, -len(wave) % _BLOCK)).reshape(-1, _BLOCK)
    return 10 * np.log10(np.maximum(squares.mean(axis=1), 1e-12))
