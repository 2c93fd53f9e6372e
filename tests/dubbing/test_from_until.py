"""Dubbing part of a video: video and sound outside it are unchanged."""

from __future__ import annotations

from pathlib import Path

import cv2
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

from lipsync.dubbing import dub_frames
from lipsync.dubbing.batch_list import read_batch
from lipsync.dubbing.options import Options, read_settings, seconds_of
from lipsync.dubbing.stretch import Stretch, splice
from lipsync.errors import ConfigError, LipsyncError, MediaError
from lipsync.media import VideoWriter, read_audio, read_frames, write_audio

RATE = 48_000


def sine(seconds: float, hertz: float, rate: int = 16_000) -> np.ndarray:
    times = np.arange(round(seconds * rate)) / rate
    return (0.3 * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


def pitch(wave: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave))))
    return float(np.argmax(spectrum)) * RATE / len(wave)


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    """Two seconds, 50 frames, with a sound of 300 Hz."""
    with VideoWriter(tmp_path / "talk.mp4", 25, SIZE, crf=1, audio=sine(2, 300)) as video:
        for k in range(50):
            video.write(frame(k % 40))
    return tmp_path / "talk.mp4"


@pytest.fixture
def line(tmp_path: Path) -> Path:
    """Half a second of 1000 Hz."""
    write_audio(tmp_path / "line.wav", sine(0.5, 1000))
    return tmp_path / "line.wav"


def changed(video: Path, dubbed: Path) -> list[int]:
    """Frames whose mouth differs from the source."""
    pairs = zip(read_frames(video), read_frames(dubbed), strict=True)
    levels = [(mouth_level(old), mouth_level(new)) for (_, old), (_, new) in pairs]
    return [k for k, (old, new) in enumerate(levels) if abs(old - new) > 4]


def test_only_the_stretch_is_dubbed_and_the_rest_passes(talk: Path, line: Path) -> None:
    out = talk.with_name("out.mp4")
    result = tiny_dub(talk, line, out, start=0.8, gate=False)
    assert (result.frames, result.faces_found, result.skipped) == (50, 13, [])
    assert (result.stretch, result.length) == ((0.8, 1.3), "whole")
    assert "only 0.80 to 1.30 s; face in 13" in str(result)
    assert set(changed(talk, out)) <= set(range(20, 33))
    assert set(changed(talk, out)) >= set(range(22, 31))
    for (_, old), (_, new) in list(zip(read_frames(talk), read_frames(out), strict=True))[:20]:
        assert np.abs(old.astype(int) - new).mean() < 1.5
    wave = read_audio(out, RATE)
    assert len(wave) == pytest.approx(2 * RATE, abs=0.02 * RATE)
    for start, end, hertz in ((0.1, 0.75, 300), (0.85, 1.25, 1000), (1.35, 1.9, 300)):
        assert pitch(wave[round(start * RATE) : round(end * RATE)]) == pytest.approx(hertz, abs=5)
    edge = int(np.argmax(_band(wave, 1000) > 0.1)) / RATE
    assert edge == pytest.approx(0.8, abs=0.02)


def _band(wave: np.ndarray, hertz: float) -> np.ndarray:
    """The level of one frequency over time."""
    turn = np.exp(-2j * np.pi * hertz * np.arange(len(wave)) / RATE)
    window = np.ones(480) / 480
    return np.abs(np.convolve(wave * turn, window, "same"))


def test_until_cuts_the_sound_or_leaves_silence(talk: Path, line: Path) -> None:
    out = talk.with_name("out.mp4")
    short = tiny_dub(talk, line, out, start="0:00.4", until=0.6)
    assert short.faces_found == 5
    wave = read_audio(out, RATE)
    assert pitch(wave[round(0.65 * RATE) : round(0.9 * RATE)]) == pytest.approx(300, abs=5)
    long = tiny_dub(talk, line, out, until="0:1.2")
    assert (long.stretch, long.faces_found) == ((0.0, 1.2), 30)
    wave = read_audio(out, RATE)
    assert pitch(wave[: round(0.45 * RATE)]) == pytest.approx(1000, abs=5)
    assert np.abs(wave[round(0.55 * RATE) : round(1.15 * RATE)]).max() < 0.01
    assert pitch(wave[round(1.25 * RATE) :]) == pytest.approx(300, abs=5)


def test_the_sound_may_last_longer_than_the_video(talk: Path, line: Path) -> None:
    out = talk.with_name("out.mp4")
    result = tiny_dub(talk, line, out, start=1.8)
    assert (result.frames, result.faces_found) == (50, 5)
    assert len(read_audio(out, RATE)) == pytest.approx(2 * RATE, abs=0.02 * RATE)


def test_a_video_without_sound_is_silent_outside(tmp_path: Path, line: Path) -> None:
    face, out = make_video(tmp_path / "mute.mp4", 40), tmp_path / "out.mkv"
    tiny_dub(face, line, out, start=0.5, audio_codec="flac")
    wave = read_audio(out, RATE)
    assert np.abs(wave[: round(0.49 * RATE)]).max() < 1e-4
    assert pitch(wave[round(0.55 * RATE) : round(0.95 * RATE)]) == pytest.approx(1000, abs=5)
    assert np.abs(wave[round(1.01 * RATE) :]).max() < 1e-4


def test_a_variable_rate_keeps_its_frames(tmp_path: Path, line: Path) -> None:
    times = np.delete(np.arange(40) * 0.04, [3, 4, 11, 30]).round(3).tolist()
    face, out = make_variable(tmp_path / "face.mp4", times), tmp_path / "out.mp4"
    result = tiny_dub(face, line, out, start=0.4, until=60)
    shown = list(read_frames(out))
    assert result.frames == len(shown) == len(times)
    assert result.faces_found == sum(time >= 0.4 for time in times)
    np.testing.assert_allclose([t - shown[0][0] for t, _ in shown], times, atol=1.5e-3)
    assert result.seconds == pytest.approx(times[-1] + 0.04, abs=0.005)


def test_frames_without_a_face_outside_are_nobody_s_concern(tmp_path: Path, line: Path) -> None:
    face = make_video(tmp_path / "face.mp4", 40, hidden=[*range(5), *range(35, 40)])
    out = tmp_path / "out.mp4"
    result = tiny_dub(face, line, out, start=0.6, no_face="error", stride=1)
    assert result.skipped == []
    tiny_dub(face, line, out, start=0.6, no_face="hold", stride=1, watermark="mark")
    assert set(changed(face, out)) <= set(range(15, 28))
    last = list(read_frames(out))[36][1]
    assert np.abs(last.astype(int) - list(read_frames(face))[36][1]).mean() < 1.5
    with pytest.raises(MediaError, match=r"no face found from 0\.00 to 0\.12 s"):
        tiny_dub(face, line, out, until=0.12, stride=1)


@pytest.mark.parametrize("asks", [{}, {"tracks": "t.json"}])
def test_faces_are_looked_for_around_the_stretch_only(tmp_path: Path, line: Path, asks) -> None:
    class Counting(FixedDetector):
        seen = 0

        def detect(self, frame):
            self.seen += 1
            return super().detect(frame)

    face, detector = make_video(tmp_path / "face.mp4", 300), Counting()
    asks = {name: tmp_path / value for name, value in asks.items()}
    how = {"detector": detector, "stride": 5, "reference_frames": "auto"}
    result = tiny_dub(face, line, tmp_path / "out.mp4", start=6, **how, **asks)
    assert result.faces_found == 13
    assert set(result.references.frames) <= set(range(300) if asks else range(75, 238))
    assert detector.seen == (60 if asks else 33)
    assert set(changed(face, tmp_path / "out.mp4")) <= set(range(150, 163))


def test_frames_alone_hear_the_new_sound_from_its_begin(tmp_path: Path) -> None:
    """Noise that begins 0.4 s into the new sound is seen 0.4 s into the stretch."""
    face = make_video(tmp_path / "face.mp4", 40)
    write_audio(tmp_path / "late.wav", tone(0.8, loud_from=0.4))
    how = {"model": Hearing(), "detector": FixedDetector(), "match": False, "gate": False}
    frames = list(dub_frames(face, tmp_path / "late.wav", start=0.4, **how))
    assert [corner_number(one.picture) for one in frames] == list(range(40))
    levels = [mouth_level(one.picture) for one in frames]
    whole = list(dub_frames(face, tmp_path / "late.wav", tail="keep", **how))
    expected = [mouth_level(one.picture) for one in whole]
    np.testing.assert_allclose(levels[14:27], expected[4:17], atol=1.5)
    assert all((not one.dubbed) == (not 10 <= one.number < 30) for one in frames)


def test_the_new_mouth_fades_in_and_out() -> None:
    stretch = Stretch(1.0, 2.0)
    weights = [stretch.weight(1 + k / 25, 25) for k in range(25)]
    assert weights[0] < weights[1] < weights[2] < 1 == weights[4] == weights[20]
    assert weights[-1] == pytest.approx(weights[0])
    assert Stretch(0.0, 2.0).weight(0.0, 25) == 1  # nothing precedes it


def test_sounds_are_spliced_to_the_sample() -> None:
    old = [np.full((1, 7_000), 0.5, np.float32)] * 30
    new = [np.full((1, 5_000), -0.5, np.float32)] * 4
    blocks = splice(old, new, Stretch(1.0, 2.0), 1)
    wave = np.zeros(0)
    while len(wave) < 5 * RATE:
        wave = np.concatenate([wave, next(blocks)[0]])
    assert (wave[: RATE + 1] == 0.5).all()
    assert (wave[RATE + 240 : RATE + 20_000] == -0.5).all()
    assert (wave[RATE + 20_000 : 2 * RATE - 240] == 0).all()
    assert (wave[2 * RATE : 210_000] == 0.5).all()
    assert (wave[210_000:] == 0).all()


@pytest.mark.parametrize(
    ("time", "seconds"),
    [(2, 2), (2.5, 2.5), ("7", 7), ("1:02.5", 62.5), ("01:00:03", 3603), ("90:00", 5400)],
)
def test_times(time, seconds: float) -> None:
    assert seconds_of("from", time) == seconds


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"start": "1:xx"}, "from must be seconds or mm:ss, got '1:xx'"),
        ({"start": -1}, "from must be seconds"),
        ({"until": 0}, "`until` must be after `start`, got 0 and 0"),
        ({"start": 2, "until": "0:01"}, "`until` must be after `start`, got 0:01 and 2"),
        ({"start": 2, "length": "loop"}, "leave out `length` and `tail`"),
        ({"start": 2, "tail": "keep"}, "leave out `length` and `tail`"),
    ],
)
def test_options_that_cannot_work(options, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        Options(**options)


def test_inputs_that_cannot_work(talk: Path, line: Path) -> None:
    out = talk.with_name("out.mp4")
    cv2.imwrite(str(talk.with_name("still.png")), frame(0))
    for face, options, problem in (
        (
            talk,
            {"start": 7},
            r"its last frame is shown at 1.96 s, --from is 7.00; choose an earlier --from",
        ),
        (talk, {"start": 1, "audio_codec": "copy"}, "or --until the sound cannot be copied"),
        (talk.with_name("still.png"), {"until": 1}, "is a still picture; leave out --from and"),
    ):
        with pytest.raises(LipsyncError, match=problem):
            tiny_dub(face, line, out, **options)
        assert not out.exists()


def test_files_of_options_say_from(tmp_path: Path) -> None:
    (tmp_path / "o.yaml").write_text("from: 1:30\nuntil: 1:35.5\n")
    given = read_settings(tmp_path / "o.yaml")
    assert given == {"start": 90, "until": 95.5}
    (tmp_path / "l.csv").write_text("face,audio,output,from,until\na,b,c.mp4,1:30,\n")
    assert read_batch(tmp_path / "l.csv", {})[0].options == {"start": "1:30"}
