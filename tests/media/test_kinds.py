"""Odd media decoded as players do: square pixels, deinterlacing, choice of streams, animated
images; experiments/media_kinds tries many more."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from media_files import RATE, clicks, grey, numbers, write_numbers
from PIL import Image

from lipsync.dubbing.source import open_source
from lipsync.errors import MediaError
from lipsync.media import (
    EncodedSound,
    VideoWriter,
    audio_blocks,
    can_copy,
    frame_times,
    probe,
    read_audio,
    read_frames,
    sound_channels,
)


def encode(
    path: Path, frames: list[np.ndarray], codec: str = "libx264", aspect: Fraction | None = None,
    **options: str,
) -> Path:  # fmt: skip
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=25)
        video.width, video.height, video.pix_fmt = *frames[0].shape[1::-1], "yuv420p"
        video.options = options
        if aspect is not None:
            video.codec_context.sample_aspect_ratio = aspect
        for number, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format="yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, 25)
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
    return path


@pytest.mark.parametrize(("stored", "aspect", "shown"), [
    ((80, 160), Fraction(2), (160, 160)),
    ((160, 80), Fraction(1, 2), (160, 160)),
    ((160, 120), Fraction(16, 15), (170, 120)),
    ((160, 120), Fraction(9), (160, 120)),  # nonsense
    ((160, 120), Fraction(575, 576), (160, 120)),
])  # fmt: skip
def test_pixels_come_out_square(tmp_path: Path, stored, aspect, shown) -> None:
    picture = np.zeros((stored[1], stored[0], 3), np.uint8)
    picture[stored[1] // 4 : -stored[1] // 4, stored[0] // 4 : -stored[0] // 4] = 255
    path = encode(tmp_path / "a.mkv", [picture] * 5, aspect=aspect)
    info = probe(path)
    assert (info.width, info.height) == open_source(path).size == shown
    _, frame = next(read_frames(path))
    rows, columns = np.nonzero(frame[..., 0] > 128)
    assert frame.shape[1::-1] == shown
    assert np.ptp(columns) + 1 == pytest.approx(shown[0] / 2, abs=2)
    assert np.ptp(rows) + 1 == pytest.approx(shown[1] / 2, abs=2)


def test_interlaced_frames_are_made_whole_and_keep_their_times(tmp_path: Path) -> None:
    frames = []
    for k in range(12):  # a bar that moves 4 pixels from field to field
        frame = np.full((96, 160, 3), 40, np.uint8)
        frame[0::2, 8 * k : 8 * k + 40] = 220
        frame[1::2, 8 * k + 4 : 8 * k + 44] = 220
        frames.append(frame)
    whole = encode(tmp_path / "p.mpg", frames, "mpeg2video", b="8000000")
    path = encode(tmp_path / "i.mpg", frames, "mpeg2video", b="8000000", flags="+ilme+ildct")

    def combing(path: Path) -> float:
        edge = [f[::2].astype(int) - f[1::2] for _, f in read_frames(path)][3:9]
        return float(np.abs(np.array(edge)).mean())

    assert combing(path) < 0.4 * combing(whole)
    times = [time for time, _ in read_frames(path)]
    assert times == pytest.approx(frame_times(path), abs=1e-6)
    assert len(times) == 12
    later = [time for time, _ in read_frames(path, start=times[5])]
    assert later == pytest.approx(times[5:], abs=1e-6)


@pytest.mark.parametrize("default", [0, 1])
def test_the_default_streams_are_played(tmp_path: Path, default: int) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        videos = [container.add_stream("libx264", rate=25) for _ in range(2)]
        sounds = [container.add_stream("flac", rate=RATE, layout="mono") for _ in range(2)]
        for k, video in enumerate(videos):
            video.width, video.height, video.pix_fmt = 64 + 16 * k, 48, "yuv420p"
        for pair in (videos, sounds):
            for k, stream in enumerate(pair):
                stream.disposition = av.stream.Disposition(int(k == default))
        for k, video in enumerate(videos):
            for number in range(5):
                frame = av.VideoFrame.from_ndarray(grey(number, (64 + 16 * k, 48)), format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
        for k, sound in enumerate(sounds):
            block = np.full((1, RATE // 5), 8000 * (k + 1), np.int16)
            frame = av.AudioFrame.from_ndarray(block, format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
            container.mux(sound.encode(frame))
            container.mux(sound.encode(None))
    assert probe(path).width == 64 + 16 * default
    assert read_audio(path).mean() * 32768 == pytest.approx(8000 * (default + 1), rel=0.01)


@pytest.mark.parametrize("suffix", [".webp", ".png", ".gif", ".avif"])
def test_animated_pictures_are_videos(tmp_path: Path, suffix: str) -> None:
    stills = [Image.fromarray(grey(k)) for k in range(6)]
    more = {"lossless": True} if suffix == ".webp" else {}
    path = tmp_path / f"a{suffix}"
    stills[0].save(path, save_all=True, append_images=stills[1:], duration=80, loop=0, **more)
    source = open_source(path)
    assert source.still is None
    assert (source.fps, source.size) == (Fraction(25, 2), (64, 48))
    assert numbers(frame for _, frame in source.frames()) == list(range(6))
    assert numbers(source.span(3, 5)) == [3, 4]
    stills[0].save(path)
    if suffix != ".gif":
        assert open_source(path).still is not None


def test_what_moves_and_is_transparent_is_laid_on_a_colour(tmp_path: Path) -> None:
    picture = np.full((48, 64, 4), 30, np.uint8)
    picture[:, 32:, 3] = 255
    stills = [Image.fromarray(picture)] * 2
    stills[1] = Image.fromarray(picture + np.uint8([9, 0, 0, 0]))
    stills[0].save(tmp_path / "a.webp", save_all=True, append_images=stills[1:], lossless=True,
                   exact=True)  # fmt: skip
    _, frame = next(read_frames(tmp_path / "a.webp", backdrop="#00ff00"))
    assert frame[20, 60].tolist() == [30, 30, 30]
    assert frame[20, 5, 1] > 200


def test_a_damaged_animation_and_heic_without_a_reader_are_one_line(tmp_path: Path) -> None:
    stills = [Image.fromarray(np.random.default_rng(k).integers(0, 256, (48, 64, 3), np.uint8))
              for k in range(6)]  # fmt: skip
    stills[0].save(tmp_path / "a.webp", save_all=True, append_images=stills[1:])
    whole = (tmp_path / "a.webp").read_bytes()
    (tmp_path / "a.webp").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MediaError, match=r"a\.webp: (is a damaged|cannot be decoded)"):
        open_source(tmp_path / "a.webp")
    (tmp_path / "a.heic").write_bytes(b"\x00\x00\x00\x18ftypheic" + bytes(80))
    with pytest.raises(
        MediaError,
        match=r"a\.heic: (is HEIC; pip install .*heic\]'|cannot be decoded as a picture)",
    ):
        open_source(tmp_path / "a.heic")


def test_sound_before_an_edit_list_is_not_copied(tmp_path: Path) -> None:
    """Packets hidden by players may be a codec's priming, but not a second of speech."""
    written = write_numbers(tmp_path / "whole.mp4", 50, audio=clicks(0.5, 1.5))
    assert can_copy(written, "a.mp4")
    cut = tmp_path / "cut.mp4"
    with (
        av.open(str(written)) as given,
        av.open(str(cut), "w", options={"avoid_negative_ts": "disabled"}) as made,
    ):
        streams = {s.index: made.add_stream_from_template(s) for s in given.streams}
        for packet in given.demux():
            if packet.dts is None:
                continue
            shift = round(1 / packet.time_base)
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            packet.stream = streams[packet.stream.index]
            made.mux(packet)
    heard = read_audio(cut)
    assert abs(int(heard.argmax()) - RATE // 2) <= 16
    assert not can_copy(cut, "a.mkv")


def test_sound_of_six_channels_stays_so(tmp_path: Path) -> None:
    time = np.arange(48_000) / 48_000
    wave = np.stack([0.3 * np.sin(2 * np.pi * hertz * time) for hertz in (200, 300, 400, 60, 500,
                                                                          600)])  # fmt: skip
    blocks = [wave.astype(np.float32)]
    path = tmp_path / "a.mkv"
    with VideoWriter(path, 25, (64, 48), audio=EncodedSound(blocks, 48_000, 6)) as video:
        for k in range(25):
            video.write(grey(k))
    assert (sound_channels(path, "aac"), sound_channels(path, "mp3")) == (6, 2)
    heard = np.concatenate(list(audio_blocks(path, 48_000, channels=6)), axis=1)[:, :48_000]
    peaks = np.abs(np.fft.rfft(heard)).argmax(axis=1)
    assert peaks == pytest.approx([200, 300, 400, 60, 500, 600], abs=2)
