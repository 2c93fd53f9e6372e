"""Shared media with content known to the pixel and the sample."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from lipsync.media import VideoWriter

RATE = 16000


def grey(number: int, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    """A frame whose brightness encodes its number: 20 + 8 per frame."""
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
    """A video of numbered frames with any timestamps, and sound that starts at ``late`` s."""
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
    at = data.index(b"tkhd") + 4 + 40  # version 0: the nine numbers are 40 bytes after the name
    a, b, c, d = (int(v * 65536).to_bytes(4, "big", signed=True) for v in matrix)
    zero, one = bytes(4), (1 << 30).to_bytes(4, "big")
    data[at : at + 36] = a + b + zero + c + d + zero + zero + zero + one
    path.write_bytes(data)
