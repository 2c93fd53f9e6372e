"""Sound of any rate, layout and content."""

from __future__ import annotations

import struct
import wave as wavfile
from pathlib import Path

import numpy as np
import pytest
from media_files import RATE, write_numbers

from lipsync.errors import MediaError
from lipsync.media import read_audio, write_audio


def write_wav(path: Path, samples: np.ndarray, rate: int) -> Path:
    """``samples`` int16 (n, channels)."""
    with wavfile.open(str(path), "wb") as file:
        file.setparams((samples.shape[1], 2, rate, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())
    return path


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (44100, 2), (48000, 6)])
def test_rates_and_channels(tmp_path: Path, rate: int, channels: int) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    samples = np.repeat((tone * 32767)[:, None], channels, 1)
    wave = read_audio(write_wav(tmp_path / "a.wav", samples, rate))
    assert abs(len(wave) - RATE) <= 1
    middle = wave[2000:-2000]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert np.argmax(spectrum) * RATE / len(middle) == pytest.approx(440, abs=2)
    assert np.abs(middle).max() == pytest.approx(0.5, abs=0.02)  # equal channels keep their level


def test_sixteen_bit_sound_comes_back_exactly(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).integers(-32768, 32768, 5000)
    wave = read_audio(write_wav(tmp_path / "a.wav", samples[:, None], RATE))
    assert np.array_equal(wave * 32768, samples)
    write_audio(tmp_path / "b.wav", wave)
    assert (tmp_path / "b.wav").read_bytes() == (tmp_path / "a.wav").read_bytes()


def test_not_a_number_is_damage_and_concealed_by_silence(tmp_path: Path) -> None:
    tone = 0.3 * np.sin(np.arange(RATE) / 9).astype("<f4")
    tone[5000:5010] = np.nan
    tone[6000] = np.inf
    # RIFF header of a WAV with one channel of 32-bit floats (format 3)
    layout = struct.pack("<HHIIHH", 3, 1, RATE, 4 * RATE, 4, 32)
    header = b"WAVEfmt " + struct.pack("<I", 16) + layout + b"data" + struct.pack("<I", tone.nbytes)
    header = b"RIFF" + struct.pack("<I", len(header) + tone.nbytes) + header
    (tmp_path / "f.wav").write_bytes(header + tone.tobytes())
    with pytest.raises(
        MediaError,
        match=r"f\.wav: its sound contains NaN or infinity at about 0\.",
    ):
        read_audio(tmp_path / "f.wav")
    wave = read_audio(tmp_path / "f.wav", tolerate_damage=True)
    assert np.isfinite(wave).all()
    assert np.abs(wave[5000:5010]).max() < 0.01
    assert np.abs(wave - np.nan_to_num(tone, nan=0, posinf=0)).max() < 1e-4
    write_audio(tmp_path / "g.wav", tone)
    path = write_numbers(tmp_path / "v.mp4", audio=tone)
    assert np.isfinite(read_audio(tmp_path / "g.wav")).all()
    assert np.abs(read_audio(path)).max() < 0.5


def voice(seconds: float = 2.0, rate: int = 48_000, seed: int = 0) -> np.ndarray:
    """Noise in syllables, (n,) in [-0.5, 0.5]."""
    time = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(seed).standard_normal(len(time)).clip(-2.5, 2.5) / 5
    return noise * np.sin(2 * np.pi * 2 * time) ** 2


def level(wave: np.ndarray) -> float:
    return float(10 * np.log10((wave.astype(np.float64) ** 2).mean()))


@pytest.mark.parametrize("gain", [-1.0, -0.98, -0.7])
@pytest.mark.parametrize("channels", [2, 6])
def test_channels_that_cancel_each_other(tmp_path, caplog, gain: float, channels: int) -> None:
    left = voice()
    samples = np.zeros((len(left), channels))
    samples[:, 0], samples[:, 1] = left, gain * left
    path = write_wav(tmp_path / "a.wav", samples * 32767, 48_000)
    wave = read_audio(path)
    alone = read_audio(write_wav(tmp_path / "left.wav", left[:, None] * 32767, 48_000))
    assert np.abs(wave - alone).max() < 1e-3
    assert [r.message for r in caplog.records] == [
        f"{path}: its channels cancel each other; the strongest of them is heard"
    ]


def test_channels_that_cancel_for_a_while(tmp_path: Path) -> None:
    """Normal, with reversed polarity from 3 to 7 s, then normal."""
    left = voice(10)
    right = left.copy()
    right[3 * 48_000 : 7 * 48_000] *= -1
    stereo = np.stack([left, right], 1)
    wave = read_audio(write_wav(tmp_path / "a.wav", stereo * 32767, 48_000))
    alone = read_audio(write_wav(tmp_path / "left.wav", left[:, None] * 32767, 48_000))
    for second in range(10):
        part = slice(second * RATE, (second + 1) * RATE)
        assert level(wave[part]) == pytest.approx(level(alone[part]), abs=2), second


@pytest.mark.parametrize("kind", ["equal", "apart", "one", "half"])
def test_other_channels_are_mixed(tmp_path: Path, caplog, kind: str) -> None:
    left = voice()
    right = {"equal": left, "apart": voice(seed=1), "one": 0 * left, "half": -0.3 * left}[kind]
    path = write_wav(tmp_path / "a.wav", np.stack([left, right], 1) * 32767, 48_000)
    mixed = read_audio(write_wav(tmp_path / "b.wav", (left + right)[:, None] / 2 * 32767, 48_000))
    assert np.abs(read_audio(path) - mixed).max() < 1e-3
    assert not caplog.records
