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
    its median level in the pauses: steady sounds (a fan, a street) go on, the speech goes; music
    goes with it.

    Args:
        wave: float32 (n,) at ``RATE``.
        spoken: (start, end) in seconds.
    """
    window = 1024
    _, times, spectrum = stft(wave, RATE, nperseg=window, noverlap=window * 3 // 4)
    reach = 2 * window / RATE  # a window that touches speech is speech, and so is a breath
    speech = np.zeros(times.size, bool)
    for start, end in spoken:
        speech |= (times > start - reach) & (times < end + reach)
    magnitude = np.abs(spectrum)
    quiet = magnitude[:, ~speech]
    pauses = quiet.shape[1] >= 8  # else the quietest moments stand in for them
    floor = np.median(quiet, axis=1) if pauses else np.quantile(magnitude, 0.05, axis=1)
    gain = np.minimum(1.0, floor[:, None] / np.maximum(magnitude, 1e-9))
    spectrum *= np.where(speech[None], gain, 1.0)
    _, kept = istft(spectrum, RATE, nperseg=window, noverlap=window * 3 // 4)
    return np.asarray(kept[: len(wave)], np.float32)
