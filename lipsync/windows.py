"""All arithmetic between video frames and mel columns, and between frames and model inputs.

A window is :data:`T` = 5 frames, 200 ms, or :data:`MEL_STEP` = 16 columns of a mel spectrogram that
has :data:`MEL_RATE` = 80 columns a second. Everything here is pure: integers and arrays in and out.

Where a generator's mel window begins differs between published training and published inference:
training starts a frame's mel one frame *earlier*. :func:`mel_start` serves both, and the choice has
a name, ``lead`` (frames): :data:`PUBLISHED_TRAINING_LEAD` or :data:`PUBLISHED_INFERENCE_LEAD`. Our
own generators use :data:`CENTRED_LEAD`, which puts the frame in the middle of the sound it sees. A
model carries its lead with it, so that dubbing feeds it what it was trained on.

LipGAN hears :data:`MFCC_STEP` = 35 rows of cepstra that come :data:`MFCC_RATE` = 100 times a
second, four a frame at 25 fps: 350 ms, with the frame in their middle (:func:`mfcc_start`).
SyncNet v2 hears the :data:`SYNC_MFCC_STEP` = 20 rows of a window.
"""

from __future__ import annotations

import numpy as np

FPS = 25
T = 5
MEL_RATE = 80
MEL_STEP = 16
SILENCE = -4.0  # the mel's floor, -100 dB
MFCC_RATE = 100
MFCC_STEP = 35
SYNC_MFCC_STEP = 20

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


def mel_window(mel: np.ndarray, start: int) -> np.ndarray:
    """``mel[:, start : start + 16]``, with silence where the window leaves the spectrogram.

    Args:
        mel: (80, columns) in [-4, 4].
        start: first column, of any sign.

    Returns:
        (80, 16).
    """
    return _cut(mel, start, MEL_STEP, SILENCE)


def mfcc_start(frame: int, fps: float = FPS) -> int:
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


def frame_mfccs(mfcc: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """The cepstra of single frames at 25 fps, which LipGAN hears.

    Rows outside of the sound are 0, which is what c1 to c12 of digital silence are.

    Args:
        mfcc: (rows, 12), as :func:`lipsync.audio.lipgan_mfcc` gives them.
        frames: (n,) indices of frames.

    Returns:
        (n, 1, 12, 35).
    """
    columns = mfcc.T
    return np.stack([_cut(columns, mfcc_start(int(f)), MFCC_STEP, 0.0) for f in frames])[:, None]


def sync_mfccs(mfcc: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """The cepstra of whole five-frame windows at 25 fps, which SyncNet v2 hears.

    Args:
        mfcc: (13, rows) at 100 rows a second.
        starts: (n,) first frames; the windows must lie inside.

    Returns:
        float32 (n, 1, 13, 20).
    """
    rows = 4 * np.asarray(starts)[:, None] + np.arange(SYNC_MFCC_STEP)
    return np.ascontiguousarray(mfcc[:, rows].swapaxes(0, 1)[:, None])


def _cut(columns: np.ndarray, start: int, length: int, silence: float) -> np.ndarray:
    """``columns[:, start : start + length]``, filled with ``silence`` where there is no sound."""
    inside = columns[:, max(start, 0) : max(start + length, 0)]
    if inside.shape[1] == length:
        return inside
    window = np.full((columns.shape[0], length), silence, columns.dtype)
    offset = max(-start, 0)
    window[:, offset : offset + inside.shape[1]] = inside
    return window


def inference_chunks(n_mel: int, fps: float) -> list[int]:
    """Start columns of the mel windows of a whole sound, as published inference cuts it.

    One window a frame at ``int(frame * 80 / fps)``; the first that would reach past the end is
    moved back to the last 16 columns, and is the last.

    Raises:
        ValueError: if there are fewer than 16 columns.
    """
    if n_mel < MEL_STEP:
        raise ValueError(f"{n_mel} mel columns, a window needs {MEL_STEP}")
    step = MEL_RATE / fps
    whole = [int(i * step) for i in range(int(n_mel / step) + 2)]
    return [s for s in whole if s + MEL_STEP <= n_mel] + [n_mel - MEL_STEP]


def count_windows(frames: int, columns: int) -> int:
    """How many windows of 5 frames with their 16 mel columns a clip at 25 fps holds; may be 0.

    Windows begin at frames 0, 1, ..., count - 1.
    """
    by_frames = frames - T + 1
    # The largest f with int(3.2 f) + 16 <= columns.
    by_sound = int(np.ceil((columns - MEL_STEP + 1) * FPS / MEL_RATE - 1e-9))
    return max(0, min(by_frames, by_sound))


def sync_mels(mel: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """The mel of whole five-frame windows, which a lip-sync expert hears.

    Args:
        mel: (80, columns).
        starts: (n,) first frames of windows, at 25 fps.

    Returns:
        (n, 1, 80, 16) copy.
    """
    return np.stack([mel_window(mel, mel_start(int(s))) for s in starts])[:, None]


def frame_mels(mel: np.ndarray, frames: np.ndarray, lead: int) -> np.ndarray:
    """The mels of single frames at 25 fps, which a generator hears.

    Args:
        mel: (80, columns).
        frames: (n,) indices of frames.
        lead: frames before a frame at which its window begins.

    Returns:
        (n, 1, 80, 16).
    """
    return np.stack([mel_window(mel, mel_start(int(f), lead=lead)) for f in frames])[:, None]


def draw_apart(rng: np.random.Generator, count: int, start: int, gap: int) -> int | None:
    """A random window start among ``count`` that lies at least ``gap`` frames from ``start``.

    Returns None where there is none.
    """
    below, above = max(0, start - gap + 1), max(0, count - start - gap)
    if below + above == 0:
        return None
    k = int(rng.integers(below + above))
    return k if k < below else start + gap + (k - below)


def lower_half(faces):  # any array or tensor
    """The lower half of pictures laid out (..., height, width): ``[..., height // 2 :, :]``."""
    return faces[..., faces.shape[-2] // 2 :, :]
