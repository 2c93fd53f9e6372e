"""Lines at their times, and the background without speech."""

import numpy as np
import pytest
from translation_media import tone

from lipsync.translation.mixing import RATE, assemble, background, level, trim


def test_trim_keeps_the_speech_and_a_little() -> None:
    wave = np.concatenate([np.zeros(RATE), tone(0.5, rate=RATE), np.zeros(RATE)]).astype(np.float32)
    wave += 1e-5 * np.random.default_rng(0).standard_normal(len(wave)).astype(np.float32)
    assert 0.5 <= len(trim(wave, RATE)) / RATE <= 0.6


def test_trim_of_silence_is_empty() -> None:
    assert trim(np.zeros(1000, np.float32), RATE).size == 0
    assert trim(np.zeros(0, np.float32), RATE).size == 0


def test_lines_are_laid_out_at_the_wanted_level() -> None:
    loud, soft = tone(1.0, rate=RATE, level=0.8), tone(1.0, rate=RATE, level=0.05)
    track = assemble([loud, soft], [0.5, 2.0], 4 * RATE, target_level=0.1)
    assert len(track) == 4 * RATE
    for start in (0.5, 2.0):
        heard = track[round((start + 0.1) * RATE) : round((start + 0.9) * RATE)]
        assert level([heard]) == pytest.approx(0.1, rel=0.03)
    assert not track[: round(0.5 * RATE)].any()
    assert not track[3 * RATE :].any()


def test_a_line_is_never_made_to_clip() -> None:
    peak = np.zeros(RATE, np.float32)
    peak[RATE // 2] = 0.5
    assert np.abs(assemble([peak], [0.0], RATE, target_level=0.5)).max() <= 0.97 + 1e-6


def test_what_reaches_beyond_the_end_is_cut() -> None:
    assert len(assemble([tone(1.0, rate=RATE)], [0.5], RATE, target_level=0.0)) == RATE


def test_background_goes_on_where_speech_is_taken_out() -> None:
    """A constant hum of 120 Hz, speech of 700 Hz from 1 to 2 s: only the speech is removed."""
    hum = tone(3.0, 120.0, RATE, 0.02)
    noise = 1e-3 * np.random.default_rng(1).standard_normal(3 * RATE)
    wave = (hum + noise).astype(np.float32)
    wave[RATE : 2 * RATE] += tone(1.0, 700.0, RATE, 0.4)
    kept = background(wave, [(1.0, 2.0)])
    assert kept.shape == wave.shape
    inside = kept[round(1.2 * RATE) : round(1.8 * RATE)]

    def strength(of: np.ndarray, hertz: float) -> float:
        phase = np.exp(-2j * np.pi * hertz * np.arange(len(of)) / RATE)
        return float(2 * np.abs(np.mean(of * phase)))

    assert strength(inside, 120.0) == pytest.approx(0.02, rel=0.2)
    assert strength(inside, 700.0) < 0.4 / 100
    np.testing.assert_allclose(kept[2000 : RATE - 5000], wave[2000 : RATE - 5000], atol=1e-4)


def test_background_without_a_pause_is_quiet() -> None:
    speech = tone(2.0, 300.0, RATE) * np.abs(np.sin(np.linspace(0, 20, 2 * RATE)))
    kept = background(speech.astype(np.float32), [(0.0, 2.0)])
    assert level([kept]) < 0.2 * level([speech])
