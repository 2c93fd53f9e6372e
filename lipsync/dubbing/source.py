"""The face's video or picture: its frames, their times, its rate."""

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
from lipsync.media.pictures import read_rgba
from lipsync.media.streams import USUAL, Streams

STILLS = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".avif", ".heic", ".heif", ".tif", ".tiff"}
_SET_BACK = 0.1  # seconds by which a clock that goes back begins again, as of joined recordings
_OFF_GRID = 0.002  # seconds by which times of a constant rate may be rounded


@dataclass(frozen=True)
class Source:
    """A video with its own times, or a still picture.

    Frames are upright RGB uint8 (height, width, 3), of a :meth:`deepened` one RGBA uint16.
    """

    path: Path
    fps: Fraction
    """Of a variable rate, the mean."""
    size: tuple[int, int]
    """(width, height)"""
    still: np.ndarray | None = None
    variable: bool = False
    times: np.ndarray | None = None
    """(n,) seconds of the file's own frames on the container's clock, as far as they were asked
    for; None if unknown."""
    resampled: bool = False
    tolerate_damage: bool = False
    backdrop: str = "white"
    """Colour behind what is transparent."""
    hdr: str = ""
    """What it is tone-mapped from: "PQ", "HLG", or nothing."""
    bits: bool = False
    """Whether it has more than 8 bits of each colour."""
    alpha: bool = False
    """Whether parts of it may be transparent."""
    deep: bool = False
    streams: Streams = USUAL
    """Which of its tracks are read."""

    def deepened(self) -> Source:
        """The same with all bits and its transparency."""
        if self.still is None:
            return replace(self, deep=True)
        return replace(self, deep=True, still=read_rgba(self.path).astype(np.uint16) * 257)

    @property
    def new_rate(self) -> Fraction | None:
        """The rate that the video is brought to; ``None`` where it keeps its own frames."""
        return self.fps if self.resampled else None

    def seconds(self, number: int) -> float:
        """When a frame is shown, after the first."""
        if self.variable and self.times is not None and number < len(self.times):
            return float(self.times[number] - self.times[0])
        return float(number / self.fps)

    def frames(self) -> Iterator[tuple[float, np.ndarray]]:
        """All frames with their seconds after the first; a still gives one."""
        if self.still is not None:
            yield 0.0, self.still
            return
        timed = self._read(None)
        if self.resampled:
            timed = ((0.0, frame) for frame in resample_frames(timed, self.fps))
        first, last, step = None, None, _SET_BACK
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
            if last is not None and time < last - _SET_BACK:  # it goes on from where it was
                first -= last + step - time
            elif last is not None:
                step = time - last
            last = time
            yield (time - first if self.variable else float(number / self.fps)), frame

    def span(self, start: int, end: int) -> list[np.ndarray]:
        """Frames ``start`` to ``end``, the end not included.

        Found by seeking; where the file gives no times, all frames before them are decoded.
        """
        return list(self.between(start, end))

    def between(self, start: int, end: int) -> Iterator[np.ndarray]:
        """:meth:`span` one by one."""
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
        """The file's frames that ``start`` to ``end`` are, as ``resample_frames`` picks them."""
        if not self.resampled:
            return list(range(start, end))
        assert self.times is not None  # or nothing is known of its frames
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
        path: a video, or a picture (by its suffix); an animated one is a video.
        fps: frames a second: of a picture 25 by default, of a video its own, and a variable rate
            stays one; given for a video, it is brought to that rate.
        seconds: decoding stops after so much of the video.
        tolerate_damage: take a damaged video as far as it can be decoded.
        backdrop: colour behind what is transparent, see :func:`lipsync.media.colour.rgb_of`.
        streams: which of its tracks are read.

    Raises:
        MediaError: missing, a folder, not decodable, or without video, or without those tracks.
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
        # repeated times are frames left out, and damage may hide some: then only counting is exact
        exact = times.size and (np.diff(times) > 0).all() and not tolerate_damage
        return Source(
            path, frame_rate(fps), size, times=times if exact else None, resampled=True, **about
        )
    rate, variable = own_rate(times, info.fps)
    return Source(path, rate, size, None, variable, times if times.size else None, **about)


def own_rate(times: np.ndarray, said: Fraction) -> tuple[Fraction, bool]:
    """The rate of frames shown at ``times`` seconds, and whether it varies.

    A rate is constant where no frame lies more than 2 ms off it, by the container's word or by that
    of the usual step between frames; a rate that varies is given as its mean.
    """
    if len(times) < 3:
        return said, False
    steps = np.diff(times)
    for rate in (said, frame_rate(1 / max(1e-3, float(np.median(steps))))):
        off = times - times[0] - np.arange(len(times)) / float(rate)
        if np.abs(off).max() <= _OFF_GRID:
            return rate, False
    mean = (len(times) - 1) / max(float(times[-1] - times[0]), 1e-3)
    return Fraction(mean).limit_denominator(1000), True
