"""Round trips: every expected number is derived from what was written."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from media_files import RATE, clicks, numbers, write_numbers

from lipsync.errors import ConfigError
from lipsync.media import VideoWriter, frame_rate, probe, read_audio, read_frames

GRID = Path("../shared/data/grid/s1")


def test_frames_sound_and_clock_come_back(tmp_path: Path) -> None:
    path = write_numbers(tmp_path / "a.mp4", 50, audio=clicks(0.5, 1.25))
    times, frames = zip(*read_frames(path), strict=True)
    assert np.allclose(times, np.arange(50) / 25, atol=1e-6)
    assert numbers(frames) == [i % 25 for i in range(50)]
    wave = read_audio(path)
    assert wave.dtype == np.float32
    assert len(wave) == 2 * RATE
    for second in (0.5, 1.25):  # within a millisecond
        near = slice(round(second * RATE) - 400, round(second * RATE) + 400)
        assert abs(int(np.abs(wave[near]).argmax()) - 400) <= 16


def test_colours_survive(tmp_path: Path) -> None:
    colours = [(250, 10, 10), (10, 250, 10), (10, 10, 250), (90, 160, 200)]
    with VideoWriter(tmp_path / "c.mp4", 25, (64, 64)) as video:
        for colour in colours:
            video.write(np.broadcast_to(np.uint8(colour), (64, 64, 3)))
    for colour, (_, frame) in zip(colours, read_frames(tmp_path / "c.mp4"), strict=True):
        assert np.abs(frame.reshape(-1, 3).mean(0) - colour).max() < 4


def test_probe(tmp_path: Path) -> None:
    info = probe(write_numbers(tmp_path / "a.mp4", 30, 30000 / 1001, audio=clicks(0.1, length=1)))
    assert (info.width, info.height, info.frames) == (64, 48, 30)
    assert info.fps == Fraction(30000, 1001)
    assert info.has_video
    assert info.has_audio
    assert info.rotation == 0
    assert info.video_seconds == pytest.approx(30 * 1001 / 30000, abs=1e-3)
    assert info.audio_seconds == pytest.approx(1.0, abs=1e-3)


def test_odd_sizes_gain_one_row_and_column(tmp_path: Path) -> None:
    frame = np.zeros((47, 63, 3), np.uint8)
    frame[:, -1] = 200
    with VideoWriter(tmp_path / "odd.mp4", 25, (63, 47)) as video:
        video.write(frame)
    ((_, back),) = read_frames(tmp_path / "odd.mp4")
    assert back.shape == (48, 64, 3)
    assert back[:, 62:].mean() > 150  # the last column is repeated
    assert back[:, :60].mean() < 10


def test_metadata_standard_and_free(tmp_path: Path) -> None:
    for tags in ({"comment": "synthetic"}, {"comment": "synthetic", "made_with": "a model"}):
        path = write_numbers(tmp_path / "m.mp4", 2, metadata=tags)
        with av.open(str(path)) as container:
            assert tags.items() <= container.metadata.items()


def test_index_comes_first(tmp_path: Path) -> None:
    data = write_numbers(tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize(
    ("given", "exact"),
    [
        (25, Fraction(25)),
        (29.97, Fraction(30000, 1001)),
        (23.976, Fraction(24000, 1001)),
        (12.5, Fraction(25, 2)),
        (1.0, Fraction(1)),
        (2, Fraction(2)),
        (1.998, Fraction(2000, 1001)),
        (Fraction(1350, 61), Fraction(1350, 61)),
    ],
)
def test_frame_rate_is_exact(given: float, exact: Fraction) -> None:
    assert frame_rate(given) == exact


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf")])
def test_frame_rate_refuses(fps: float) -> None:
    with pytest.raises(ConfigError, match="positive"):
        frame_rate(fps)


@pytest.mark.skipif(not GRID.is_dir(), reason="../shared/data/grid is absent")
def test_real_clip() -> None:
    path = sorted(GRID.glob("*.mp4"))[0]
    times, frames = zip(*read_frames(path), strict=True)
    assert len(frames) == 75
    assert frames[0].shape == (288, 360, 3)
    assert times[0] == 0
    assert len(read_audio(path)) == pytest.approx(2.978 * RATE, abs=2)
