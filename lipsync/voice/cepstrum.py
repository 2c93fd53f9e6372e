"""The features of voice conversion: mel cepstra of the envelope every 10 ms."""

from __future__ import annotations

from functools import cache

import librosa
import numpy as np
from scipy.fft import dct

from lipsync.voice.envelope import BINS
from lipsync.voice.pitch import SAMPLE_RATE

COEFFICIENTS = 32
STEP = 2  # vocoder frames per row of cepstra
_MEL_POINTS = 128
_SPEECH_RANGE = 40.0  # dB below the loud rows within which a row counts as speech


def encode(envelope: np.ndarray, coefficients: int = COEFFICIENTS) -> np.ndarray:
    """Log envelope (frames, 513) -> float32 (frames, coefficients), mel axis, DCT-II orthonormal.

    The first coefficient is the power.
    """
    return (envelope @ _matrices(coefficients)[0]).astype(np.float32)


def decode(cepstra: np.ndarray) -> np.ndarray:
    """The smooth log envelope (frames, 513) of cepstra (frames, coefficients)."""
    return cepstra @ _matrices(cepstra.shape[1])[1]


def to_frames(rows: np.ndarray, frames: int) -> np.ndarray:
    """Rows every 10 ms -> (frames, ...) every 5 ms, interpolated linearly."""
    place = np.minimum(np.arange(frames) / STEP, len(rows) - 1)
    low = np.minimum(place.astype(int), max(0, len(rows) - 2))
    high = np.minimum(low + 1, len(rows) - 1)
    part = (place - low)[:, None]
    return rows[low] * (1 - part) + rows[high] * part


def is_speech(rows: np.ndarray) -> np.ndarray:
    """bool (rows,): within 40 dB of the loud rows, by the first coefficient."""
    decibels = rows[:, 0] / np.sqrt(_MEL_POINTS) * 10 / np.log(10)
    return decibels > np.quantile(decibels, 0.95) - _SPEECH_RANGE


@cache
def _matrices(coefficients: int) -> tuple[np.ndarray, np.ndarray]:
    """(513, coefficients) and (coefficients, 513); both interpolate linearly between axes."""
    hertz = np.linspace(0, SAMPLE_RATE / 2, BINS)
    mel = librosa.hz_to_mel(hertz, htk=True)
    points = np.linspace(0, mel[-1], _MEL_POINTS)
    to_mel = np.stack([np.interp(points, mel, row) for row in np.eye(BINS)])  # (513, 128)
    from_mel = np.stack([np.interp(mel, points, row) for row in np.eye(_MEL_POINTS)])  # (128, 513)
    basis = dct(np.eye(_MEL_POINTS), type=2, norm="ortho", axis=1)[:, :coefficients]  # (128, c)
    return to_mel @ basis, basis.T @ from_mel
