"""Dubs with a target loudness."""

import numpy as np
import pytest
from dubbing_media import make_variable, make_video, tiny_dub

from lipsync.dubbing.playback import LENGTHS
from lipsync.errors import ConfigError
from lipsync.media import audio_blocks, write_audio
from lipsync.media.programme import measure_programme

RATE = 48_000


@pytest.fixture
def speech(tmp_path):
    """Three seconds far from -23 LUFS, with a peak that the gain would clip."""
    rng = np.random.default_rng(3)
    wave = 0.01 * rng.standard_normal(3 * RATE)
    wave[RATE : RATE + 40] = 0.3
    write_audio(tmp_path / "speech.wav", wave.astype(np.float32), RATE)
    return tmp_path / "speech.wav"


def test_the_new_sound_has_the_loudness_and_no_higher_peak(tmp_path, speech):
    face, out = make_video(tmp_path / "face.mp4", 75), tmp_path / "out.mkv"
    result = tiny_dub(face, speech, out, loudness=-16, audio_codec="flac")
    loud, peak = measure_programme(audio_blocks(out, RATE), RATE)
    assert loud == pytest.approx(-16, abs=0.3)
    assert peak <= -1.0
    assert result.sound.startswith("flac, -16.")
    assert result.sound.endswith(", peaks limited")
    before, _ = measure_programme(audio_blocks(speech, RATE), RATE)
    assert f"was {before:.1f}" in result.sound
    assert before < -30


def test_sound_that_could_be_copied_is_not(tmp_path, speech):
    first = tmp_path / "first.mp4"
    face = make_video(tmp_path / "face.mp4", 75)
    tiny_dub(face, speech, first)
    assert tiny_dub(face, first, tmp_path / "a.mp4").sound == "copied"
    result = tiny_dub(face, first, tmp_path / "b.mp4", loudness=-23)
    assert result.sound.startswith("aac, -23.")
    loud, _ = measure_programme(audio_blocks(tmp_path / "b.mp4", RATE), RATE)
    assert loud == pytest.approx(-23, abs=0.5)


def test_silence_stays_silent(tmp_path):
    write_audio(tmp_path / "silence.wav", np.zeros(RATE, np.float32), RATE)
    face = make_video(tmp_path / "face.mp4", 25)
    result = tiny_dub(face, tmp_path / "silence.wav", tmp_path / "o.mp4", loudness=-23)
    assert result.sound == "aac, silent or too short, so as loud as it is"
    assert not np.concatenate(list(audio_blocks(tmp_path / "o.mp4", RATE)), axis=1).any()


ENDS = [(5.0, {"length": length}) for length in LENGTHS]
ENDS += [(5.0, {"length": "trim", "fps": 30}), (5.0, {"length": "trim", "tail": "keep"})]
ENDS += [(1.0, {"length": length, "tail": "keep"}) for length in ("pingpong", "trim")]


@pytest.mark.parametrize("variable", [False, True])
@pytest.mark.parametrize(("seconds", "options"), ENDS)
def test_what_is_played_has_the_loudness(tmp_path, seconds, options, variable):
    """The second half of the sound is louder by 20 dB; with two seconds of video some combinations
    play only part of it."""
    wave = 0.01 * np.random.default_rng(3).standard_normal(round(seconds * RATE))
    wave[len(wave) // 2 :] *= 10
    write_audio(tmp_path / "sound.wav", wave.astype(np.float32), RATE)
    face = tmp_path / "face.mp4"
    if variable:
        make_variable(face, [k / 25 + 0.012 * (k % 3) for k in range(50)])
    else:
        make_video(face, 50)
    options = {"loudness": -23, "audio_codec": "flac", **options}
    tiny_dub(face, tmp_path / "sound.wav", tmp_path / "o.mkv", **options)
    loud, _ = measure_programme(audio_blocks(tmp_path / "o.mkv", RATE), RATE)
    silent_end = seconds < 2  # within the last measured blocks
    assert loud == pytest.approx(-23, abs=0.6 if silent_end else 0.3)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"audio_codec": "copy"}, "leave out `loudness`"),
        ({"start": 0.5}, "a stretch keeps the sound around it; leave out `loudness`"),
        ({"loudness": 3.0}, "loudness must be -40 to -5, got 3"),
    ],
)
def test_what_cannot_be(tmp_path, speech, options, problem):
    face = make_video(tmp_path / "face.mp4", 25)
    with pytest.raises(ConfigError, match=problem):
        tiny_dub(face, speech, tmp_path / "out.mp4", **{"loudness": -23.0} | options)
    assert not (tmp_path / "out.mp4").exists()
