"""Video input: probing, frames with timestamps, resampling to a constant rate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, dropwhile
from pathlib import Path
from typing import Any

import av
import numpy as np

from lipsync.errors import MediaError
from lipsync.media.colour import HDR, ToRGB, has_alpha, is_deep
from lipsync.media.fields import deinterlace, pixel_aspect, square, square_size
from lipsync.media.files import decoded, demuxed, first_frame, opened, stream_seconds
from lipsync.media.streams import USUAL, Streams

_REORDERED = 0.5  # seconds by which packet order may differ from display order
_NEAR = 1e-4  # seconds; tolerance for equal times

Timed = tuple[float, av.VideoFrame, Fraction]
"""(seconds, decoded frame, pixel aspect ratio)."""


@dataclass(frozen=True)
class MediaInfo:
    """Properties of a file, read without decoding more than its first frame.

    ``width`` and ``height`` are those of the upright picture in square pixels; ``rotation`` is the
    rotation applied for that, in degrees counter-clockwise. ``frames`` and the durations are as
    stated by the container, else ``None`` and 0.0. Still images count as video of one frame.
    ``hdr`` is "PQ", "HLG", or "" for other video; ``deep`` video has more than 8 bits per channel,
    ``alpha`` video an alpha channel.
    """

    path: Path
    width: int
    height: int
    fps: Fraction
    frames: int | None
    video_seconds: float
    audio_seconds: float
    has_video: bool
    has_audio: bool
    rotation: int
    hdr: str = ""
    deep: bool = False
    alpha: bool = False


def probe(path: str | Path, streams: Streams = USUAL) -> MediaInfo:
    """Read the properties of a file.

    Raises:
        MediaError: the file is missing, a folder, empty, contains neither video nor sound, or has
            none of the chosen ``streams``.
    """
    path = Path(path)
    with opened(path) as container:
        video = streams.video_of(path, container)
        audio = streams.audio_of(path, container)
        if video is None and audio is None:
            raise MediaError(path, "contains neither video nor sound", "name a video or a sound")
        audio_seconds, video_seconds = (
            stream_seconds(audio, container),
            stream_seconds(video, container),
        )
        fps = _rate(video) if video else Fraction(0)
        frames = (video.frames or None) if video else None
        aspect = pixel_aspect(video) if video else Fraction(1)
    first = first_frame(path, streams) if video else None
    if video and first is None:
        raise MediaError(path, "no frame of its video can be decoded", "export it again as mp4")
    rotation = int(first[1].rotation) if first else 0
    hdr = HDR.get(first[1].color_trc, "") if first else ""
    size = square_size(first[1].width, first[1].height, aspect) if first else (0, 0)
    width, height = size if rotation % 180 == 0 else size[::-1]
    return MediaInfo(
        path, width, height, fps, frames, video_seconds, audio_seconds,
        video is not None, audio is not None, rotation, hdr,
        bool(first) and is_deep(first[1]),
        bool(first) and has_alpha(first[1]),
    )  # fmt: skip


def frame_times(
    path: str | Path, until: float = float("inf"), streams: Streams = USUAL
) -> np.ndarray:
    """Presentation times of a video's frames in seconds, ascending, without decoding them.

    Args:
        path: a file that holds video.
        until: seconds from the first frame to stop after.
        streams: the video track to read.

    Returns:
        float64 (n,), from the container; empty if any frame lacks a timestamp.
    """
    times: list[float] = []
    for time, _ in _packets(Path(path), streams):
        if time is None:
            return np.zeros(0)
        times.append(time)
        if time - times[0] > until + _REORDERED:
            break
    ascending = np.sort(np.array(times, np.float64))
    # beyond that, times are incomplete: packets are not in display order
    return ascending[ascending <= ascending[:1] + until + 1e-6]


def key_times(path: str | Path, streams: Streams = USUAL) -> np.ndarray:
    """The :func:`frame_times` of key frames."""
    times = [time for time, key in _packets(Path(path), streams) if key and time is not None]
    return np.sort(np.array(times, np.float64))


def _packets(path: Path, streams: Streams) -> Iterator[tuple[float | None, bool]]:
    """Presentation time of each packet, and whether it is a key frame."""
    with opened(path) as container:
        stream = streams.video_of(path, container)
        for packet in demuxed(container, stream) if stream is not None else ():
            if packet.size and not packet.is_discard:
                time = None if packet.pts is None else float(packet.pts * packet.time_base)
                yield time, packet.is_keyframe


def read_frames(
    path: str | Path,
    *,
    start: float | None = None,
    rotate: bool = True,
    tolerate_damage: bool = False,
    threads: int = 1,
    backdrop: str = "white",
    deep: bool = False,
    streams: Streams = USUAL,
) -> Iterator[tuple[float, np.ndarray]]:
    """Stream a video's frames in display order.

    Args:
        path: any file that holds video.
        start: time in seconds of the first frame to yield; earlier ones are skipped, by seeking
            where the container supports it. It must lie within the video.
        rotate: apply the file's display rotation.
        tolerate_damage: enable error concealment.
        threads: decoder threads; 0 for one per core, which is faster on large pictures but may miss
            slight damage.
        backdrop: colour behind transparent pixels, see :func:`lipsync.media.colour.parse_colour`.
        deep: yield RGBA uint16 (H, W, 4), at full bit depth and with the alpha channel.
        streams: the video track to read.

    Yields:
        ``(time, frame)``: seconds on the clock shared with the sound; RGB uint8 (H, W, 3) of square
        pixels, deinterlaced, HDR and wide gamuts converted to BT.709.

    Raises:
        MediaError: not readable, no video, or damaged (the message says at which second).
    """
    path, how = Path(path), (streams, tolerate_damage, threads)
    frames = None if start is None else _seek_frames(path, start, *how)
    if frames is None:
        every = _decode(path, *how)
        frames = every if start is None else dropwhile(lambda f: f[0] < start - _NEAR, every)
    to_rgb, count = ToRGB(backdrop, deep), 0
    for count, (time, frame, aspect) in enumerate(frames, start=1):  # noqa: B007
        image = square(to_rgb(frame), aspect)
        turns = round(frame.rotation / 90) % 4 if rotate else 0
        yield time, np.ascontiguousarray(np.rot90(image, turns)) if turns else image
    if not count:
        raise MediaError(path, "no frame of its video can be decoded", "export it again as mp4")


def _decode(
    path: Path, streams: Streams, tolerant: bool, threads: int, since: float | None = None
) -> Iterator[Timed]:
    """Decoded frames, all or from the key frame before ``since``; after a seek, frames without a
    timestamp have NaN."""
    with opened(path) as container:
        stream = streams.video_of(path, container)
        if stream is None:
            raise MediaError(path, "has no video", "name a video file")
        step, aspect = 1 / float(_rate(stream)), pixel_aspect(stream)
        time = -step
        if since is not None:
            at = round(since / stream.time_base)
            if at > (stream.start_time or 0):
                container.seek(at, stream=stream, backward=True)
                step = np.nan
        frames = decoded(path, container, stream, tolerant=tolerant, threads=threads)
        for frame in deinterlace(frames):
            time = frame.time if frame.time is not None else time + step
            yield time, frame, aspect


def _rate(stream: av.VideoStream) -> Fraction:
    return stream.average_rate or stream.guessed_rate or Fraction(25)


def _seek_frames(path: Path, start: float, *how: Any) -> Iterator[Timed] | None:
    """Frames from ``start`` on, by seeking; ``None`` if that does not reach it.

    Not every container can seek, some miss the key frame, and some land in an open GOP, whose first
    frames look damaged.
    """
    frames = _decode(path, *how, start)
    with suppress(MediaError):
        for first in frames:
            if first[1].key_frame:
                if abs(first[0] - start) <= _NEAR:
                    return chain([first], frames)
                break
            if not first[0] < start:
                break
    # some containers index key frames by presentation time, not by packet position
    frames = _decode(path, *how, start - _REORDERED)
    early = False
    with suppress(MediaError):
        for first in frames:
            time = first[0]
            if time >= start - _NEAR:
                is_reached = early or time <= start + _NEAR
                return chain([first], frames) if is_reached else None
            if not time < start:
                return None
            early = True
    return None


def resample_frames(
    frames: Iterator[tuple[float, np.ndarray]], fps: Fraction | float
) -> Iterator[np.ndarray]:
    """Resample timed frames to a constant rate: frame k is the one nearest to ``start + k / fps``.

    ``start`` is the time of the first frame. The video is assumed to last one mean frame interval
    beyond its last frame, so that n frames at ``fps`` stay n frames.
    """
    fps = float(fps)
    k, count, start = 0, 0, 0.0
    held: tuple[float, np.ndarray] | None = None
    for time, image in frames:
        if held is None:
            start = time
        elif time <= held[0]:
            continue  # timestamps went backwards: keep the earlier frame
        else:
            middle = (held[0] + time) / 2 - start
            while k / fps < middle:
                yield held[1]
                k += 1
        held, count = (time, image), count + 1
    if held is None:
        return
    interval = (held[0] - start) / (count - 1) if count > 1 else 1 / fps
    total = max(1, round((held[0] - start + interval) * fps))
    while k < total:
        yield held[1]
        k += 1
