"""The pitch of speech: autocorrelation candidates and the smoothest path through them.

P. Boersma, "Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise
ratio of a sampled sound", 1993; the costs are those of Praat.
"""

from __future__ import annotations

import numpy as np
from scipy.fft import irfft, rfft

SAMPLE_RATE = 16_000
HOP_LENGTH = 80  # 5 ms
FLOOR, CEILING = 65.0, 500.0  # Hz
_CANDIDATES = 8
_VOICING, _SILENCE = 0.45, 0.03
_OCTAVE, _OCTAVE_JUMP, _TURN = 0.01, 0.35, 0.14  # the last: between voiced and unvoiced
_REFERENCE_STEP = 0.01  # seconds; transition costs are for this step
_ABOVE = 1.8  # maximum pitch of a voice, relative to its upper quartile
_NEVER = -1e3  # strength of invalid candidates
_BLOCK = 4096  # frames per batch


def track_pitch(wave: np.ndarray) -> np.ndarray:
    """Fundamental frequency every 5 ms.

    Args:
        wave: float (n,) at 16 kHz, n > 0.

    Returns:
        float64 (1 + n // 80,) in Hz, 65 to 500; 0 where nothing is voiced.
    """
    lags, strengths = _candidates(np.asarray(wave, np.float64))
    chosen = _best_path(lags, strengths)
    if (chosen > 0).any():  # second pass, limited to this voice's range
        shortest = np.quantile(chosen[chosen > 0], 0.25) / _ABOVE
        strengths = np.where((lags > 0) & (lags < shortest), _NEVER, strengths)
        chosen = _best_path(lags, strengths)
    return np.divide(SAMPLE_RATE, chosen, out=np.zeros(len(chosen)), where=chosen > 0)


def frames_about(
    wave: np.ndarray, reach: int, first: int, count: int, hop: int = HOP_LENGTH
) -> np.ndarray:
    """(count, 2 * reach + 1) samples around frames ``first, first + 1, ...``; zero-padded."""
    start = first * hop - reach
    end = (first + count - 1) * hop + reach + 1
    piece = wave[max(0, start) : max(0, end)]
    piece = np.pad(piece, (max(0, -start), max(0, end - max(0, start) - len(piece))))
    return np.lib.stride_tricks.sliding_window_view(piece, 2 * reach + 1)[::hop]


def _candidates(wave: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lags in samples and strengths, (frames, 1 + candidates) each; the first is "unvoiced"."""
    count = 1 + len(wave) // HOP_LENGTH
    reach = round(1.5 * SAMPLE_RATE / FLOOR)  # three periods of the lowest pitch in all
    window = np.hanning(2 * reach + 1)
    size = 2048
    own = irfft(np.abs(rfft(window, size)) ** 2)
    shortest, longest = int(SAMPLE_RATE / CEILING), int(SAMPLE_RATE / FLOOR) + 1
    loudest = max(np.abs(wave).max(), 1e-9)
    lags, strengths = np.zeros((count, _CANDIDATES + 1)), np.zeros((count, _CANDIDATES + 1))
    for first in range(0, count, _BLOCK):
        rows = slice(first, min(first + _BLOCK, count))
        frames = frames_about(wave, reach, first, rows.stop - first)
        frames = frames - frames.mean(axis=1, keepdims=True)
        middle = frames[:, reach - longest // 2 : reach + longest // 2]
        loud = np.abs(middle).max(axis=1) / loudest
        similarity = irfft(np.abs(rfft(frames * window, size)) ** 2)[:, : longest + 2]
        similarity /= np.maximum(similarity[:, :1], 1e-12)
        similarity /= own[: longest + 2] / own[0]
        lags[rows, 1:], strengths[rows, 1:] = _peaks(similarity, shortest, longest)
        strengths[rows, 0] = _VOICING + np.maximum(0, 2 - loud / (_SILENCE / (1 + _VOICING)))
    return lags, strengths


def _peaks(similarity: np.ndarray, shortest: int, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """Lags (interpolated) and strengths of the strongest local maxima of each row."""
    left, here, right = (similarity[:, shortest + i : longest + 1 + i] for i in (-1, 0, 1))
    bend = np.minimum(left - 2 * here + right, -1e-9)
    shift = np.clip(0.5 * (left - right) / bend, -0.5, 0.5)
    height = here - 0.25 * (left - right) * shift
    lag = np.arange(shortest, longest + 1) + shift
    strength = height - _OCTAVE * np.log2(FLOOR * lag / SAMPLE_RATE)
    is_peak = (here > left) & (here >= right) & (here > 0.5 * _VOICING)
    strength = np.where(is_peak, strength, -np.inf)
    best = np.argpartition(-strength, _CANDIDATES, axis=1)[:, :_CANDIDATES]
    strength = np.take_along_axis(strength, best, axis=1)
    lag = np.where(np.isfinite(strength), np.take_along_axis(lag, best, axis=1), 0.0)
    return lag, np.where(np.isfinite(strength), strength, _NEVER)


def _best_path(lags: np.ndarray, strengths: np.ndarray) -> np.ndarray:
    """The lag of every frame, on the path that maximises strength minus cost (Viterbi)."""
    scale = _REFERENCE_STEP * SAMPLE_RATE / HOP_LENGTH
    octaves = np.log2(np.maximum(lags, 1.0))
    voiced = lags > 0
    both = voiced[:-1, :, None] & voiced[1:, None]
    turn = voiced[:-1, :, None] ^ voiced[1:, None]
    count, width = lags.shape
    came_from = np.zeros((count, width), int)
    score = strengths[0]
    for i in range(1, count):
        jump = _OCTAVE_JUMP * np.abs(octaves[i - 1][:, None] - octaves[i])
        total = score[:, None] - scale * (both[i - 1] * jump + turn[i - 1] * _TURN)
        came_from[i] = total.argmax(axis=0)
        score = total.max(axis=0) + strengths[i]
    path = np.empty(count, int)
    path[-1] = score.argmax()
    for i in range(count - 1, 0, -1):
        path[i - 1] = came_from[i, path[i]]
    return lags[np.arange(count), path]
