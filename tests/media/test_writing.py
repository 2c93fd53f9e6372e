"""Videos are written atomically."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from media_files import RATE, clicks, grey, write_numbers

from lipsync.errors import MediaError
from lipsync.media import VideoWriter, check_target, read_audio


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_interrupted_video_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    (tmp_path / "a.mp4").write_bytes(b"older")

    def stopped() -> None:
        with VideoWriter(tmp_path / "a.mp4", 25, (64, 48)) as video:
            video.write(grey(0))
            raise error

    with pytest.raises(error):
        stopped()
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]
    assert (tmp_path / "a.mp4").read_bytes() == b"older"


def test_nothing_is_visible_before_the_end(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", 25, (64, 48)) as video:
        video.write(grey(0))
        assert not (tmp_path / "a.mp4").exists()
    assert (tmp_path / "a.mp4").exists()
    assert stat.S_IMODE((tmp_path / "a.mp4").stat().st_mode) & 0o400


def test_what_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cases = {
        tmp_path / "a.txt": "'.txt' is not a known container",
        tmp_path: "is not a known container",
        tmp_path / "file" / "a.mp4": "cannot be written",
    }
    for path, problem in cases.items():
        with pytest.raises(MediaError, match=problem):
            write_numbers(path, 1)
    (tmp_path / "b.mp4").mkdir()
    with pytest.raises(MediaError, match="is a folder"):
        write_numbers(tmp_path / "b.mp4", 1)
    with pytest.raises(MediaError, match="no frame was written"):
        write_numbers(tmp_path / "c.mp4", 0)
    assert not (tmp_path / "c.mp4").exists()


def test_targets_are_checked_in_advance(tmp_path: Path) -> None:
    for path, problem in {
        tmp_path: "is a folder; name a file in it",
        tmp_path / "a": "has no suffix; use .mp4, .mkv",
        tmp_path / "a.gif": "'.gif' is not a video suffix; use .mp4, .mkv",
    }.items():
        with pytest.raises(MediaError) as caught:
            check_target(path, suffixes=(".mp4", ".mkv"))
        assert str(caught.value) == f"{path}: {problem}"
    with pytest.raises(MediaError, match=r"^\.: is a folder"):
        check_target("")


def test_a_frame_of_another_size_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match=r"uint8 \(48, 64, 3\)"),
        VideoWriter(tmp_path / "a.mp4", 25, (64, 48)) as video,
    ):
        video.write(grey(0, (48, 64)))


def test_sound_longer_than_the_picture_is_kept(tmp_path: Path) -> None:
    path = write_numbers(tmp_path / "a.mp4", 5, audio=clicks(1.5))
    wave = read_audio(path)
    assert len(wave) == 2 * RATE
    assert abs(int(wave.argmax()) - round(1.5 * RATE)) <= 16


_WRITE = """
import sys
import numpy as np
from lipsync.media import VideoWriter
drift = np.random.default_rng(0).integers(0, 256, (96, 80 + 20, 3), dtype=np.uint8)
drift = (drift[:-1, :-1] // 2 + drift[1:, 1:] // 2).repeat(2, 0).repeat(2, 1)[:176]
wave = np.random.default_rng(1).normal(0, 0.1, 16000).astype(np.float32)
with VideoWriter(sys.argv[1], 25, (160, 176), audio=wave) as video:
    for k in range(20):
        video.write(drift[:, k : k + 160])
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the filling is glibc's")
def test_equal_frames_give_equal_files_whatever_memory_held_before(tmp_path: Path) -> None:
    files = []
    for filling in ("1", "170"):  # byte that fills newly allocated memory
        path = tmp_path / f"{filling}.mp4"
        about = os.environ | {"MALLOC_PERTURB_": filling}
        subprocess.run([sys.executable, "-c", _WRITE, path], env=about, check=True)
        files.append(np.frombuffer(path.read_bytes(), np.uint8))
    assert np.array_equal(*files)
