"""The background kept under the new speech, on mixtures of known parts."""

from __future__ import annotations

import numpy as np
import pytest

from lipsync.translation.mixing import RATE, background

SECONDS = 9.0
SPOKEN = [(1.2, 3.6), (5.1, 7.7)]
TIMES = np.arange(round(SECONDS * RATE)) / RATE


def si_sdr(found: np.ndarray, wanted: np.ndarray) -> float:
    """Scale-invariant signal-to-distortion ratio, dB (Le Roux et al. 2019)."""
    found, wanted = found - found.mean(), wanted - wanted.mean()
    scaled = (found @ wanted) / (wanted @ wanted) * wanted
    rest = found - scaled
    return float(10 * np.log10((scaled @ scaled) / (rest @ rest)))


def said() -> np.ndarray:
    """A voice in the spans: harmonics of a gliding pitch, in syllables."""
    pitch = 130 + 25 * np.sin(2 * np.pi * 0.7 * TIMES) + 10 * np.sin(2 * np.pi * 1.9 * TIMES)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    wave = sum(np.sin(k * phase) / k for k in range(1, 20))
    wave = wave * np.maximum(0, np.sin(2 * np.pi * 2.3 * TIMES))
    return wave * np.any([(a <= TIMES) & (b > TIMES) for a, b in SPOKEN], axis=0)


def music() -> np.ndarray:
    """Four chords of half a second each, repeated."""
    wave = np.zeros_like(TIMES)
    for k in range(round(SECONDS * 2)):
        own = (k / 2 <= TIMES) & ((k + 1) / 2 > TIMES)
        since = TIMES[own] - k / 2
        for hertz in [(220, 277, 330), (196, 247, 294), (175, 220, 262), (262, 330, 392)][k % 4]:
            wave[own] += np.exp(-3 * since) * sum(
                np.sin(2 * np.pi * hertz * h * since) / h for h in (1, 2, 3)
            )
    return wave


def street() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.convolve(rng.standard_normal(len(TIMES)), np.exp(-np.arange(40) / 8), "same")


@pytest.mark.parametrize("behind", [music, street])
@pytest.mark.parametrize("db", [0.0, -10.0])
def test_speech_goes_and_the_background_stays(behind, db):
    voice, rest = said(), behind()
    rest *= 10 ** (db / 20) * voice.std() / rest.std()
    mixed = (voice + rest).astype(np.float32)
    kept = background(mixed, SPOKEN)
    within = np.any([(a <= TIMES) & (b > TIMES) for a, b in SPOKEN], axis=0)
    gained = si_sdr(kept[within], rest[within]) - si_sdr(mixed[within], rest[within])
    assert gained > 6.5
    pause = SPOKEN[0][0] - 0.2 > TIMES
    np.testing.assert_allclose(kept[pause], rest[pause], atol=1e-3 * np.abs(rest).max())
