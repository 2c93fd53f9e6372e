"""Speech is normalised to one loudness for networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lipsync.media import write_audio
from lipsync.media.loudness import Leveller, Loudness, level_speech, read_speech

RATE = 16_000


def syllables(seconds: float = 4.0) -> np.ndarray:
    """Noise at -13 dB in syllables of 0.2 s, half of the time; 40 dB less in between."""
    wave = np.random.default_rng(0).standard_normal(round(seconds * RATE)).clip(-4, 4)
    loud = np.arange(len(wave)) // 3200 % 2 == 0
    return (10 ** (-13 / 20) * np.where(loud, wave, 0.01 * wave)).astype(np.float32)


@pytest.mark.parametrize("decibels", [-38.3, -26, -12.7, -7, 7, 10.5])
def test_speech_is_brought_to_the_usual_level(decibels: float) -> None:
    wave = syllables()
    heard = level_speech(wave * np.float32(10 ** (decibels / 20)))
    assert heard.dtype == np.float32
    np.testing.assert_allclose(heard, wave, rtol=0.02, atol=1e-6)


@pytest.mark.parametrize("decibels", [-5, 0, 5])
def test_speech_at_a_usual_level_is_left_alone(decibels: float) -> None:
    wave = syllables() * np.float32(10 ** (decibels / 20))
    assert level_speech(wave) is wave


@pytest.mark.parametrize("wave", [np.zeros(RATE), np.zeros(0), 1e-3 * syllables(), np.zeros(7)])
def test_silence_and_hiss_are_not_made_louder(wave: np.ndarray) -> None:
    wave = wave.astype(np.float32)
    assert level_speech(wave) is wave


def test_pauses_do_not_count() -> None:
    """One second of speech in ten."""
    wave = 0.1 * np.concatenate([syllables(1.0), np.zeros(9 * RATE, np.float32)])
    gain = np.abs(level_speech(wave)).max() / np.abs(wave).max()
    assert 20 * np.log10(gain) == pytest.approx(20, abs=0.3)


def test_loudness_in_pieces_is_that_of_the_whole() -> None:
    wave, whole, pieces = 0.05 * syllables(), Loudness(), Loudness()
    whole.push(wave)
    for at in range(0, len(wave), 777):
        pieces.push(wave[at : at + 777])
    assert pieces.gain_db() == pytest.approx(whole.gain_db(), abs=1e-9)
    quiet, loud = whole.percentiles(whole.gain_db())
    assert quiet == pytest.approx(-53, abs=2)
    assert loud == pytest.approx(-13, abs=2)


@pytest.mark.parametrize("decibels", [-38.3, -26, 0, 10.5])
def test_speech_that_comes_is_brought_to_the_usual_level_within_a_tenth_of_a_second(
    decibels: float,
) -> None:
    wave, leveller = syllables() * np.float32(10 ** (decibels / 20)), Leveller()
    pieces = [leveller.push(wave[at : at + 777]) for at in range(0, len(wave), 777)]
    heard = np.concatenate([*pieces, leveller.finish()])
    assert len(heard) == len(wave)
    np.testing.assert_allclose(heard[1600:], syllables()[1600:], rtol=0.15, atol=1e-3)
    assert np.abs(heard).max() < 1.2 * np.abs(syllables()).max()


def test_a_clipped_sound_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_audio(tmp_path / "good.wav", syllables())
    read_speech(tmp_path / "good.wav")
    assert not caplog.records
    write_audio(tmp_path / "loud.wav", 6 * syllables())
    share = (np.abs(6 * syllables()) >= 1).mean()
    read_speech(tmp_path / "loud.wav")
    read_speech(tmp_path / "loud.wav")
    assert [record.message for record in caplog.records] == [
        f"{tmp_path / 'loud.wav'}: its sound is clipped ({share:.1%} of the samples are at full "
        "scale); record it at a lower level"
    ]
