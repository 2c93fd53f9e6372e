"""All arithmetic between video frames and columns of sound. Pure: integers and arrays in and out.

Where a generator's mel window begins differs between published training and published inference:
training starts a frame's mel one frame *earlier*. :func:`mel_start` serves both, and the choice has
a name, ``lead`` (frames): :data:`PUBLISHED_TRAINING_LEAD` or :data:`PUBLISHED_INFERENCE_LEAD`. Our
own generators use :data:`CENTRED_LEAD`, which puts the frame in the middle of the sound it hears. A
network carries its lead in the record of its feature (:mod:`lipsync.features`), so that dubbing
feeds it what it was trained on.
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
    """First mel column of the window that belongs to ``frame``.

    Args:
        frame: index of a video frame, 0 or more.
        fps: frames a second of the video that ``frame`` counts.
        lead: how many frames (of 1/25 s) before the frame its sound begins.

    Returns:
        A column index; negative where the window begins before the sound.
    """
    return int(np.floor(MEL_RATE * (frame / fps - lead / FPS) + 1e-9))


def mfcc_start(frame: float, fps: float = FPS) -> int:
    """First of LipGAN's 35 rows of cepstra that belong to ``frame``: ``4 * frame - 16`` at 25 fps.

    A row hears 25 ms from ``10 * row`` ms on, so 35 rows hear 365 ms; their middle is put as near
    to the middle of the frame's time on the screen as rows allow (2.5 ms after it at 25 fps).

    Args:
        frame: index of a video frame, 0 or more.
        fps: frames a second of the video that ``frame`` counts.

    Returns:
        A row index; negative where the window begins before the sound.
    """
    middle = MFCC_RATE * (frame + 0.5) / fps
    return int(np.floor(middle - 18.25 + 0.5 + 1e-9))  # 18.25 rows are half of 365 ms


def cut_columns(columns: np.ndarray, start: int, length: int, silence: float) -> np.ndarray:
    """``columns[:, start : start + length]``, filled with ``silence`` where there is no sound.

    Args:
        columns: (bands, n).
        start: first column, of any sign.

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
    """A random window start among ``count`` that lies at least ``gap`` frames from ``start``.

    Returns None where there is none.
    """
    below, above = max(0, start - gap + 1), max(0, count - start - gap)
    if below + above == 0:
        return None
    k = int(rng.integers(below + above))
    return k if k < below else start + gap + (k - below)


def lower_half(faces: Any) -> Any:  # any array or tensor
    """The lower half of pictures laid out (..., height, width): ``[..., height // 2 :, :]``."""
    return faces[..., faces.shape[-2] // 2 :, :]
