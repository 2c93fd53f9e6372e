"""MPEG-TS whose 33-bit clock wraps around in the middle of the file."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from media_files import RATE, clicks, grey, numbers
from standins import Hearing

from lipsync.dubbing import dub
from lipsync.dubbing.playback import Playback
from lipsync.dubbing.source import open_source
from lipsync.faces.detect import Detection, Detector
from lipsync.media import frame_times, probe, read_audio, read_frames

WRAP = 2**33 / 90_000  # seconds


def make_ts(path: Path, seconds: float, before: float, fps: int = 25, codec: str = "mp2") -> Path:
    """Numbered frames and a click per second, at every 25th frame; the clock wraps around after
    ``before`` seconds."""
    offset = {"output_ts_offset": f"{WRAP - before:.6f}"} if before else {}
    with av.open(str(path), "w", format="mpegts", options=offset) as container:
        video = container.add_stream("libx264", rate=fps)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.options = {"crf": "4", "g": str(fps), "bf": "2"}
        sound = container.add_stream(codec, rate=RATE, layout="mono")
        wave = clicks(*np.arange(0.5, seconds, 1.0), length=seconds)
        for k in range(round(seconds * fps)):
            frame = av.VideoFrame.from_ndarray(grey(k % 25), format="rgb24")
            frame.pts, frame.time_base = k, Fraction(1, fps)
            container.mux(video.encode(frame))
            block = wave[k * RATE // fps : (k + 1) * RATE // fps]
            block = av.AudioFrame.from_ndarray(
                (block * 32767).astype(np.int16)[None], "s16", "mono"
            )
            block.sample_rate, block.pts, block.time_base = RATE, k * RATE // fps, Fraction(1, RATE)
            container.mux(sound.encode(block))
        container.mux(video.encode(None))
        container.mux(sound.encode(None))
    return path


def clicked(wave: np.ndarray) -> list[float]:
    """Position of the click in each second."""
    starts = range(0, len(wave) - RATE + 800, RATE)
    return [float(np.abs(wave[at : at + RATE]).argmax() / RATE) for at in starts]


@pytest.mark.parametrize(
    ("seconds", "before", "fps"),
    [(6, 0, 25), (6, 3.1, 25), (6, 1.41, 25), (6, 5.9, 25), (80, 70.3, 5)],
)
def test_picture_and_sound_go_on_together(tmp_path: Path, seconds, before, fps) -> None:
    path = make_ts(tmp_path / "a.ts", seconds, before, fps)
    frames = [(time, number) for time, frame in read_frames(path) for number in numbers([frame])]
    assert [number for _, number in frames] == [k % 25 for k in range(seconds * fps)]
    times = np.array([time for time, _ in frames])
    assert times - times[0] == pytest.approx(np.arange(seconds * fps) / fps, abs=1e-3)
    assert frame_times(path) == pytest.approx(times, abs=1e-6)
    info = probe(path)
    assert info.fps == fps
    assert info.video_seconds == pytest.approx(seconds, abs=0.2)
    assert info.audio_seconds == pytest.approx(seconds, abs=0.2)
    wave = read_audio(path)
    assert clicked(wave) == pytest.approx([0.5] * seconds, abs=0.02)


@pytest.mark.parametrize("start", [10, 74, 78, 79, 120])
def test_frames_from_anywhere(tmp_path: Path, start: int) -> None:
    path = make_ts(tmp_path / "a.ts", 6, 3.1)
    whole = list(read_frames(path))
    sought = list(read_frames(path, start=whole[start][0]))
    assert [time for time, _ in sought] == [time for time, _ in whole[start:]]
    for (_, frame), (_, wanted) in zip(sought, whole[start:], strict=True):
        np.testing.assert_array_equal(frame, wanted)


def test_there_and_back(tmp_path: Path) -> None:
    source = open_source(make_ts(tmp_path / "a.ts", 6, 3.1))
    assert (source.fps, source.variable) == (25, False)
    shown = list(Playback(source, 9.0, "pingpong"))
    assert numbers(s.picture for s in shown) == [k % 25 for k in (*range(150), *range(148, 73, -1))]


class Anywhere(Detector):
    """A face in every frame."""

    name = "anywhere"

    def detect(self, frame: np.ndarray) -> list[Detection]:
        box = np.array([20, 10, 44, 40], np.float32)
        return [Detection(box, 1.0, np.full((5, 2), np.nan, np.float32))]


@pytest.mark.parametrize("codec", ["mp2", "aac"])
@pytest.mark.parametrize("options", [{}, {"start": 2.0, "until": 4.5}])
def test_a_dub_of_it(tmp_path: Path, codec, options) -> None:
    path = make_ts(tmp_path / "a.ts", 6, 3.1, codec=codec)
    how = {"model": Hearing(), "detector": Anywhere(), "min_face": 10, "crf": 4, "gate": False}
    made = dub(path, path, tmp_path / "a.mp4", **how, **options)
    assert made.frames == 150
    corners = [frame[:8, :8] for _, frame in read_frames(made.output)]
    assert numbers(corners) == [k % 25 for k in range(150)]
    assert clicked(read_audio(made.output)) == pytest.approx([0.5] * 6, abs=0.02)
