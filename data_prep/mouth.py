"""Distinguish speakers from listeners by mouth motion and loudness, without a network.

Where several faces are visible at once, the frame-to-frame motion of each mouth is correlated with
the loudness of the sound. This does not separate two people who speak at the same time.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from data_prep.footage import Footage
from data_prep.pieces import FRAME, Piece
from lipsync.faces.crops import crop, steady_box
from lipsync.windows import FPS

SIDE = 48  # side of the face crop in pixels
_MOUTH = np.s_[26:45, 13:35]  # rows and columns of the mouth in the crop
_STILL = 0.3  # motion of a still mouth, in 8-bit levels
_RADIUS = 2  # frames to each side over which motion and loudness are averaged
_LAGS = 3  # maximum lag of the sound either way, in frames


def av_correlations(footage: Footage, pieces: Sequence[Piece]) -> list[float | None]:
    """Correlation of mouth motion and loudness, in [-1, 1], of simultaneous faces; None for others.

    The frames are read once, and only if there are simultaneous faces.
    """
    candidates = [i for i, piece in enumerate(pieces) if not piece.reason]
    rivals = [
        i for i in candidates if any(k != i and pieces[i].overlaps(pieces[k]) for k in candidates)
    ]  # fmt: skip
    found: list[float | None] = [None] * len(pieces)
    if not rivals:
        return found
    boxes = {i: steady_box(np.array(pieces[i].boxes)) for i in rivals}
    last: dict[int, np.ndarray] = {}
    motion: dict[int, list[float]] = {i: [] for i in rivals}
    end = max(pieces[i].end for i in rivals)
    for number, frame in zip(range(end), footage.frames(), strict=False):
        for i in rivals:
            if pieces[i].start <= number < pieces[i].end:
                mouth = mouth_of(crop(frame, boxes[i], SIDE))
                if i in last:
                    motion[i].append(float(np.abs(mouth - last[i]).mean()))
                last[i] = mouth
    for i in rivals:
        piece = pieces[i]
        wave = footage.wave[piece.start * FRAME : piece.end * FRAME]
        found[i] = round(av_correlation(np.array(motion[i]), wave), 4)
    return found


def mouth_of(face: np.ndarray) -> np.ndarray:
    """Mouth of a face crop, uint8 (48, 48, 3) RGB, in grey levels, float32 (19, 22)."""
    grey = cv2.cvtColor(np.ascontiguousarray(face[_MOUTH]), cv2.COLOR_RGB2GRAY)
    return grey.astype(np.float32)


def av_correlation(motion: np.ndarray, wave: np.ndarray) -> float:
    """Maximum correlation of log motion and log loudness over small lags.

    Args:
        motion: (frames - 1,), motion from each frame to the next.
        wave: float32 (samples,) at 16 kHz, starting at the first frame.

    Returns:
        In [-1, 1]; 0.0 if either is constant, or for less than half a second.
    """
    count = min(len(motion) + 1, len(wave) // FRAME)
    if count < FPS // 2:
        return 0.0
    blocks = wave[: count * FRAME].reshape(count, FRAME)
    levels = np.log(np.sqrt((blocks.astype(np.float64) ** 2).mean(axis=1)) + 1e-3)
    loudness = _smooth((levels[1:] + levels[:-1]) / 2)  # between frames, like motion
    activity = _smooth(np.log(motion[: count - 1] + _STILL))
    if min(loudness.std(), activity.std()) < 1e-3:
        return 0.0
    best = -1.0
    for lag in range(-_LAGS, _LAGS + 1):
        a = activity[max(0, lag) : len(activity) + min(0, lag)]
        b = loudness[max(0, -lag) : len(loudness) + min(0, -lag)]
        spread = a.std() * b.std()
        if spread > 0:
            best = max(best, float(((a - a.mean()) * (b - b.mean())).mean() / spread))
    return best


def _smooth(values: np.ndarray) -> np.ndarray:
    window = np.ones(2 * _RADIUS + 1) / (2 * _RADIUS + 1)
    return np.convolve(np.pad(values, _RADIUS, mode="edge"), window, mode="valid")
