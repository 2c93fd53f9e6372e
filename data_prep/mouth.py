"""Whose mouth moves when something is heard: needs no network, and tells a speaker from a listener.

For every face that competes with another one for the sound, the motion of its mouth from frame to
frame is correlated with the loudness. This does not tell apart two people who speak at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from data_prep.footage import Footage
from data_prep.pieces import FRAME, Piece
from lipsync.faces.crops import crop, steady_box
from lipsync.windows import FPS

SIDE = 48  # of the crop whose mouth is watched, pixels
_MOUTH = np.s_[26:45, 13:35]  # in the square of steady_box
_STILL = 0.3  # levels of 255 by which a mouth that keeps still changes
_RADIUS = 2  # frames to each side over which both are averaged
_LAGS = 3  # frames by which the sound may be off


def hear(footage: Footage, pieces: Sequence[Piece]) -> list[float | None]:
    """How well the mouth of every competing piece goes with the sound, in [-1, 1]; None elsewhere.

    The frames are gone through once, if any face competes.
    """
    live = [i for i, piece in enumerate(pieces) if not piece.reason]
    rivals = [
        i for i in live if any(k != i and pieces[i].meets(pieces[k]) for k in live)
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
        found[i] = round(agreement(np.array(motion[i]), wave), 4)
    return found


def mouth_of(face: np.ndarray) -> np.ndarray:
    """float32 (19, 22) grey levels: the mouth of a face crop, uint8 (48, 48, 3) RGB."""
    grey = cv2.cvtColor(np.ascontiguousarray(face[_MOUTH]), cv2.COLOR_RGB2GRAY)
    return grey.astype(np.float32)


def agreement(motion: np.ndarray, wave: np.ndarray) -> float:
    """The best correlation of motion and loudness over small lags, both on a logarithmic scale.

    Args:
        motion: (frames - 1,) from each frame to the next.
        wave: float32 (samples,) at 16 kHz that begins with the first frame.

    Returns:
        In [-1, 1]; 0.0 where one of the two does not change, or for less than half a second.
    """
    count = min(len(motion) + 1, len(wave) // FRAME)
    if count < FPS // 2:
        return 0.0
    blocks = wave[: count * FRAME].reshape(count, FRAME)
    loud = np.log(np.sqrt((blocks.astype(np.float64) ** 2).mean(axis=1)) + 1e-3)
    heard = _smooth((loud[1:] + loud[:-1]) / 2)  # between frames, as motion is
    seen = _smooth(np.log(motion[: count - 1] + _STILL))
    if min(heard.std(), seen.std()) < 1e-3:
        return 0.0
    best = -1.0
    for lag in range(-_LAGS, _LAGS + 1):
        a = seen[max(0, lag) : len(seen) + min(0, lag)]
        b = heard[max(0, -lag) : len(heard) + min(0, -lag)]
        spread = a.std() * b.std()
        if spread > 0:
            best = max(best, float(((a - a.mean()) * (b - b.mean())).mean() / spread))
    return best


def _smooth(values: np.ndarray) -> np.ndarray:
    window = np.ones(2 * _RADIUS + 1) / (2 * _RADIUS + 1)
    return np.convolve(np.pad(values, _RADIUS, mode="edge"), window, mode="valid")
