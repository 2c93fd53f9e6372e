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
    with pytest.raises(MediaError, match=r"f\.wav: its sound is not a finite number at about 0\."):
        read_audio(tmp_path / "f.wav")
    wave = read_audio(tmp_path / "f.wav", tolerate_damage=True)
    assert np.isfinite(wave).all()
    assert np.abs(wave[5000:5010]).max() < 0.01
    assert np.abs(wave - np.nan_to_num(tone, nan=0, posinf=0)).max() < 1e-4
    write_audio(tmp_path / "g.wav", tone)
    path = write_numbers(tmp_path / "v.mp4", audio=tone)
    assert np.isfinite(read_audio(tmp_path / "g.wav")).all()
    assert np.abs(read_audio(path)).max() < 0.5
