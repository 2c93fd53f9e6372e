"""All arithmetic between video frames and audio columns. Pure: integers and arrays in and out.

Published training and published inference start a frame's mel window at different places: training
one frame *earlier*. The parameter ``lead`` (in frames) covers both:
:data:`PUBLISHED_TRAINING_LEAD` and :data:`PUBLISHED_INFERENCE_LEAD`. Our own generators use
:data:`CENTRED_LEAD`, which centres the audio window on the frame. A network stores its lead in the
record of its feature (:mod:`lipsync.features`), so that inference matches training.
"""

from __future__ import annotations

from typing import Any

import numpy as np

FPS = 25
MEL_RATE = 80
MEL_STEP = 16
SILENCE = -4.0  # the mel's floor, -100 dB
MFCC_RATE = 100

PUBLISHED_INFERENCE_LEAD = 0
PUBLISHED_TRAINING_LEAD = 1
CENTRED_LEAD = 2


def mel_start(frame: int, fps: float = FPS, lead: int = 0) -> int:
    """First mel column of the window for ``frame``.

    Args:
        frame: index of a video frame, 0 or more.
        fps: frame rate of the video.
        lead: number of frames (of 1/25 s) by which the window starts before the frame.

    Returns:
        A column index; negative if the window starts before the audio.
    """
    return int(np.floor(MEL_RATE * (frame / fps - lead / FPS) + 1e-9))


def mfcc_start(frame: float, fps: float = FPS) -> int:
    """First of LipGAN's 35 MFCC rows for ``frame``: ``4 * frame - 16`` at 25 fps.

    A row covers 25 ms from ``10 * row`` ms on, so 35 rows cover 365 ms. They are centred on the
    middle of the frame's display time as closely as possible (2.5 ms after it at 25 fps).

    Args:
        frame: index of a video frame, 0 or more.
        fps: frame rate of the video.

    Returns:
        A row index; negative if the window starts before the audio.
    """
    middle = MFCC_RATE * (frame + 0.5) / fps
    return int(np.floor(middle - 18.25 + 0.5 + 1e-9))  # 18.25 rows are half of 365 ms


def cut_columns(columns: np.ndarray, start: int, length: int, silence: float) -> np.ndarray:
    """``columns[:, start : start + length]``, padded with ``silence`` beyond both ends.

    Args:
        columns: (bands, n).
        start: first column; may be negative.

    Returns:
        (bands, length).
    """
    inside = columns[:, max(start, 0) : max(start + length, 0)]
    if inside.shape[1] == length:
        return inside
    window = np.full((columns.shape[0], length), silence, columns.dtype)
    offset = max(-start, 0)
    window[:, offset : offset + inside.shape[1]] = inside
    return window


def draw_apart(rng: np.random.Generator, count: int, start: int, gap: int) -> int | None:
    """Random start in [0, count) at least ``gap`` frames from ``start``; None if there is none."""
    below, above = max(0, start - gap + 1), max(0, count - start - gap)
    if below + above == 0:
        return None
    k = int(rng.integers(below + above))
    return k if k < below else start + gap + (k - below)


def lower_half(faces: Any) -> Any:  # any array or tensor
    """Lower half of images (..., height, width): ``[..., height // 2 :, :]``."""
    return faces[..., faces.shape[-2] // 2 :, :]
