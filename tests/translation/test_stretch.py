"""Time stretching: the length changes, pitch and level do not."""

import numpy as np
import pytest
from translation_media import pitch, tone

from lipsync.translation.stretch import stretch

RATE = 24_000


@pytest.mark.parametrize("speed", [0.8, 1.15, 1.4, 2.0])
@pytest.mark.parametrize("hertz", [90.0, 233.0])
def test_a_tone_stays_at_its_pitch(speed: float, hertz: float) -> None:
    wave = tone(1.0, hertz, RATE)
    out = stretch(wave, RATE, speed)
    assert len(out) == round(RATE / speed)
    assert out.dtype == np.float32
    middle = out[1500:-1500]
    assert pitch(middle, RATE) == pytest.approx(hertz, rel=0.01)
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.3 / np.sqrt(2), rel=0.03)


def test_events_come_as_much_sooner() -> None:
    """Bursts at 0.5 and 1.5 s move to 0.4 and 1.2 s at a speed of 1.25."""
    wave = np.zeros(2 * RATE, np.float32)
    for at in (0.5, 1.5):
        start = round(at * RATE)
        wave[start : start + 2400] = tone(0.1, 300.0, RATE)
    out = np.abs(stretch(wave, RATE, 1.25))
    begins = np.flatnonzero(np.diff((out > 0.05).astype(int)) == 1) / RATE
    assert begins[0] == pytest.approx(0.4, abs=0.02)
    assert begins[begins > 0.8][0] == pytest.approx(1.2, abs=0.02)


def test_at_its_own_speed_it_is_the_same() -> None:
    wave = tone(0.3, rate=RATE)
    np.testing.assert_array_equal(stretch(wave, RATE, 1.0), wave)


def test_noise_keeps_its_level() -> None:
    noise = (0.1 * np.random.default_rng(0).standard_normal(RATE)).astype(np.float32)
    out = stretch(noise, RATE, 1.3)
    assert np.sqrt(np.mean(out**2)) == pytest.approx(0.1, rel=0.15)


@pytest.mark.parametrize("samples", [0, 1, 100, 2000])
def test_short_waves(samples: int) -> None:
    wave = np.linspace(-0.5, 0.5, samples, dtype=np.float32)
    assert len(stretch(wave, RATE, 1.4)) == round(samples / 1.4)
