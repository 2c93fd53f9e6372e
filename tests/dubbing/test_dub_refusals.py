"""Invalid inputs: a one-line error with file and remedy, and nothing left behind."""

import os
import struct

import av
import numpy as np
import pytest
import torch
from dubbing_media import (
    BAD,
    Hearing,
    make_video,
    tiny_dub,
    tone,
)

from lipsync.errors import ConfigError, LipsyncError
from lipsync.features import Mel
from lipsync.media import write_audio


def refused(tmp_path, face, audio, output=None, **options) -> str:
    """The error message; checks that it is one line and that nothing is left behind."""
    output = output or tmp_path / "refused.mp4"
    before = output.read_bytes() if output.is_file() else None
    around = sorted(output.parent.iterdir()) if output.parent.is_dir() else None
    with pytest.raises(LipsyncError) as caught:
        tiny_dub(face, audio, output, **options)
    assert "\n" not in str(caught.value)
    assert (output.read_bytes() if output.is_file() else None) == before
    assert (sorted(output.parent.iterdir()) if output.parent.is_dir() else None) == around
    return str(caught.value)


def test_faces_that_cannot_be_used(tmp_path, sound):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("not a video")
    (tmp_path / "face.png").write_text("no picture")
    hidden = make_video(tmp_path / "hidden.mp4", 10, hidden=range(10))
    for name, problem in [
        ("empty.mp4", "empty"),
        ("text.mp4", "not a video"),
        ("face.png", "cannot be decoded as a picture"),
        ("missing.mp4", "no such file"),
        ("sound.wav", "contains no video"),
        (".", "is a folder"),
    ]:
        message = refused(tmp_path, tmp_path / name, sound)
        assert problem in message
        assert str(tmp_path / name) in message
    assert f"{hidden}: no face found in 10 frames" in refused(tmp_path, hidden, sound)


def test_sounds_that_cannot_be_used(tmp_path, video):
    write_audio(tmp_path / "short.wav", tone(0.1))
    write_audio(tmp_path / "enough.wav", tone(0.19))
    message = refused(tmp_path, video, tmp_path / "short.wav")
    assert "short.wav: its sound lasts 0.10 s, but a mel window needs 0.19 s" in message
    assert "face.mp4: has no sound" in refused(tmp_path, video, video)
    assert "no such file" in refused(tmp_path, video, tmp_path / "missing.wav")
    assert "is a folder" in refused(tmp_path, video, tmp_path)
    assert tiny_dub(video, tmp_path / "enough.wav", tmp_path / "out.mp4").frames == 5


def test_outputs_that_cannot_be_written(tmp_path, video, sound):
    speech = make_video(tmp_path / "speech.mp4", 25, audio=tone(1.0))
    assert "is the input file" in refused(tmp_path, video, sound, video)
    assert "is the input file" in refused(tmp_path, video, speech, speech)
    message = refused(tmp_path, video, sound, tmp_path / "nowhere" / "out.mp4")
    assert "no such folder" in message
    assert not (tmp_path / "nowhere").exists()
    assert "is not a video suffix" in refused(tmp_path, video, sound, tmp_path / "out.gif")
    (tmp_path / "folder.mp4").mkdir()
    assert "is a folder" in refused(tmp_path, video, sound, tmp_path / "folder.mp4")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_an_output_folder_without_rights(tmp_path, video, sound):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    assert "cannot be written" in refused(tmp_path, video, sound, locked / "out.mp4")


def test_options_that_cannot_work(tmp_path, video, sound):
    for options, problem in [
        ({"length": "reverse"}, "length must be one of pingpong, loop, freeze, trim"),
        ({"no_face": "stop"}, "no_face must be one of pass, hold, error"),
        ({"batch_size": 0}, "batch_size must be 1 or more"),
        ({"stride": 0}, "stride must be 1 or more"),
        ({"tail": "fade"}, "tail must be one of cut, keep"),
        ({"fps": 0.0}, "fps must be 1 to 240"),
        ({"faces": "loudest"}, "face must be largest, left"),
        ({"faces": "²"}, "face must be largest, left"),
        ({"faces": -1}, "a face number must be 0 or more, got -1"),
        ({"reference": "a.wav"}, "`reference` requires `faces=sync`"),
        ({"enhance": "magic"}, "enhance must be one of none, sharpen"),
        ({"codec": "divx"}, "codec must be one of auto, h264, hevc"),
        ({"preset": "warp"}, "preset must be one of ultrafast"),
        ({"audio_codec": "midi"}, "audio_codec must be one of auto, copy, aac"),
        ({"audio_bitrate": 5}, "audio_bitrate must be 8000 to 512000"),
        ({"audio_codec": "flac", "audio_bitrate": 96000}, "flac is lossless and has no bit rate"),
        ({"crf": 60}, "crf must be 0 to 51"),
        ({"detector": "magic"}, "magic"),
    ]:
        with pytest.raises(ConfigError, match=problem):
            tiny_dub(video, sound, tmp_path / "out.mp4", **options)


def test_a_file_name_made_of_shell_metacharacters(tmp_path, sound):
    name = tmp_path / 'a\'; $(rm -rf x) & "b" | *?.mp4'
    make_video(name, 10)
    out = tmp_path / "o'ut; `x`.mp4"
    assert tiny_dub(name, sound, out, length="trim").frames == 10
    assert out.exists()


@pytest.mark.skipif(not BAD.is_dir(), reason="needs ../shared/data/bad")
@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("empty.mp4", "empty"),
        ("text_named.mp4", "not a video"),
        ("truncated.mp4", "its index is missing"),
        ("audio_only.mp4", "no video"),
        ("damaged_stream.mpg", "damaged at"),
        ("no_face.mp4", "no face found"),
        ("rotated_90.mp4", "no face found"),  # a head on its side
    ],
)
def test_the_bad_files_are_refused(tmp_path, sound, name, problem):
    message = refused(tmp_path, BAD / name, sound, detector="centerface")
    assert problem in message
    assert name in message


def float_wav(path, wave) -> None:
    """A WAV file of 32-bit floats, which may hold NaN."""
    data = np.asarray(wave, "<f4").tobytes()
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 3, 1,
                       16000, 64000, 4, 32, b"data", len(data))  # fmt: skip
    path.write_bytes(head + data)


def test_sound_that_is_no_number(tmp_path, video):
    some = tone(1.0)
    some[8000] = np.nan
    endless = tone(1.0)
    endless[100] = np.inf
    waves = {"nan.wav": np.full(16000, np.nan), "some.wav": some, "inf.wav": endless}
    for name, wave in waves.items():
        float_wav(tmp_path / name, wave)
        message = refused(tmp_path, video, tmp_path / name)
        assert f"{name}: its sound contains NaN or infinity at about 0." in message
    result = tiny_dub(video, tmp_path / "some.wav", tmp_path / "out.mp4", tolerate_damage=True)
    assert (result.frames, result.silent) == (25, False)


def test_silence_is_dubbed_and_said_in_the_result(tmp_path, video):
    write_audio(tmp_path / "zeros.wav", np.zeros(16000, np.float32))
    write_audio(tmp_path / "hiss.wav", tone(1.0) * 1e-3)  # -70 dB of full scale at most
    for name in ("zeros.wav", "hiss.wav"):
        model = Hearing()
        result = tiny_dub(video, tmp_path / name, tmp_path / "out.mp4", model)
        assert (result.frames, result.faces_found, result.silent) == (25, 25, True)
        assert "aac, silent" in str(result)
        heard = torch.cat([mels for mels, _ in model.inputs])
        assert (heard == Mel.silence).all()


def test_a_video_of_one_frame_speaks(tmp_path, sound):
    result = tiny_dub(make_video(tmp_path / "one.mp4", 1), sound, tmp_path / "out.mp4")
    assert (result.frames, result.source_frames, result.length) == (25, 1, "pingpong")


@pytest.mark.parametrize("hidden", [range(10), range(5, 15), range(15, 25)])
def test_a_gap_that_is_an_error_wherever_it_lies(tmp_path, sound, hidden):
    face = make_video(tmp_path / "face.mp4", 25, hidden=hidden)
    message = refused(tmp_path, face, sound, stride=1, no_face="error")
    assert f"no face from {hidden[0] / 25:.2f} to {(hidden[-1] + 1) / 25:.2f} s" in message
    nobody = make_video(tmp_path / "nobody.mp4", 25, hidden=range(25))
    assert "no face found in 25 frames" in refused(tmp_path, nobody, sound, no_face="error")


def test_damaged_sound_is_refused_or_concealed_as_asked(tmp_path, video):
    speech = make_video(tmp_path / "speech.mp4", 50, audio=tone(2.0))
    with av.open(str(speech)) as container:
        places = [(p.pos, p.size) for p in container.demux(container.streams.audio[0]) if p.size]
    data = bytearray(speech.read_bytes())
    for at, size in places[12:16]:
        data[at : at + size] = b"\xff" * size
    speech.write_bytes(data)
    assert "speech.mp4: its audio is damaged at about" in refused(tmp_path, video, speech)
    for options in ({}, {"audio_codec": "aac"}, {"faces": "sync", "reference": speech}):
        result = tiny_dub(video, speech, tmp_path / "out.mp4", tolerate_damage=True, **options)
        assert result.frames == 50


def test_tracks_that_cannot_be_used_or_written(tmp_path, video, sound):
    (tmp_path / "t.json").write_text("{}")
    message = refused(tmp_path, video, sound, tracks=tmp_path / "t.json")
    assert "t.json: is not a face-track file" in message
    assert "no such folder" in refused(tmp_path, video, sound, tracks=tmp_path / "none" / "t.json")
