"""Frames and sound by their timestamps, and upright frames."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from media_files import RATE, clicks, mux, numbers, set_rotation

from lipsync.media import VideoWriter, probe, read_audio, read_frames, resample_frames


@pytest.mark.parametrize("late", [0.3, 0.0])
def test_sound_is_aligned_to_the_first_frame(tmp_path: Path, late: float) -> None:
    """Video from 0.2 s, sound from ``late``: a click 0.5 s into the sound."""
    times = [0.2 + i / 25 for i in range(20)]
    path = mux(tmp_path / "a.mkv", times, clicks(0.5, length=1), late)
    wave = read_audio(path)
    assert abs(int(wave.argmax()) - round((late + 0.5 - 0.2) * RATE)) <= 16
    assert next(iter(read_frames(path)))[0] == pytest.approx(0.2, abs=1e-3)


def test_variable_rate_is_resampled_by_time(tmp_path: Path) -> None:
    path = mux(tmp_path / "v.mkv", [0.0, 0.5, 0.55, 1.0])
    shown = numbers(resample_frames(read_frames(path), 25))
    # the nearest changes at 0.25, 0.525 and 0.775 s: after 0.24, 0.52 and 0.76; the last frame
    # lasts as long as the mean one, up to 1.33 s
    assert shown == [0] * 7 + [1] * 7 + [2] * 6 + [3] * 13


def timed(count: int, fps: float, start: float = 0.0) -> Iterator[tuple[float, np.ndarray]]:
    return ((start + i / fps, np.full((1, 1, 3), i, np.uint8)) for i in range(count))


def ids(frames: Iterator[np.ndarray]) -> list[int]:
    return [int(f[0, 0, 0]) for f in frames]


@pytest.mark.parametrize("fps", [12.0, 25.0, 29.97, 60.0])
def test_resampling_keeps_the_duration(fps: float) -> None:
    count = round(4 * fps)
    shown = ids(resample_frames(timed(count, fps, start=7.3), 25))
    assert len(shown) == 100
    for k, number in enumerate(shown):
        asked = min(k / 25, (count - 1) / fps)  # the last frame stays
        assert abs(number / fps - asked) <= 0.5 / fps + 1e-6


def test_resampling_to_its_own_rate_changes_nothing() -> None:
    assert ids(resample_frames(timed(31, 25, start=-3), 25)) == list(range(31))
    assert ids(resample_frames(timed(1, 25), 25)) == [0]
    assert ids(resample_frames(timed(0, 25), 25)) == []


def test_a_clock_that_steps_back_loses_only_that_frame() -> None:
    frames = list(timed(5, 25))
    frames[2] = (0.01, frames[2][1])
    shown = ids(resample_frames(iter(frames), 25))
    assert len(shown) == 5
    assert set(shown) == {0, 1, 3, 4}


@pytest.mark.parametrize(
    ("matrix", "turn"),
    # as in a player: the matrix maps stored x, y (downwards) to displayed ones
    [([0, 1, -1, 0], "clockwise"), ([0, -1, 1, 0], "counter"), ([-1, 0, 0, -1], "half")],
)
def test_display_rotation(tmp_path: Path, matrix: list[int], turn: str) -> None:
    frame = np.zeros((48, 64, 3), np.uint8)
    frame[:16, :16] = 255  # a mark at the top left of the stored picture
    with VideoWriter(tmp_path / "r.mp4", 25, (64, 48)) as video:
        video.write(frame)
    set_rotation(tmp_path / "r.mp4", matrix)
    info = probe(tmp_path / "r.mp4")
    ((_, shown),) = read_frames(tmp_path / "r.mp4")
    assert shown.shape[:2] == (info.height, info.width)
    assert shown.shape[:2] == ((48, 64) if turn == "half" else (64, 48))
    corners = {
        "clockwise": np.s_[:16, -16:],
        "counter": np.s_[-16:, :16],
        "half": np.s_[-16:, -16:],
    }
    assert shown[corners[turn]].mean() > 200
    assert shown.mean() < 40
    ((_, stored),) = read_frames(tmp_path / "r.mp4", rotate=False)
    assert stored[:16, :16].mean() > 200
