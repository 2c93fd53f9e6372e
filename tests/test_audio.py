import zlib
from pathlib import Path

import numpy as np
import pytest

from lipsync import audio

GOLDEN = np.load(Path(__file__).parent / "golden" / "public_audio.npz")


@pytest.fixture(scope="module")
def wave() -> np.ndarray:
    """The wave of the golden numbers: a voiced glide with a little noise, 2 s at 16 kHz."""
    rng = np.random.RandomState(zlib.crc32(b"wave:public") & 0xFFFFFFFF)
    n = 2 * audio.SAMPLE_RATE
    t = np.arange(n) / audio.SAMPLE_RATE
    pitch = 120 + 40 * np.sin(2 * np.pi * 1.7 * t)
    phase = 2 * np.pi * np.cumsum(pitch) / audio.SAMPLE_RATE
    envelope = 0.5 + 0.5 * np.sin(2 * np.pi * 3.1 * t)
    x = sum(np.sin(k * phase) / k for k in range(1, 20)) * envelope * 0.2
    return np.clip(x + 0.01 * rng.standard_normal(n), -1, 1).astype(np.float32)


def test_golden_wave(wave):
    np.testing.assert_array_equal(wave[:64], GOLDEN["wave_head"])


def test_melspectrogram_is_the_published_one(wave):
    mel = audio.melspectrogram(wave)
    assert mel.dtype == np.float32
    assert mel.shape == (80, 161)
    np.testing.assert_allclose(mel, GOLDEN["mel"], atol=1e-4)


def test_mfcc_is_the_published_one(wave):
    np.testing.assert_allclose(audio.mfcc(wave), GOLDEN["mfcc"], atol=1e-4)


def test_samples_of_16_bit_sound_are_taken_as_they_are(wave):
    pcm = np.rint(wave * 12345).astype(np.int16)
    np.testing.assert_array_equal(audio._int16(pcm.astype(np.float32) / 32768), pcm)


@pytest.mark.parametrize("n", [1, 199, 200, 16001])
def test_a_column_every_200_samples(n):
    assert audio.melspectrogram(np.zeros(n, np.float32)).shape == (80, 1 + n // 200)


def test_silence_is_the_floor():
    assert (audio.melspectrogram(np.zeros(8000, np.float32)) == -4).all()
    assert np.isfinite(audio.mfcc(np.zeros(8000, np.float32))).all()
    assert np.abs(audio.lipgan_mfcc(np.zeros(16000, np.float32))).max() < 1e-9


def test_a_tone_lights_the_bin_of_its_frequency():
    tone = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000).astype(np.float32)
    loudest = audio.melspectrogram(tone)[:, 40].argmax()
    # Slaney's scale is linear to 1 kHz: 15 mel there, 0.825 at 55 Hz, 45.19 at 7.6 kHz, 81 steps.
    assert loudest == round((15 - 0.825) / (45.19 - 0.825) * 81) - 1


def test_lipgan_hears_350_ms_in_35_rows():
    assert audio.lipgan_mfcc(np.zeros(16000, np.float32)).shape == (99, 12)


@pytest.mark.parametrize("wave", [np.zeros(0, np.float32), np.zeros((2, 100), np.float32)])
def test_only_mono_sound_that_is_there(wave):
    with pytest.raises(ValueError, match="one-dimensional and not empty"):
        audio.melspectrogram(wave)
