"""Mixing of the new sound: lines at their times, at the level of the old ones, over the old
background. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.signal import istft, stft

RATE = 24_000  # Hz, of the new sound
_FADE = 0.01  # seconds, at both ends of a line
_SILENCE = -45.0  # dB relative to the loudest block; quieter blocks at the ends are trimmed
_MARGIN = 0.03  # seconds kept around a line
_PEAK = 0.97
_SIMILAR = 8  # similar frames of pauses that model the background under a frame of speech
_MOMENTS = 4000  # maximum number of pause frames compared, a minute and a half
_BATCH_SIZE = 256  # speech frames per batch


def trim(wave: np.ndarray, rate: int) -> np.ndarray:
    """Cut the silence before and after a spoken line; a silent wave becomes empty."""
    block = max(1, round(0.01 * rate))
    levels = np.sqrt(_blocks(np.square(wave), block))
    if not levels.size or levels.max() < 1e-4:
        return wave[:0]
    loud = np.flatnonzero(levels > levels.max() * 10 ** (_SILENCE / 20))
    margin = round(_MARGIN * rate)
    return wave[max(0, loud[0] * block - margin) : (loud[-1] + 1) * block + margin]


def _blocks(values: np.ndarray, block: int) -> np.ndarray:
    padded = np.pad(values, (0, -len(values) % block))
    return padded.reshape(-1, block).mean(axis=1)


def level(waves: Sequence[np.ndarray]) -> float:
    """Joint root mean square of several waves, 0.0 if there are none."""
    total = sum(wave.size for wave in waves)
    if not total:
        return 0.0
    return float(np.sqrt(sum(np.square(wave, dtype=np.float64).sum() for wave in waves) / total))


def assemble(
    waves: Sequence[np.ndarray], starts: Sequence[float], samples: int, target_level: float
) -> np.ndarray:
    """Place lines on a silent track.

    Args:
        waves: float32 (n,) each, at ``RATE``.
        starts: their start times in seconds.
        samples: length of the track.
        target_level: target root mean square of each line, as far as it does not clip; 0 leaves the
            levels unchanged.

    Returns:
        float32 (samples,) in [-1, 1].
    """
    track = np.zeros(samples, np.float32)
    for wave, start in zip(waves, starts, strict=True):
        if not wave.size:
            continue
        gain = target_level / max(level([wave]), 1e-6) if target_level else 1.0
        gain = min(gain, _PEAK / max(float(np.abs(wave).max()), 1e-6))
        at = round(start * RATE)
        line = (wave * gain * _fades(wave.size))[: max(0, samples - at)]
        track[at : at + line.size] += line
    return np.clip(track, -1.0, 1.0)


def _fades(samples: int) -> np.ndarray:
    edge = min(round(_FADE * RATE), samples // 2)
    shape = np.ones(samples, np.float32)
    if edge:
        ramp = (np.arange(edge, dtype=np.float32) + 0.5) / edge
        shape[:edge], shape[samples - edge :] = ramp, ramp[::-1]
    return shape


def background(wave: np.ndarray, spoken: Sequence[tuple[float, float]]) -> np.ndarray:
    """The background of a video's sound, without its speech.

    Between the spoken spans it is the original sound. Within them every frequency is attenuated to
    its median level in the most similar frames of the pauses: steady sounds and repeating music
    remain, speech is removed. (REPET-SIM, Rafii and Pardo 2012, with the similar frames taken from
    pauses only.)

    Args:
        wave: float32 (n,) at ``RATE``.
        spoken: (start, end) in seconds.
    """
    window = 2048
    _, times, spectrum = stft(wave, RATE, nperseg=window, noverlap=window * 3 // 4)
    reach = window / RATE  # windows that touch speech count as speech, which includes breaths
    speech = np.zeros(times.size, bool)
    for start, end in spoken:
        speech |= (times > start - reach) & (times < end + reach)
    magnitude = np.abs(spectrum).astype(np.float32)
    speech_frames, quiet = np.flatnonzero(speech), np.flatnonzero(~speech)
    pauses = quiet.size >= _SIMILAR
    # without pauses, use the quietest frames instead
    floor = np.zeros(0) if pauses else np.quantile(magnitude, 0.05, axis=1)[:, None]
    for first in range(0, speech_frames.size, _BATCH_SIZE):
        own = speech_frames[first : first + _BATCH_SIZE]
        frames = magnitude[:, own]
        if pauses:
            near = np.sort(quiet[np.argsort(np.abs(quiet - own.mean()))[:_MOMENTS]])
            floor = _similar_median(frames, magnitude[:, near])
        spectrum[:, own] *= np.minimum(1.0, floor / np.maximum(frames, 1e-9))
    _, kept = istft(spectrum, RATE, nperseg=window, noverlap=window * 3 // 4)
    return np.asarray(kept[: len(wave)], np.float32)


def _similar_median(frames: np.ndarray, pauses: np.ndarray) -> np.ndarray:
    """For each frame (bins, n), the median (bins, n) of the most similar pauses (bins, m)."""
    one, other = np.log1p(frames), np.log1p(pauses)
    one = one / np.maximum(np.linalg.norm(one, axis=0), 1e-9)
    other = other / np.maximum(np.linalg.norm(other, axis=0), 1e-9)
    like = np.argpartition(-(one.T @ other), _SIMILAR - 1, axis=1)[:, :_SIMILAR]
    return np.median(pauses[:, like], axis=2)
