"""Voice conversion: by a reference, and by a network."""

import numpy as np
import pytest
import torch
from voices import RATE, speak

from lipsync.checkpoints import load_model, save_model
from lipsync.errors import ConfigError, MediaError
from lipsync.media import read_audio, write_audio
from lipsync.voice import analyse, convert, convert_file, match_voice
from lipsync.voice.conversion import convert_cepstra
from lipsync.voice.network import VoiceConverter


def median_pitch(wave: np.ndarray, rate: int = RATE) -> float:
    speech = analyse(wave, rate)
    return float(np.median(speech.pitch[speech.voiced]))


def average(wave: np.ndarray) -> np.ndarray:
    """Mean envelope of the voiced frames in dB up to 5 kHz, with its mean removed."""
    speech = analyse(wave)
    mean = speech.envelope[speech.voiced].mean(axis=0)[:320] * 10 / np.log(10)
    return mean - mean.mean()


def converter(**changes) -> VoiceConverter:
    torch.manual_seed(0)
    network = VoiceConverter(["low", "high"], width=0.0625).eval()
    mean = torch.zeros(2, 32)
    mean[1, 3] = changes.get("third", 4.0)
    log_pitch = torch.tensor([[110.0, 0.2], [220.0, 0.1]])
    log_pitch[:, 0] = log_pitch[:, 0].log()
    network.set_statistics(mean, torch.ones(2, 32), log_pitch)
    return network


def test_match_voice_moves_pitch_and_envelope_to_the_reference():
    low, high = speak(2.0, 110.0, 1.0), speak(2.0, 220.0, 1.17, seed=7)
    made = match_voice(low, RATE, high)
    assert made.shape == low.shape
    assert median_pitch(made) == pytest.approx(median_pitch(high), rel=0.05)
    before = np.abs(average(low) - average(high)).mean()
    after = np.abs(average(made) - average(high)).mean()
    assert after < 0.6 * before
    assert np.std(made) == pytest.approx(np.std(low), rel=0.02)


def test_match_voice_keeps_a_voice_that_is_the_reference_already():
    low = speak(2.0, 110.0)
    made = match_voice(low, RATE, low)
    assert median_pitch(made) == pytest.approx(median_pitch(low), rel=0.02)
    assert np.abs(average(made) - average(low)).mean() < 2.5  # dB


def test_match_voice_takes_any_rates():
    low, high = speak(1.0, 110.0), speak(1.0, 220.0, 1.17)
    doubled = np.repeat(low, 2)
    made = match_voice(doubled, 2 * RATE, high, RATE)
    assert made.shape == doubled.shape
    assert median_pitch(made, 2 * RATE) == pytest.approx(median_pitch(high), rel=0.05)


def test_an_untrained_converter_moves_mean_and_deviation_alone():
    network = converter()
    cepstra = np.random.default_rng(0).standard_normal((67, 32)).astype(np.float32)
    made = convert_cepstra(cepstra, network, 1)
    expected = cepstra.copy()
    expected[:, 3] += 4.0
    np.testing.assert_allclose(made, expected, atol=1e-4)
    np.testing.assert_allclose(convert_cepstra(made, network, 0), cepstra, atol=1e-4)


def test_long_speech_is_converted_in_pieces_without_seams():
    network = converter()
    cepstra = np.random.default_rng(0).standard_normal((2500, 32)).astype(np.float32)
    made = convert_cepstra(cepstra, network, 0)
    assert made.shape == cepstra.shape
    np.testing.assert_allclose(made[:, :3], cepstra[:, :3], atol=1e-4)


def test_convert_moves_the_pitch_and_keeps_length_and_loudness():
    low = speak(1.0, 110.0)
    for rate, wave in ((RATE, low), (2 * RATE, np.repeat(low, 2))):
        made = convert(wave, rate, converter())
        assert made.shape == wave.shape
        assert median_pitch(made, rate) == pytest.approx(2 * median_pitch(low), rel=0.05)
        assert np.std(made) == pytest.approx(np.std(wave), rel=0.02)
    back = convert(speak(1.0, 220.0), RATE, converter(), "low")
    assert median_pitch(back) == pytest.approx(110, rel=0.1)


def test_what_cannot_be_converted_is_one_line():
    with pytest.raises(ConfigError, match="does not know the voice 'bob'; it knows low and high"):
        convert(speak(0.5), RATE, converter(), "bob")
    with pytest.raises(ConfigError, match="Linear is not a voice converter"):
        convert(speak(0.5), RATE, torch.nn.Linear(1, 1))
    with pytest.raises(MediaError, match="reference: contains no voiced sound"):
        match_voice(speak(0.5), RATE, np.zeros(RATE, np.float32))


def test_files_are_converted_by_a_saved_model_or_a_reference(tmp_path):
    save_model(converter(), tmp_path / "voice.safetensors")
    loaded = load_model(tmp_path / "voice.safetensors")
    assert loaded.speakers == ["low", "high"]
    torch.testing.assert_close(loaded.log_pitch, converter().log_pitch)

    write_audio(tmp_path / "in.wav", speak(0.8, 110.0), RATE)
    write_audio(tmp_path / "other.wav", speak(0.8, 220.0, 1.17), RATE)
    made = convert_file(
        tmp_path / "in.wav", tmp_path / "a.wav", model=tmp_path / "voice.safetensors"
    )
    assert made.voice == "high"
    assert made.seconds == pytest.approx(0.8)
    convert_file(tmp_path / "in.wav", tmp_path / "b.wav", reference=tmp_path / "other.wav")
    for name in ("a.wav", "b.wav"):
        assert median_pitch(read_audio(tmp_path / name)) == pytest.approx(220, rel=0.1)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "name a voice: a trained --model, or a recording with --reference"),
        ({"model": "a", "reference": "b"}, "name a voice"),
        ({"reference": "b", "speaker": "x"}, "--speaker requires --model"),
        ({"model": "syncnet-open"}, "SyncNet is not a voice converter"),
    ],
)
def test_options_that_do_not_fit_are_one_line(tmp_path, options, problem):
    write_audio(tmp_path / "in.wav", speak(0.5), RATE)
    with pytest.raises(ConfigError, match=problem):
        convert_file(tmp_path / "in.wav", tmp_path / "out.wav", **options)
    with pytest.raises(ConfigError, match=r"name a \.wav file"):
        convert_file(tmp_path / "in.wav", tmp_path / "out.mp3", reference=tmp_path / "in.wav")
    assert not (tmp_path / "out.wav").exists()
