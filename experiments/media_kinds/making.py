"""Write media of any kind with PyAV."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from card import FPS, HEIGHT, RATE, SECONDS, WIDTH, Card

Shape = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Recipe:
    """How to write a file; ``times`` are those of its frames, ``rate`` per second if None."""

    video: str | None = "libx264"
    pixels: str = "yuv420p"
    sound: str | None = "aac"
    rate: Fraction | int = FPS
    times: Sequence[float] | None = None
    begins: float = 0.0  # seconds of initial packets hidden by an edit list
    late: float = 0.0  # start time of all streams, in seconds
    aspect: Fraction = Fraction(1)
    layout: str = "mono"
    sample_rate: int = RATE
    options: dict[str, str] = field(default_factory=dict)
    container: dict[str, str] = field(default_factory=dict)
    shape: Shape | None = None
    wave: Shape | None = None
    coded: Callable[[np.ndarray], av.VideoFrame] | None = None
    tags: dict[str, int] = field(default_factory=dict)
    fields: bool = False
    more: str = ""  # a second stream: "cover", "video" or "audio"

    def shown(self) -> list[float]:
        """Presentation times of the frames; those before 0 are hidden."""
        if self.times is not None:
            return list(self.times)
        first = -round(self.begins * self.rate)
        return [float(k / self.rate) for k in range(first, round(SECONDS * self.rate))]


def write(path: Path, card: Card, recipe: Recipe) -> Path:
    """Write the card to a file as the recipe says."""
    options = {"avoid_negative_ts": "disabled"} if recipe.begins else {}
    with av.open(str(path), "w", options=options | recipe.container) as output:
        streams = []
        if recipe.more == "audio":
            streams.append(_audio(output, recipe, silent(card.wave), default=False))
        if recipe.video is not None:
            if recipe.more == "video":
                streams.append(_video(output, card, recipe, black=True))
            streams.append(_video(output, card, recipe))
        if recipe.sound is not None:
            wave = card.wave if recipe.wave is None else recipe.wave(card.wave)
            streams.append(_audio(output, recipe, wave))
        if recipe.more == "cover":
            streams.append(_cover(output))
        for packets in streams:
            for packet in packets:
                output.mux(packet)
    return path


def silent(wave: np.ndarray) -> np.ndarray:
    return np.zeros_like(wave)


def _video(output, card: Card, recipe: Recipe, black: bool = False):
    video = output.add_stream(recipe.video, rate=recipe.rate)
    wide, high = WIDTH, HEIGHT
    if recipe.aspect > 1:
        wide = round(WIDTH / recipe.aspect)
    elif recipe.aspect < 1:
        high = round(HEIGHT * recipe.aspect)
    first = card.frame(0.0)
    if recipe.shape is not None:
        high, wide = recipe.shape(first).shape[:2]
    video.width, video.height, video.pix_fmt = wide, high, recipe.pixels
    video.options = dict(recipe.options)
    if recipe.video in ("libx264", "mpeg4", "mpeg2video", "flv", "wmv2", "mjpeg", "libvpx"):
        video.bit_rate = 4_000_000
    context = video.codec_context
    if recipe.times is not None or recipe.late:
        context.time_base = Fraction(1, 1000)
    if recipe.aspect != 1:
        context.sample_aspect_ratio = recipe.aspect
    for name, value in recipe.tags.items():
        setattr(context, name, value)
    if "default" in str(video.disposition) or recipe.more == "video":
        video.disposition = av.stream.Disposition(0 if black else 1)
    base = context.time_base or 1 / Fraction(recipe.rate)

    def packets():
        for seconds in recipe.shown():
            frame = _picture(card, recipe, max(0.0, seconds), wide, high)
            if black or seconds < 0:
                frame = np.zeros_like(frame)
            made = recipe.coded(frame) if recipe.coded else _coded(frame, recipe)
            made.pts, made.time_base = round((seconds + recipe.late) / base), base
            yield from video.encode(made)
        yield from video.encode(None)

    return packets()


def _picture(card: Card, recipe: Recipe, seconds: float, wide: int, high: int) -> np.ndarray:
    frame = card.frame(seconds)
    if recipe.shape is not None:
        return recipe.shape(frame)
    if (wide, high) != (WIDTH, HEIGHT):
        frame = cv2.resize(frame, (wide, high), interpolation=cv2.INTER_AREA)
    if recipe.fields:  # the lower field is half a frame later
        frame = frame.copy()
        frame[1::2] = card.frame(seconds + 0.5 / FPS)[1::2]
    return frame


def _coded(frame: np.ndarray, recipe: Recipe) -> av.VideoFrame:
    form = {4: "rgba", 3: "rgb24"}[frame.shape[2]]
    made = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format=form)
    matrix = {1: "ITU709"}.get(recipe.tags.get("colorspace", 0), "ITU601")
    full = {} if recipe.tags.get("color_range") != 2 else {"dst_color_range": "JPEG"}
    return made.reformat(format=recipe.pixels, dst_colorspace=matrix, **full)


def _audio(output, recipe: Recipe, wave: np.ndarray, default: bool = True):
    audio = output.add_stream(recipe.sound, rate=recipe.sample_rate, layout=recipe.layout)
    if recipe.sound == "libopencore_amrnb":
        audio.bit_rate = 12_200
    if recipe.more == "audio":
        audio.disposition = av.stream.Disposition(1 if default else 0)
    channels = wave if wave.ndim == 2 else np.repeat(wave[None], audio.channels, axis=0)
    resampler = av.AudioResampler("fltp", recipe.layout, recipe.sample_rate)
    if recipe.begins:
        hidden = np.zeros((len(channels), round(recipe.begins * RATE)), np.float32)
        channels = np.concatenate([hidden, channels], axis=1)
    start = round((recipe.late - recipe.begins) * recipe.sample_rate)

    def packets():
        sent = start
        step = RATE // 50
        for at in range(0, channels.shape[1] + step, step):
            block = np.ascontiguousarray(channels[:, at : at + step], np.float32)
            frames = [None]
            if block.shape[1]:
                frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=recipe.layout)
                frame.sample_rate, frame.pts, frame.time_base = RATE, at, Fraction(1, RATE)
                frames = resampler.resample(frame)
            for frame in frames:
                if frame is not None:
                    frame.pts, frame.time_base = sent, Fraction(1, recipe.sample_rate)
                    sent += frame.samples
                yield from audio.encode(frame)

    return packets()


def _cover(output):
    cover = output.add_stream("mjpeg", rate=1)
    cover.width, cover.height, cover.pix_fmt = 100, 100, "yuvj420p"
    cover.disposition = av.stream.Disposition.attached_pic
    picture = np.full((100, 100, 3), (200, 30, 30), np.uint8)
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuvj420p")
    frame.pts = 0
    return [*cover.encode(frame), *cover.encode(None)]


def turned(path: Path, degrees: int) -> None:
    """Set the rotation in the header of an MP4, in degrees counter-clockwise."""
    a, b = {90: (0, -1), 180: (-1, 0), 270: (0, 1)}[degrees]
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    numbers = [a << 16, b << 16, 0, -b << 16, a << 16, 0, 0, 0, 1 << 30]
    data[at : at + 36] = b"".join(n.to_bytes(4, "big", signed=True) for n in numbers)
    path.write_bytes(data)
