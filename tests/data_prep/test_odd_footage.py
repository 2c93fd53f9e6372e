"""Footage as cameras and websites provide it: odd rates, sound, sizes, permissions and lists."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from footage_media import FACE, moving, reasons, run, tone, video

from lipsync.data.store import open_clip, read_split
from lipsync.media import VideoWriter, read_audio


def with_sound(path: Path, rate: int, layout: str, seconds: float) -> Path:
    """A video of a face with a tone at this rate and layout; for 0 s, a track without packets."""
    silent = video(path.with_suffix(".silent.mp4"), moving(20), sound=0)
    with av.open(str(silent)) as old, av.open(str(path), "w") as new:
        picture = new.add_stream_from_template(old.streams.video[0])
        sound = new.add_stream("aac" if rate > 8000 else "pcm_s16le", rate=rate, layout=layout)
        for packet in old.demux(old.streams.video[0]):
            if packet.dts is not None:
                packet.stream = picture
                new.mux(packet)
        count, kind = round(seconds * rate), "fltp" if rate > 8000 else "s16"
        channels = av.AudioLayout(layout).nb_channels
        wave = 0.4 * np.sin(2 * np.pi * 440 * np.arange(count) / rate)
        for at in range(0, count, 1024):
            block = np.tile(wave[at : at + 1024], (channels, 1))
            block = block.astype(np.float32) if rate > 8000 else np.int16(32767 * block)
            frame = av.AudioFrame.from_ndarray(block, format=kind, layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
            new.mux(sound.encode(frame))
        new.mux(sound.encode(None) if count else [])
    silent.unlink()
    return path


def alone(folder: Path) -> Path:
    (folder / "in/s").mkdir(parents=True)
    return folder / "in/s"


@pytest.mark.parametrize("fps", [12, 60, 120])
def test_rates(tmp_path: Path, fps: float) -> None:
    count = round(0.8 * fps)
    video(
        alone(tmp_path) / "a.mp4",
        [np.roll(FACE, i * 25 // round(fps), 1) for i in range(count)],
        fps,
    )
    (row,) = run(tmp_path / "in", tmp_path / "out").kept
    assert row.frames == round(count / fps * 25)
    clip = open_clip(tmp_path / "out", "s/a")
    assert clip.info["source_fps"] == str(fps)
    assert abs(len(clip.wave) - 640 * len(clip)) <= 640


def test_a_variable_rate(tmp_path: Path) -> None:
    """The face moves by a pixel per frame; half of the frames come late."""
    times = [i / 25 if i < 10 else 0.4 + (i - 10) / 10 for i in range(16)]  # 25 fps, then 10 fps
    with av.open(str(alone(tmp_path) / "a.mkv"), "w") as container:
        stream = container.add_stream("libx264", rate=1000)
        stream.width, stream.height, stream.pix_fmt = 160, 160, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        sound = container.add_stream("pcm_s16le", rate=16000, layout="mono")
        for i, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(np.roll(FACE, i % 5, 1), format="rgb24")
            frame.pts, frame.time_base = round(1000 * time), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        block = np.int16(32767 * tone(1.0))[None]
        frame = av.AudioFrame.from_ndarray(block, format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 16000, 0, Fraction(1, 16000)
        container.mux(sound.encode(frame))
    (row,) = run(tmp_path / "in", tmp_path / "out").kept
    assert row.frames == pytest.approx(25, abs=2)  # a second, not 16 frames
    faces = open_clip(tmp_path / "out", "s/a").faces.astype(int)
    steps = np.abs(np.diff(faces, axis=0)).mean(axis=(1, 2, 3))
    assert (steps[:9] > 1).all()  # a new image in every frame
    assert (steps[12:] < 0.5).sum() >= 5  # most are repeated


@pytest.mark.parametrize(("rate", "layout"), [(8000, "mono"), (48000, "5.1")])
def test_sound_of_other_rates_and_layouts(tmp_path: Path, rate: int, layout: str) -> None:
    with_sound(alone(tmp_path) / "a.mkv", rate, layout, 0.8)
    (row,) = run(tmp_path / "in", tmp_path / "out").kept
    assert row.frames == 20
    wave = open_clip(tmp_path / "out", "s/a").wave
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave))))
    assert np.argmax(spectrum) * 16000 / len(wave) == pytest.approx(440, abs=4)
    assert np.abs(wave[2000:-2000]).max() == pytest.approx(0.4, abs=0.05)


def test_a_sound_stream_without_a_sample(tmp_path: Path) -> None:
    with_sound(alone(tmp_path) / "a.mkv", 48000, "mono", 0)
    (row,) = run(tmp_path / "in", tmp_path / "out").rows
    assert row.reason in ("no_sound", "damaged")
    assert row.detail


def test_a_picture_that_the_file_says_is_turned(tmp_path: Path) -> None:
    """Stored rotated, with a display matrix that makes it upright, as phones do."""
    sideways = [np.ascontiguousarray(np.rot90(frame)) for frame in moving(12)]
    path = video(alone(tmp_path) / "a.mp4", sideways)
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 44  # the matrix of the track, in 16.16 fixed point
    turn = [0, 1, 0, -1, 0, 0, 0, 0, 1 << 14]
    data[at : at + 36] = b"".join((v << 16).to_bytes(4, "big", signed=True) for v in turn)
    path.write_bytes(data)
    run(tmp_path / "in", tmp_path / "out")
    assert open_clip(tmp_path / "out", "s/a").info["quarter_turns"] == 0
    video(path, moving(12))
    run(tmp_path / "in", tmp_path / "plain")
    turned, plain = (open_clip(tmp_path / name, "s/a").faces[0] for name in ("out", "plain"))
    assert np.abs(turned.astype(float) - plain).mean() < 12


def test_4k_to_the_largest_crops(tmp_path: Path) -> None:
    frame = np.full((2160, 3840, 3), 80, np.uint8)
    frame[400:1600, 1200:2400] = cv2.resize(FACE, (1200, 1200))
    with VideoWriter(alone(tmp_path) / "a.mp4", 25, (3840, 2160), audio=tone(0.24)) as writer:
        for _ in range(6):
            writer.write(frame)
    (row,) = run(tmp_path / "in", tmp_path / "out", image_size=512).kept
    assert row.frames == 6
    clip = open_clip(tmp_path / "out", "s/a")
    assert clip.faces.shape == (6, 512, 512, 3)
    info = clip.info
    assert info["source_size"] == [3840, 2160]
    # The portrait's face in its own picture, times 1200 / 160, from 1200, 400 on.
    x0, y0, x1, y1 = info["boxes"][0]
    assert 1300 < x0 < x1 < 2300
    assert 400 < y0 < y1 < 1500


def test_files_that_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = alone(tmp_path)
    for name in ("good", "locked"):
        video(folder / f"{name}.mp4", moving(12) if name == "good" else moving(14))
    (folder / "dangling.mp4").symlink_to(tmp_path / "nowhere.mp4")
    (folder / "folder.mp4").mkdir()
    really = Path.open

    def refuse(path: Path, *arguments: object, **options: object) -> object:
        if path.name == "locked.mp4":
            raise PermissionError(13, "Permission denied")
        return really(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)  # root may read anything
    summary = run(tmp_path / "in", tmp_path / "out")
    assert reasons(summary.rows) == {
        "s/dangling.mp4": "unreadable",
        "s/good.mp4": "",
        "s/locked.mp4": "unreadable",
    }


def test_hostile_lines_of_a_split_list_lead_nowhere(tmp_path: Path) -> None:
    video(alone(tmp_path) / "a.mp4", moving(12))
    lists = tmp_path / "in/filelists"
    lists.mkdir()
    hostile = ["../../x", "/etc/passwd", "s/../../x", "$(touch y)", "s/a\x00b", "..", "s/a"]
    (lists / "train.txt").write_text("\n".join(hostile) + "\n")
    (lists / "..evil.txt").write_text("s/b\n")
    before = set(tmp_path.rglob("*"))
    run(tmp_path / "in", tmp_path / "out")
    assert read_split(tmp_path / "out", "train") == ["s/a"]
    made = set(tmp_path.rglob("*")) - before
    assert all(path.is_relative_to(tmp_path / "out") for path in made)


def test_the_sound_of_a_clip_is_that_of_its_frames(tmp_path: Path) -> None:
    """A click in the middle of a long take stays at its frame in the resulting clip."""
    wave = tone(2.4)
    wave[:] *= 0.05
    wave[round(1.72 * 16000)] = 0.95
    with VideoWriter(alone(tmp_path) / "a.mp4", 25, (160, 160), audio=wave) as writer:
        for frame in moving(60):
            writer.write(frame)
    kept = run(tmp_path / "in", tmp_path / "out", max_seconds=0.8).kept
    assert [row.start for row in kept] == [0, 20, 40]
    clip = open_clip(tmp_path / "out", kept[2].key)
    assert int(np.abs(clip.wave).argmax()) / 640 == pytest.approx(1.72 * 25 - 40, abs=0.1)
    whole = read_audio(tmp_path / "in/s/a.mp4")
    assert np.abs(clip.wave - whole[40 * 640 : 60 * 640]).max() < 1e-4
