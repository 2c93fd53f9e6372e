"""The face's video or picture: frames, timestamps and frame rate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice, repeat
from pathlib import Path
from typing import Any

import numpy as np

from lipsync.errors import MediaError
from lipsync.media import (
    frame_rate,
    frame_times,
    is_animated,
    probe,
    read_frames,
    read_image,
    resample_frames,
)
from lipsync.media.pictures import STILLS, read_rgba
from lipsync.media.streams import USUAL, Streams

_CLOCK_RESET = 0.1  # backward jump in seconds that means a clock restart, as in joined recordings
_TIME_TOLERANCE = 0.002  # tolerance in seconds for timestamps of a constant rate


@dataclass(frozen=True)
class Source:
    """A video with its own timestamps, or a still picture.

    Frames are upright RGB uint8 (height, width, 3), or RGBA uint16 after :meth:`with_full_depth`.
    """

    path: Path
    fps: Fraction
    """Frame rate; for a variable rate, the mean."""
    size: tuple[int, int]
    """(width, height)"""
    still: np.ndarray | None = None
    variable: bool = False
    times: np.ndarray | None = None
    """(n,) timestamps of the file's own frames in seconds on the container's clock, as far as
    requested; None if unknown."""
    resampled: bool = False
    tolerate_damage: bool = False
    backdrop: str = "white"
    """Background colour of transparent parts."""
    hdr: str = ""
    """Transfer function that is tone-mapped: "PQ", "HLG", or empty."""
    bits: bool = False
    """Whether it has more than 8 bits per channel."""
    alpha: bool = False
    """Whether it may have transparency."""
    deep: bool = False
    streams: Streams = USUAL
    """Tracks to read."""

    def with_full_depth(self) -> Source:
        """The same source with full bit depth and transparency."""
        if self.still is None:
            return replace(self, deep=True)
        return replace(self, deep=True, still=read_rgba(self.path).astype(np.uint16) * 257)

    @property
    def new_rate(self) -> Fraction | None:
        """Frame rate to which the video is resampled; ``None`` if it is not."""
        return self.fps if self.resampled else None

    def seconds(self, number: int) -> float:
        """Time of a frame in seconds after the first."""
        if self.variable and self.times is not None and number < len(self.times):
            return float(self.times[number] - self.times[0])
        return float(number / self.fps)

    def frames(self) -> Iterator[tuple[float, np.ndarray]]:
        """Yield all frames with their time in seconds after the first; a still yields one."""
        if self.still is not None:
            yield 0.0, self.still
            return
        timed = self._read(None)
        if self.resampled:
            timed = ((0.0, frame) for frame in resample_frames(timed, self.fps))
        first, last, step = None, None, _CLOCK_RESET
        for number, (time, frame) in enumerate(timed):
            if frame.shape[1::-1] != self.size:
                width, height = frame.shape[1::-1]
                raise MediaError(
                    self.path,
                    f"the frame size changes from {self.size[0]}x{self.size[1]} to "
                    f"{width}x{height} at frame {number}",
                    "export it again at a constant size",
                )
            first = time if first is None else first
            if last is not None and time < last - _CLOCK_RESET:  # the clock restarted: continue
                first -= last + step - time
            elif last is not None:
                step = time - last
            last = time
            yield (time - first if self.variable else float(number / self.fps)), frame

    def span(self, start: int, end: int) -> list[np.ndarray]:
        """Frames ``start`` to ``end``, end exclusive.

        Uses seeking; without timestamps, all earlier frames are decoded too.
        """
        return list(self.between(start, end))

    def between(self, start: int, end: int) -> Iterator[np.ndarray]:
        """Yield the frames of :meth:`span` one by one."""
        if self.still is not None:
            yield from repeat(self.still, end - start)
        elif self.times is None or (end > len(self.times) and not self.resampled):
            yield from (frame for _, frame in islice(self.frames(), start, end))
        else:
            own = self.own_frames(start, end)
            coming = (frame for _, frame in self._read(self.times[own[0]]))
            at, frame = own[0], next(coming)
            for number in own:
                while at < number:
                    at, frame = at + 1, next(coming, frame)
                yield frame

    def _read(self, start: float | None) -> Iterator[tuple[float, np.ndarray]]:
        return read_frames(
            self.path,
            start=start,
            tolerate_damage=self.tolerate_damage,
            backdrop=self.backdrop,
            deep=self.deep,
            streams=self.streams,
        )

    def own_frames(self, start: int, end: int) -> list[int]:
        """Frames of the file for ``start`` to ``end``, as selected by ``resample_frames``."""
        if not self.resampled:
            return list(range(start, end))
        assert self.times is not None  # callers check
        middles = (self.times[:-1] + self.times[1:]) / 2 - self.times[0]
        return np.searchsorted(middles, np.arange(start, end) / float(self.fps), "right").tolist()


def open_source(
    path: str | Path,
    *,
    fps: Fraction | float | None = None,
    seconds: float = float("inf"),
    tolerate_damage: bool = False,
    backdrop: str = "white",
    streams: Streams = USUAL,
) -> Source:
    """Open a video or a picture as the face of a dub.

    Args:
        path: a video or picture, by its suffix; animated pictures are videos.
        fps: frame rate to which a video is resampled; by default a video keeps its own, even if
            variable, and a picture has 25.
        seconds: read timestamps of only this much of the video.
        tolerate_damage: decode a damaged video as far as possible.
        backdrop: background of transparent parts, see :func:`lipsync.media.colour.parse_colour`.
        streams: tracks to read.

    Raises:
        MediaError: the file is missing, a folder or not decodable, or lacks video or these tracks.
    """
    path = Path(path)
    if path.suffix.lower() in STILLS and not is_animated(path):
        rgba = read_rgba(path)
        if streams.video:
            raise MediaError(path, "is a still picture", "leave --video-stream out")
        alpha, picture = bool((rgba[..., 3] < 255).any()), read_image(path, backdrop)
        return Source(path, frame_rate(fps or 25), picture.shape[1::-1], picture, alpha=alpha)
    info = probe(path, replace(streams, audio=None))
    if not info.has_video:
        raise MediaError(path, "contains no video", "name a video or a picture as the face")
    size = info.width, info.height
    about: dict[str, Any] = {"tolerate_damage": tolerate_damage, "backdrop": backdrop}
    about |= {"streams": streams, "hdr": info.hdr, "bits": info.deep, "alpha": info.alpha}
    times = frame_times(path, seconds, streams)
    if fps is not None:
        # with repeated timestamps or damage, only decoding and counting frames is exact
        exact = times.size and (np.diff(times) > 0).all() and not tolerate_damage
        return Source(
            path, frame_rate(fps), size, times=times if exact else None, resampled=True, **about
        )
    rate, variable = own_rate(times, info.fps)
    return Source(path, rate, size, None, variable, times if times.size else None, **about)


def own_rate(times: np.ndarray, declared: Fraction) -> tuple[Fraction, bool]:
    """Frame rate for timestamps ``times`` in seconds, and whether it varies.

    The rate is constant if no frame deviates by more than 2 ms from either the container's declared
    rate or the rate given by the median step. For a variable rate the mean is returned.
    """
    if len(times) < 3:
        return declared, False
    steps = np.diff(times)
    for rate in (declared, frame_rate(1 / max(1e-3, float(np.median(steps))))):
        off = times - times[0] - np.arange(len(times)) / float(rate)
        if np.abs(off).max() <= _TIME_TOLERANCE:
            return rate, False
    mean = (len(times) - 1) / max(float(times[-1] - times[0]), 1e-3)
    return Fraction(mean).limit_denominator(1000), True
