"""The output: frame rates and times, ends of sound and video, copied sound, marks, settings."""

from fractions import Fraction

import av
import numpy as np
import pytest
from dubbing_media import (
    SIZE,
    FixedDetector,
    Hearing,
    corner_number,
    frame,
    make_variable,
    make_video,
    mouth_level,
    tiny_dub,
    tone,
)

from lipsync.dubbing.options import read_settings
from lipsync.errors import ConfigError
from lipsync.media import VideoWriter, probe, read_audio, read_frames, write_audio


def ends(path) -> tuple[float, float]:
    """End times of video and sound, the latter without its codec's padding."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        first = min(float(p.pts * p.time_base) for p in container.demux(video) if p.size)
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        picture = max(
            float((p.pts + (p.duration or 0)) * p.time_base)
            for p in container.demux(video)
            if p.size
        )
    return picture - first, len(read_audio(path, 48000)) / 48000


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("fps", [12, Fraction(24000, 1001), 25, Fraction(30000, 1001), 30, 50, 60])
def test_sound_and_picture_end_together(tmp_path, fps, suffix):
    write_audio(tmp_path / "sound.wav", tone(1.017))
    face = make_video(tmp_path / "face.mp4", round(1.3 * fps), fps)
    out = tmp_path / f"out{suffix}"
    result = tiny_dub(face, tmp_path / "sound.wav", out, model=Hearing(2), batch_size=16)
    assert result.frames == round(1.017 * fps) == len(list(read_frames(out)))
    assert not result.variable
    assert probe(out).fps == pytest.approx(float(fps), rel=1e-3)
    picture, sound = ends(out)
    assert abs(picture - sound) <= 0.02
    assert result.seconds == pytest.approx(picture, abs=0.002)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_variable_rate_keeps_its_frames_and_times(tmp_path, suffix):
    rng = np.random.default_rng(1)
    times = np.cumsum([0, *rng.choice([0.02, 0.033, 0.05, 0.12], 24)]).round(3).tolist()
    write_audio(tmp_path / "sound.wav", tone(times[-1] + 0.05))
    face = make_variable(tmp_path / "face.mp4", times)
    out = tmp_path / f"out{suffix}"
    result = tiny_dub(face, tmp_path / "sound.wav", out)
    assert (result.frames, result.variable, result.length) == (25, True, "whole")
    shown = list(read_frames(out))
    assert [corner_number(picture) for _, picture in shown] == list(range(25))
    np.testing.assert_allclose([t - shown[0][0] for t, _ in shown], times, atol=1.5e-3)
    picture, sound = ends(out)
    assert abs(picture - sound) <= 0.02
    constant = tiny_dub(face, tmp_path / "sound.wav", tmp_path / "c.mp4", fps=25)
    assert not constant.variable
    assert probe(tmp_path / "c.mp4").fps == 25


@pytest.mark.parametrize(
    ("options", "speech", "lasts"),
    [({"length": "trim"}, 1.5, 0.84), ({"tail": "keep"}, 0.4, 0.84), ({"tail": "keep"}, 1.5, 1.5)],
)
def test_a_variable_rate_ends_with_its_sound_when_cut_or_kept(tmp_path, options, speech, lasts):
    times = np.delete(np.arange(21) * 0.04, [3, 4, 11]).tolist()
    face = make_variable(tmp_path / "face.mp4", times)
    sound = spoken_video(tmp_path / "speech.mp4", speech)  # could be copied
    result = tiny_dub(face, sound, tmp_path / "out.mp4", **options)
    assert result.variable
    picture, heard = ends(tmp_path / "out.mp4")
    assert abs(picture - heard) <= 0.02
    assert picture == pytest.approx(lasts, abs=0.03)


def test_rotation_is_applied(tmp_path, sound):
    face = make_video(tmp_path / "face.mp4", 25)
    data = bytearray(face.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    numbers = [0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30]  # rotated for display
    data[at : at + 36] = b"".join(n.to_bytes(4, "big", signed=True) for n in numbers)
    face.write_bytes(data)

    class Turned(FixedDetector):
        def detect(self, picture):
            assert picture.shape[:2] == SIZE
            return super().detect(np.ascontiguousarray(np.full((80, 96, 3), 99, np.uint8)))

    result = tiny_dub(face, sound, tmp_path / "out.mp4", detector=Turned())
    info = probe(tmp_path / "out.mp4")
    assert (info.width, info.height, info.rotation) == (80, 96, 0)
    assert result.faces_found == 25


# ---------------------------------------------------------------- the sound


def spoken_video(path, seconds=2.0, rate=16000):
    """A video whose sound is noise, in AAC."""
    with VideoWriter(path, 25, SIZE, audio=tone(seconds), sample_rate=rate) as video:
        for k in range(round(seconds * 25)):
            video.write(frame(k))
    return path


def packets(path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(p) for p in container.demux(container.streams.audio[0]) if p.size]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_sound_is_copied_without_loss_and_in_its_place(tmp_path, suffix):
    speech = spoken_video(tmp_path / "speech.mp4")
    out = tmp_path / f"out{suffix}"
    result = tiny_dub(make_video(tmp_path / "face.mp4", 20), speech, out)
    assert result.sound == "copied"
    assert packets(out) == packets(speech)
    given, made = read_audio(speech), read_audio(out)
    n = min(len(given), len(made))
    lags = range(-400, 401, 8)  # a codec delay would show as a shift
    match = [float(np.dot(given[400 : n - 400], made[400 + k : n - 400 + k])) for k in lags]
    assert abs(lags[int(np.argmax(match))]) <= 16
    picture, sound = ends(out)
    assert abs(picture - sound) <= 0.02


def test_sound_that_cannot_be_copied_is_encoded(tmp_path, sound):
    speech = spoken_video(tmp_path / "speech.mp4")
    face = make_video(tmp_path / "face.mp4", 20)
    out = tmp_path / "out.mp4"
    assert tiny_dub(face, speech, out, length="trim").sound == "aac"
    assert abs(ends(out)[1] - 0.8) < 0.022
    assert tiny_dub(face, sound, out).sound == "aac"  # mp4 cannot hold PCM
    assert tiny_dub(face, speech, out, audio_bitrate=48000).sound == "aac"
    assert tiny_dub(face, speech, tmp_path / "o.mkv", audio_codec="opus").sound == "opus"
    with pytest.raises(ConfigError, match="cannot be copied: it does not end with the picture"):
        tiny_dub(face, speech, out, length="trim", audio_codec="copy")


def test_stereo_stays_stereo(tmp_path, video):
    import wave

    left, right = (np.round(32767 * 0.3 * np.sin(np.arange(48000) * f)) for f in (0.05, 0.11))
    with wave.open(str(tmp_path / "s.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(48000)
        file.writeframes(np.stack([left, right], 1).astype("<i2").tobytes())
    tiny_dub(video, tmp_path / "s.wav", tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.audio[0].channels == 2


def test_a_video_that_lasts_longer_is_kept_in_silence(tmp_path, video):
    write_audio(tmp_path / "short.wav", tone(0.5))
    result = tiny_dub(video, tmp_path / "short.wav", tmp_path / "out.mp4", tail="keep")
    assert (result.frames, result.length) == (25, "keep")
    level = [mouth_level(picture) for _, picture in read_frames(tmp_path / "out.mp4")]
    assert max(level[20:]) < min(level[3:9]) - 50  # the generator gets silence
    picture, sound = ends(tmp_path / "out.mp4")
    assert abs(picture - sound) <= 0.02
    assert np.abs(read_audio(tmp_path / "out.mp4")[9600:]).max() < 1e-3


# ---------------------------------------------------------------- looks and settings


def test_no_face_hold_shows_the_last_dubbed_frame(tmp_path, sound):
    face = make_video(tmp_path / "face.mp4", 25, hidden=range(10, 20))
    tiny_dub(face, sound, tmp_path / "out.mp4", stride=1, no_face="hold")
    shown = [corner_number(picture) for _, picture in read_frames(tmp_path / "out.mp4")]
    assert shown == [*range(10), *[9] * 10, *range(20, 25)]


def test_preview_watermark_and_other_codecs(tmp_path, video, sound):
    result = tiny_dub(video, sound, tmp_path / "side.mp4", preview=True)
    info = probe(tmp_path / "side.mp4")
    assert (info.width, info.height) == (2 * SIZE[0], SIZE[1])
    _, picture = next(iter(read_frames(tmp_path / "side.mp4")))
    assert mouth_level(picture[:, : SIZE[0]]) < 80 < mouth_level(picture[:, SIZE[0] :])
    assert result.frames == 25

    tiny_dub(video, sound, tmp_path / "marked.mp4", watermark="synthetic")
    _, marked = next(iter(read_frames(tmp_path / "marked.mp4")))
    tiny_dub(video, sound, tmp_path / "plain.mp4", codec="hevc", preset="ultrafast")
    _, plain = next(iter(read_frames(tmp_path / "plain.mp4")))
    changed = np.abs(marked.astype(int) - plain).max(axis=2) > 25
    assert changed[-12:, -60:].mean() > 0.2
    assert changed[:60].mean() < 0.01
    with av.open(str(tmp_path / "plain.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "hevc"


def test_settings_from_a_file(tmp_path):
    (tmp_path / "s.yaml").write_text("faces: left\nmin-face: 20\nfps: 30\ngate: false\n")
    assert read_settings(tmp_path / "s.yaml") == {
        "faces": "left", "min_face": 20, "fps": 30, "gate": False,
    }  # fmt: skip
    for text, problem in [
        ("colour: red", "unknown option 'colour'; available:"),
        ("output: x.mp4", "unknown option 'output'"),
        ("crf: high", "crf must be int, got 'high'"),
        ("- 1", "contains no options"),
        ("a: [", "is not YAML"),
    ]:
        (tmp_path / "s.yaml").write_text(text)
        with pytest.raises(ConfigError, match=problem):
            read_settings(tmp_path / "s.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_settings(tmp_path / "none.yaml")
