"""media: every number here is derived from what was written, not from what was read."""

from __future__ import annotations

import os
import stat
import struct
import wave as wavfile
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from lipsync.errors import ConfigError, MediaError
from lipsync.media import (
    VideoWriter,
    frame_rate,
    probe,
    read_audio,
    read_frames,
    read_image,
    resample_frames,
    write_audio,
)

GRID = Path("../shared/data/grid/s1")
RATE = 16000


def grey(number: int, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    """A frame that says its number by its brightness: 20 + 8 a frame."""
    return np.full((size[1], size[0], 3), 20 + 8 * number, np.uint8)


def numbers(frames: Iterator[np.ndarray]) -> list[int]:
    return [round((float(f.mean()) - 20) / 8) for f in frames]


def clicks(*seconds: float, length: float = 2.0) -> np.ndarray:
    wave = np.zeros(round(length * RATE), np.float32)
    wave[[round(s * RATE) for s in seconds]] = 0.9
    return wave


def write_numbers(path: Path, count: int = 25, fps: float | Fraction = 25, **options) -> Path:
    with VideoWriter(path, fps, (64, 48), **options) as video:
        for i in range(count):
            video.write(grey(i % 25))
    return path


def mux(path: Path, times: list[float], sound: np.ndarray | None = None, late: float = 0.0) -> Path:
    """A video of numbered frames at any times, with sound that starts ``late`` seconds after 0."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=1000)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        video.options = {"crf": "10", "bf": "0"}
        audio = (
            container.add_stream("pcm_s16le", rate=RATE, layout="mono")
            if sound is not None
            else None
        )
        for i, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(grey(i), format="rgb24")
            frame.pts, frame.time_base = round(time * 1000), Fraction(1, 1000)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio is not None:
            block = (sound * 32767).astype(np.int16)[None]
            frame = av.AudioFrame.from_ndarray(block, format="s16", layout="mono")
            frame.sample_rate, frame.pts = RATE, round(late * RATE)
            frame.time_base = Fraction(1, RATE)
            container.mux(audio.encode(frame))
            container.mux(audio.encode(None))
    return path


def set_rotation(path: Path, matrix: list[int]) -> None:
    """Write a display matrix (a, b, c, d; 16.16 fixed point) into the track header of an mp4."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # version 0: the nine numbers lie 40 bytes behind the name
    a, b, c, d = (int(v * 65536).to_bytes(4, "big", signed=True) for v in matrix)
    zero, one = bytes(4), (1 << 30).to_bytes(4, "big")
    data[at : at + 36] = a + b + zero + c + d + zero + zero + zero + one
    path.write_bytes(data)


# ---------------------------------------------------------------- written files come back


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
    assert back[:, 62:].mean() > 150  # the last column twice
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
        (Fraction(1350, 61), Fraction(1350, 61)),
    ],
)
def test_frame_rate_is_exact(given: float, exact: Fraction) -> None:
    assert frame_rate(given) == exact


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf")])
def test_frame_rate_refuses(fps: float) -> None:
    with pytest.raises(ConfigError, match="positive"):
        frame_rate(fps)


# ---------------------------------------------------------------- clocks


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
    shown = numbers(resample_frames(read_frames(path), 25, duration=1.0))
    # the nearest changes at 0.25, 0.525 and 0.775 s: after 0.24, 0.52 and 0.76
    assert shown == [0] * 7 + [1] * 7 + [2] * 6 + [3] * 5


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


def test_resampling_to_a_duration() -> None:
    assert ids(resample_frames(timed(3, 25), 25, duration=0.2)) == [0, 1, 2, 2, 2]
    assert ids(resample_frames(timed(9, 25), 25, duration=0.08)) == [0, 1]


def test_a_clock_that_steps_back_loses_only_that_frame() -> None:
    frames = list(timed(5, 25))
    frames[2] = (0.01, frames[2][1])
    shown = ids(resample_frames(iter(frames), 25))
    assert len(shown) == 5
    assert set(shown) == {0, 1, 3, 4}


@pytest.mark.parametrize(
    ("matrix", "turn"),
    # what a player does: the matrix maps x, y (downwards) of the stored to the shown picture
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


# ---------------------------------------------------------------- sound


def write_wav(path: Path, samples: np.ndarray, rate: int) -> Path:
    """``samples`` int16 (n, channels)."""
    with wavfile.open(str(path), "wb") as file:
        file.setparams((samples.shape[1], 2, rate, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())
    return path


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (44100, 2), (48000, 6)])
def test_rates_and_channels(tmp_path: Path, rate: int, channels: int) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    samples = np.repeat((tone * 32767)[:, None], channels, 1)
    wave = read_audio(write_wav(tmp_path / "a.wav", samples, rate))
    assert abs(len(wave) - RATE) <= 1
    middle = wave[2000:-2000]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert np.argmax(spectrum) * RATE / len(middle) == pytest.approx(440, abs=2)
    assert np.abs(middle).max() == pytest.approx(0.5, abs=0.02)  # equal channels keep their level


def test_sixteen_bit_sound_comes_back_exactly(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).integers(-32768, 32768, 5000)
    wave = read_audio(write_wav(tmp_path / "a.wav", samples[:, None], RATE))
    assert np.array_equal(wave * 32768, samples)
    write_audio(tmp_path / "b.wav", wave)
    assert (tmp_path / "b.wav").read_bytes() == (tmp_path / "a.wav").read_bytes()


def test_not_a_number_becomes_silence(tmp_path: Path) -> None:
    tone = 0.3 * np.sin(np.arange(RATE) / 9).astype("<f4")
    tone[5000:5010] = np.nan
    tone[6000] = np.inf
    # RIFF header of a WAV with one channel of 32-bit floats (format 3)
    layout = struct.pack("<HHIIHH", 3, 1, RATE, 4 * RATE, 4, 32)
    header = b"WAVEfmt " + struct.pack("<I", 16) + layout + b"data" + struct.pack("<I", tone.nbytes)
    header = b"RIFF" + struct.pack("<I", len(header) + tone.nbytes) + header
    (tmp_path / "f.wav").write_bytes(header + tone.tobytes())
    wave = read_audio(tmp_path / "f.wav")
    assert np.isfinite(wave).all()
    assert np.abs(wave[5000:5010]).max() < 0.01
    assert np.abs(wave - np.nan_to_num(tone, nan=0, posinf=0)).max() < 1e-4
    write_audio(tmp_path / "g.wav", tone)
    path = write_numbers(tmp_path / "v.mp4", audio=tone)
    assert np.isfinite(read_audio(tmp_path / "g.wav")).all()
    assert np.abs(read_audio(path)).max() < 0.5


# ---------------------------------------------------------------- what cannot be read


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
    assert capfd.readouterr().err == ""  # ffmpeg keeps quiet


def test_no_rights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_numbers(tmp_path / "a.mp4", 2)
    path.chmod(0)
    if os.access(path, os.R_OK):  # the superuser may read anything: let the system refuse

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
    for _ in range(10):  # frames stream until the damage
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


# ---------------------------------------------------------------- writing: whole or not at all


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
        tmp_path / "a.txt": "no container is named '.txt'",
        tmp_path: "no container",
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


# ---------------------------------------------------------------- real footage, where there is some


@pytest.mark.skipif(not GRID.is_dir(), reason="../shared/data/grid is absent")
def test_real_clip() -> None:
    path = sorted(GRID.glob("*.mp4"))[0]
    times, frames = zip(*read_frames(path), strict=True)
    assert len(frames) == 75
    assert frames[0].shape == (288, 360, 3)
    assert times[0] == 0
    assert len(read_audio(path)) == pytest.approx(2.978 * RATE, abs=2)


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
