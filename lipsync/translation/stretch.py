"""Time stretching without a change of pitch: WSOLA (Verhelst and Roelands, ICASSP 1993)."""

from __future__ import annotations

import numpy as np

WINDOW = 0.032  # seconds: two periods of a low voice
TOLERANCE = 0.008  # seconds; search range to either side for the best match


def stretch(wave: np.ndarray, rate: int, speed: float) -> np.ndarray:
    """Change the speed of speech.

    The analysis hop is ``speed`` times the synthesis hop; each window is shifted to best continue
    the one before it.

    Args:
        wave: float32 (n,).
        rate: sample rate in Hz.
        speed: 2 is twice as fast, 0.5 half as fast.

    Returns:
        float32 (round(n / speed),).
    """
    total = round(len(wave) / speed)
    if speed == 1 or not total:
        return wave[:total].copy()
    hop = round(WINDOW * rate / 2)
    tolerance = round(TOLERANCE * rate)
    window = np.hanning(2 * hop + 1)[:-1].astype(np.float32)  # sums to one at half overlap
    padded = np.pad(wave.astype(np.float32), (hop + tolerance, 4 * hop + 2 * tolerance))
    out = np.zeros(total + 3 * hop, np.float32)
    at = tolerance  # start of the first window, half of which is silence before the wave
    for start in range(0, total + hop, hop):
        if start:
            ideal = min(round((start - hop) * speed) + hop + tolerance, len(padded) - 3 * hop)
            ideal = max(ideal, tolerance)
            low = max(0, ideal - tolerance)
            search = padded[low : min(ideal + tolerance, len(padded) - 2 * hop) + 2 * hop]
            at = low + _best(search, padded[at + hop : at + 3 * hop])
        out[start : start + 2 * hop] += window * padded[at : at + 2 * hop]
    return out[hop : hop + total]


def _best(search: np.ndarray, template: np.ndarray) -> int:
    """The shift at which ``search`` best matches ``template``, by normalised correlation."""
    if not template.any():
        return max(0, (len(search) - len(template)) // 2)
    products = np.correlate(search, template, mode="valid")
    squares = np.concatenate([[0.0], np.cumsum(np.square(search, dtype=np.float64))])
    energy = squares[len(template) :] - squares[: -len(template)]
    return int(np.argmax(products / np.sqrt(energy + 1e-6)))
