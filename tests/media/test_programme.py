"""Programme loudness: measurement, normalisation, peaks and timing."""

from functools import partial

import numpy as np
import pytest

from lipsync.media.programme import PEAK_DB, measure_programme, plan_loudness_change

RATE = 48_000


def sine(db: float, seconds: float = 6.0, hertz: float = 997.0, channels: int = 1) -> np.ndarray:
    times = np.arange(round(seconds * RATE)) / RATE
    wave = 10 ** (db / 20) * np.sin(2 * np.pi * hertz * times)
    return np.repeat(wave[None].astype(np.float32), channels, axis=0)


def blocks(wave: np.ndarray, size: int = 7001):
    return (wave[:, i : i + size] for i in range(0, wave.shape[1], size))


def speechlike(seed: int = 0, seconds: float = 8.0) -> np.ndarray:
    """Noise in syllables with occasional peaks, 18 dB above its mean."""
    rng = np.random.default_rng(seed)
    count = round(seconds * RATE)
    wave = 0.05 * rng.standard_normal(count)
    wave *= 0.2 + np.abs(np.sin(np.arange(count) / RATE * 2 * np.pi * 3))
    wave[rng.integers(0, count, 60)] += 0.4
    return wave[None].astype(np.float32)


@pytest.mark.parametrize(("channels", "lufs"), [(1, -23.0), (2, -20.0)])
def test_a_sine_has_the_loudness_that_the_standard_says(channels, lufs):
    loud, peak = measure_programme(blocks(sine(-20, channels=channels)), RATE)
    assert loud == pytest.approx(lufs, abs=0.1)  # BS.1770: -20 dBFS at 997 Hz, of two channels more
    assert peak == pytest.approx(-20, abs=0.1)


@pytest.mark.parametrize("target", [-23.0, -16.0])
@pytest.mark.parametrize("db", [-40.0, -12.0])
def test_a_quiet_peak_is_a_plain_gain(db, target):
    wave = sine(db)
    found = plan_loudness_change(partial(blocks, wave), RATE, target)
    assert not found.limited
    out = np.concatenate(list(found.apply(blocks(wave), RATE)), axis=1)
    np.testing.assert_allclose(out, wave * 10 ** (found.gain_db / 20), rtol=1e-5)
    assert measure_programme(blocks(out), RATE)[0] == pytest.approx(target, abs=0.1)


@pytest.mark.parametrize(("channels", "target"), [(1, -14.0), (2, -11.0), (6, -8.0)])
def test_peaks_are_limited_and_the_loudness_is_reached(channels, target):
    wave = np.repeat(speechlike(), channels, axis=0)
    found = plan_loudness_change(partial(blocks, wave), RATE, target)
    assert found.limited
    out = np.concatenate(list(found.apply(blocks(wave), RATE)), axis=1)
    loud, peak = measure_programme(blocks(out), RATE)
    assert loud == pytest.approx(target, abs=0.3)
    assert loud == pytest.approx(found.after, abs=0.01)
    assert peak <= PEAK_DB + 0.01
    assert abs(out.shape[1] - wave.shape[1]) < 0.002 * RATE
    count = min(out.shape[1], wave.shape[1])
    spectrum = np.fft.rfft(out[0, :count]) * np.conj(np.fft.rfft(wave[0, :count]))
    assert abs(int(np.argmax(np.fft.irfft(spectrum)))) <= 1  # no delay


def test_silence_is_left_alone():
    assert (
        plan_loudness_change(partial(blocks, np.zeros((1, 3 * RATE), np.float32)), RATE, -23.0)
        is None
    )
