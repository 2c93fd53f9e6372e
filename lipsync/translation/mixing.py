"""The new sound of a video: lines in their places, at the level of the old ones, over the old
background. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.signal import istft, stft

RATE = 24_000  # samples a second of the new sound
_FADE = 0.01  # seconds at both ends of a line
_SILENCE = -45.0  # dB below its loudest block: where a spoken line begins and ends
_MARGIN = 0.03  # seconds kept around it
_PEAK = 0.97
_ALIKE = 8  # moments of the pauses that stand for what is heard under a moment of speech
_MOMENTS = 4000  # of the pauses that are compared, a minute and a half of them
_AT_ONCE = 256  # moments of speech


def trim(wave: np.ndarray, rate: int) -> np.ndarray:
    """Cut the silence before and after a spoken line; all-silent waves come back empty."""
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
    """Root mean square of some waves together, 0.0 where there are none."""
    total = sum(wave.size for wave in waves)
    if not total:
        return 0.0
    return float(np.sqrt(sum(np.square(wave, dtype=np.float64).sum() for wave in waves) / total))


def assemble(
    waves: Sequence[np.ndarray], starts: Sequence[float], samples: int, wanted: float
) -> np.ndarray:
    """Lay lines out on silence.

    Args:
        waves: float32 (n,) each, at ``RATE``.
        starts: their starts in seconds.
        samples: length of the whole.
        wanted: root mean square that each line is brought to, as far as it does not clip; 0 leaves
            lines as loud as they are.

    Returns:
        float32 (samples,) in [-1, 1].
    """
    track = np.zeros(samples, np.float32)
    for wave, start in zip(waves, starts, strict=True):
        if not wave.size:
            continue
        gain = wanted / max(level([wave]), 1e-6) if wanted else 1.0
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
    """What of a video's sound is not speech.

    Between the spoken spans it is the sound itself. Within them every frequency is pressed down to
    its median level in those moments of the pauses around that are most like it: steady sounds and
    music that comes again go on, the speech goes. (REPET-SIM, Rafii and Pardo 2012, whose
    similar moments are here free of speech.)

    Args:
        wave: float32 (n,) at ``RATE``.
        spoken: (start, end) in seconds.
    """
    window = 2048
    _, times, spectrum = stft(wave, RATE, nperseg=window, noverlap=window * 3 // 4)
    reach = window / RATE  # a window that touches speech is speech, and so is a breath
    speech = np.zeros(times.size, bool)
    for start, end in spoken:
        speech |= (times > start - reach) & (times < end + reach)
    magnitude = np.abs(spectrum).astype(np.float32)
    said, quiet = np.flatnonzero(speech), np.flatnonzero(~speech)
    for first in range(0, said.size, _AT_ONCE):
        own = said[first : first + _AT_ONCE]
        heard = magnitude[:, own]
        near = np.sort(quiet[np.argsort(np.abs(quiet - own.mean()))[:_MOMENTS]])
        if near.size >= _ALIKE:
            floor = _alike(heard, magnitude[:, near])
        else:  # no pause: the quietest moments stand in
            floor = np.quantile(magnitude, 0.05, axis=1)[:, None]
        spectrum[:, own] *= np.minimum(1.0, floor / np.maximum(heard, 1e-9))
    _, kept = istft(spectrum, RATE, nperseg=window, noverlap=window * 3 // 4)
    return np.asarray(kept[: len(wave)], np.float32)


def _alike(heard: np.ndarray, pauses: np.ndarray) -> np.ndarray:
    """Of each moment (bins, n) the median (bins, n) of those pauses (bins, m) most like it."""
    one, other = np.log1p(heard), np.log1p(pauses)
    one = one / np.maximum(np.linalg.norm(one, axis=0), 1e-9)
    other = other / np.maximum(np.linalg.norm(other, axis=0), 1e-9)
    like = np.argpartition(-(one.T @ other), _ALIKE - 1, axis=1)[:, :_ALIKE]
    return np.median(pauses[:, like], axis=2)
