"""Analysis and synthesis of speech."""

import numpy as np
import pytest
from scipy.signal import lfilter
from voices import RATE, speak

from lipsync.errors import MediaError
from lipsync.voice import analyse, synthesise
from lipsync.voice.cepstrum import decode, encode, is_speech, to_frames
from lipsync.voice.envelope import noise_share, spectral_envelope
from lipsync.voice.pitch import FLOOR, track_pitch


@pytest.mark.parametrize("pitch", [80.0, 118.0, 210.0, 380.0])
def test_the_pitch_of_pulses_is_found(pitch):
    wave = speak(1.0, pitch)
    time = np.arange(1 + RATE // 80) * 80 / RATE
    true = pitch * 2 ** (0.1 * np.sin(2 * np.pi * time * 1.5))
    found = track_pitch(wave)
    voiced = found > 0
    assert voiced.mean() > 0.9
    cents = 1200 * np.abs(np.log2(found[voiced] / true[voiced]))
    assert np.median(cents) < 15
    assert (cents < 100).mean() > 0.95


def test_noise_and_silence_have_no_pitch():
    assert (track_pitch(np.zeros(RATE, np.float32)) == 0).all()
    noise = 0.1 * np.random.default_rng(0).standard_normal(RATE)
    assert (track_pitch(noise) > 0).mean() < 0.1


def test_the_envelope_is_that_of_the_filter_without_its_harmonics():
    pulses = np.zeros(RATE)
    pulses[::100] = 10.0  # 160 Hz, unit power per sample
    poles = np.poly([0.97 * np.exp(2j * np.pi * f / RATE) for f in (700, -700, 1800, -1800)]).real
    wave = lfilter([1.0], poles, pulses)
    found = spectral_envelope(wave, np.full(201, 160.0))[50:150].mean(axis=0)
    hertz = np.linspace(0, RATE / 2, 513)
    true = -2 * np.log(np.abs(np.polyval(poles, np.exp(2j * np.pi * hertz / RATE))))
    between = (hertz > 200) & (hertz < 7500)
    assert np.abs(found - true)[between].mean() * 10 / np.log(10) < 1.0  # dB


def test_the_noise_share_tells_pulses_from_noise():
    pulses = np.zeros(RATE)
    pulses[::100] = 10.0
    noise = np.random.default_rng(0).standard_normal(RATE)
    pitch = np.full(201, 160.0)
    assert noise_share(pulses, pitch)[20:180].max() < 0.05
    assert noise_share(noise, pitch)[20:180].mean() > 0.4
    assert (noise_share(pulses, np.zeros(201)) == 1).all()


def test_there_and_back_keeps_pitch_envelope_and_loudness():
    wave = speak(1.5, 130.0)
    speech = analyse(wave)
    made = synthesise(speech)
    assert made.shape == wave.shape
    assert made.dtype == np.float32
    assert np.std(made) == pytest.approx(np.std(wave), rel=0.2)
    again = analyse(made)
    both = speech.voiced & again.voiced
    assert both.mean() > 0.9 * speech.voiced.mean()
    assert np.median(np.abs(np.log2(again.pitch[both] / speech.pitch[both]))) * 1200 < 10
    low = slice(0, 256)  # up to 4 kHz, where these voices have most of their power
    difference = np.abs(again.envelope - speech.envelope)[both][:, low]
    assert np.median(difference) * 10 / np.log(10) < 2.0  # dB
    np.testing.assert_array_equal(made, synthesise(speech))


def test_long_and_other_rates_are_the_same_speech():
    wave = speak(1.0, 130.0)
    doubled = np.interp(np.arange(2 * len(wave)) / 2, np.arange(len(wave)), wave)
    speech, other = analyse(wave), analyse(doubled, 2 * RATE)
    assert other.samples == speech.samples
    assert np.median(other.pitch[other.voiced]) == pytest.approx(
        np.median(speech.pitch[speech.voiced]), rel=0.01
    )


def test_cepstra_are_a_smooth_envelope_and_rows_become_frames():
    smooth = decode(np.random.default_rng(0).standard_normal((5, 32)))
    assert smooth.shape == (5, 513)
    np.testing.assert_allclose(decode(encode(smooth)), smooth, atol=0.35)
    rows = np.arange(4.0)[:, None]
    np.testing.assert_allclose(to_frames(rows, 8)[:, 0], [0, 0.5, 1, 1.5, 2, 2.5, 3, 3])
    assert to_frames(rows[:1], 2).shape == (2, 1)
    loud, quiet = np.zeros((6, 32), np.float32), np.full((4, 32), -150.0, np.float32)
    assert is_speech(np.concatenate([loud, quiet])).tolist() == [True] * 6 + [False] * 4


@pytest.mark.parametrize(
    ("wave", "problem"),
    [
        (np.zeros(0, np.float32), "0.00 s of sound, but at least 0.1 s"),
        (np.zeros(800, np.float32), "0.05 s of sound"),
        (np.zeros(RATE, np.float32), "contains no voiced sound"),
    ],
)
def test_what_holds_no_voice_is_one_line(wave, problem):
    with pytest.raises(MediaError, match=rf"^line 3: .*{problem}.*; use a .*recording") as error:
        analyse(wave, RATE, "line 3")
    assert "\n" not in str(error.value)
    assert FLOOR < 80
