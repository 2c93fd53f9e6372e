"""Unreadable files give one-line errors; file names are never interpreted."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from media_files import RATE, clicks, write_numbers

from lipsync.errors import MediaError
from lipsync.media import (
    VideoWriter,
    probe,
    read_audio,
    read_frames,
    read_image,
    resample_frames,
    write_audio,
)


def broken_files(folder: Path) -> dict[str, Path]:
    whole = write_numbers(folder / "whole.mp4", audio=clicks(0.5, length=1)).read_bytes()
    files = {"empty": b"", "text": b"no video here\n" * 40, "cut": whole[: len(whole) // 4]}
    for name, data in files.items():
        (folder / f"{name}.mp4").write_bytes(data)
    paths = {name: folder / f"{name}.mp4" for name in files}
    return {**paths, "missing": folder / "none.mp4", "folder": folder}


@pytest.mark.parametrize("name", ["empty", "text", "cut", "missing", "folder"])
@pytest.mark.parametrize("read", [probe, lambda p: list(read_frames(p)), read_audio])
def test_what_is_no_media_is_named_in_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture, name: str, read: Callable
) -> None:
    path = broken_files(tmp_path)[name]
    with pytest.raises(MediaError) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    assert ";" in message  # and the remedy
    assert capfd.readouterr().err == ""  # ffmpeg prints nothing


def test_no_rights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_numbers(tmp_path / "a.mp4", 2)
    path.chmod(0)
    if os.access(path, os.R_OK):  # root may read anything: simulate the refusal

        def refuse(*_args: object, **_options: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(MediaError, match=r"a\.mp4: cannot be read \(Permission denied\)"):
        probe(path)


def test_missing_streams_are_named(tmp_path: Path) -> None:
    silent = write_numbers(tmp_path / "silent.mp4")
    write_audio(tmp_path / "sound.wav", clicks(0.5))
    with pytest.raises(MediaError, match=r"silent\.mp4: has no sound"):
        read_audio(silent)
    with pytest.raises(MediaError, match=r"sound\.wav: has no video"):
        next(read_frames(tmp_path / "sound.wav"))
    assert not probe(silent).has_audio
    assert not probe(tmp_path / "sound.wav").has_video


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A video of noise whose middle is overwritten; the index is whole."""
    rng = np.random.default_rng(0)
    path = tmp_path / "damaged.mp4"
    noise = rng.integers(0, 256, (96, 96, 3), dtype=np.uint8)
    with VideoWriter(path, 25, (96, 96)) as video:
        for i in range(50):
            video.write(np.roll(noise, i, 1))
    data = bytearray(path.read_bytes())
    half = len(data) // 2
    data[half : half + 2000] = rng.bytes(2000)
    path.write_bytes(data)
    return path


def test_damage_is_an_error_with_its_second(damaged: Path, capfd: pytest.CaptureFixture) -> None:
    frames = read_frames(damaged)
    for _ in range(10):  # frames arrive up to the damage
        next(frames)
    with pytest.raises(MediaError, match=r"mp4: its video is damaged at about (0\.[5-9]|1\.)\d"):
        list(frames)
    assert capfd.readouterr().err == ""


def test_damage_that_the_decoder_would_conceal_without_a_word(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    path = tmp_path / "a.mp4"
    with VideoWriter(path, 25, (96, 96)) as video:
        for _ in range(20):
            video.write(rng.integers(0, 256, (96, 96, 3), dtype=np.uint8))
    data = bytearray(path.read_bytes())
    start = len(data) // 2
    data[start : start + 60] = b"\xff" * 60
    path.write_bytes(data)
    with pytest.raises(MediaError, match="damaged at"):
        list(read_frames(path))
    assert len(list(read_frames(path, tolerate_damage=True))) == 20


def test_damage_is_concealed_on_request(damaged: Path) -> None:
    frames = list(resample_frames(read_frames(damaged, tolerate_damage=True), 25))
    assert len(frames) == 50


def test_a_file_cut_behind_its_index_is_damaged(tmp_path: Path) -> None:
    path = write_numbers(tmp_path / "a.mp4", 100)
    data = path.read_bytes()
    path.write_bytes(data[: (data.index(b"mdat") + len(data)) // 2])
    with pytest.raises(MediaError, match="damaged at"):
        list(read_frames(path))


HOSTILE = [
    "$(touch x); 'a\" b&.mp4",
    "concat:a|b.mp4",
    "-i.mp4",
    "%03d.mp4",
    "naïve 日本.mp4",
    "a\nb.mp4",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_is_only_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_numbers(Path(name), 3, audio=clicks(0.05, length=0.12))
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert len(list(read_frames(path))) == 3
    assert len(read_audio(path)) == round(0.12 * RATE)


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile {}\n",
    ],
)
def test_no_playlist_is_followed_to_other_files(tmp_path: Path, text: str) -> None:
    write_numbers(tmp_path / "other.mp4", 3)
    path = tmp_path / "list.m3u8"
    path.write_text(text.format("other.mp4"))
    with pytest.raises(MediaError, match="not a video or sound"):
        list(read_frames(path))


def test_pictures(tmp_path: Path) -> None:
    picture = np.zeros((10, 20, 3), np.uint8)
    picture[..., 0] = 200  # red
    path = tmp_path / "é.png"
    path.write_bytes(cv2.imencode(".png", picture[..., ::-1])[1].tobytes())
    assert np.array_equal(read_image(path), picture)
    (tmp_path / "t.png").write_text("text")
    for bad in (tmp_path / "t.png", tmp_path, tmp_path / "none.png"):
        with pytest.raises(MediaError):
            read_image(bad)


BAD = Path("../shared/data/bad")


@pytest.mark.skipif(not BAD.is_dir(), reason="../shared/data/bad is absent")
def test_real_bad_files() -> None:
    with pytest.raises(MediaError, match=r"video is damaged at about 2\.\d\d s"):
        list(read_frames(BAD / "damaged_stream.mpg"))
    with pytest.raises(MediaError, match=r"audio is damaged at about 2\.\d\d s"):
        read_audio(BAD / "damaged_stream.mpg")
    assert len(list(read_frames(BAD / "damaged_stream.mpg", tolerate_damage=True))) > 60
    ntsc = list(resample_frames(read_frames(BAD / "ntsc_29_97.mp4"), 25))
    assert len(ntsc) == round(183 * 1001 / 30000 * 25)
    assert probe(BAD / "rotated_90.mp4").rotation == 90
