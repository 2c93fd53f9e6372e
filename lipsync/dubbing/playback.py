"""Source frames in the order and timing of the dubbed video."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, tee
from typing import NamedTuple

import numpy as np

from lipsync.dubbing.rewind import take
from lipsync.dubbing.source import Source

LENGTHS = ("pingpong", "loop", "freeze", "trim")
_LOOK_BEYOND = 10  # seconds decoded beyond the last frame used


class Shown(NamedTuple):
    """One frame of the output video before dubbing."""

    index: int  # type: ignore[assignment]  # shadows a method of tuple
    """Index of the frame in the source."""
    start: float
    seconds: float
    """Start and duration; at a constant rate ``start`` is the frame number / fps."""
    picture: np.ndarray
    """uint8 (height, width, 3) RGB."""


class Playback:
    """A source played for a given time, and continued when it ends.

    Args:
        source: a video or a still.
        seconds: length of the dubbed video, to the nearest frame; infinity for the source's own
            length.
        length: how the source is continued, see :func:`continued`.
        keep: play a longer source to its end.
    """

    def __init__(self, source: Source, seconds: float, length: str, keep: bool = False) -> None:
        self.source, self.seconds, self.length, self.keep = source, seconds, length, keep
        self.frames = 0
        """Number of source frames used so far."""
        self.longer = False
        """Whether the source is longer than ``seconds``."""

    def __iter__(self) -> Iterator[Shown]:
        starts: list[float] = []
        last = None
        coming = self.source.frames()
        for start, frame in coming:
            self.longer = self.longer or self._full(len(starts), start)
            ends = self.longer and not self.keep
            if last is not None:
                lasting = start - starts[-1]
                lasting = self._last(starts[-1], lasting) if ends else lasting
                yield Shown(len(starts) - 1, starts[-1], lasting, last)
            if ends:
                self._look_beyond(coming, start)
                return
            starts.append(start)
            last, self.frames = frame, len(starts)
        if last is not None:
            yield from self._go_on(starts, last)

    def _go_on(self, starts: list[float], last: np.ndarray) -> Iterator[Shown]:
        """Yield the source's last frame and its continuation."""
        source, frames = self.source, len(starts)
        typical = 1 / float(source.fps)
        durations = [*np.diff(starts).tolist(), typical]
        order, again = tee(continued(frames, self.length))
        pictures = take(source, again, before=(frames - 1, last))
        index, picture, begin = frames - 1, last, starts[-1]
        for number, following in enumerate(order, start=frames):
            end = begin + durations[index] if source.variable else float(number / source.fps)
            if self._full(number, end):
                yield Shown(index, begin, self._last(begin, end - begin), picture)
                return
            yield Shown(index, begin, end - begin, picture)
            index, picture, begin = following, next(pictures), end
        yield Shown(index, begin, durations[index], picture)

    def _last(self, begin: float, usual: float) -> float:
        """Duration of the last frame; with a variable rate it ends with the audio."""
        ends_with_sound = self.source.variable and not (self.keep and self.longer)
        return max(self.seconds - begin, 0.001) if ends_with_sound else usual

    def expected(self) -> tuple[int | None, float | None]:
        """Expected number of frames and seconds; ``None`` if unknown."""
        source, endless = self.source, self.seconds == float("inf")
        have = None
        if source.still is not None:
            have = 1
        elif source.times is not None and not source.resampled:
            have = len(source.times)
        if source.variable or (endless and have is None):
            with_sound = not endless and not self.keep and self.length != "trim"
            return None, self.seconds if with_sound else None
        wanted = None if endless else max(1, round(self.seconds * source.fps))
        if self.length == "trim" or self.keep:
            if have is None:
                return None, None
            if wanted is None or (self.keep and have > wanted):
                wanted = have
            elif self.length == "trim":
                wanted = min(wanted, have)
        assert wanted is not None
        return wanted, float(wanted / source.fps)

    def heard(self) -> float:
        """Maximum seconds of audio played: with ``trim``, the length of the source."""
        if self.length != "trim":
            return float("inf")
        frames, times = 1 / float(self.source.fps), self.source.times
        if self.source.still is not None:
            return frames
        return float("inf") if times is None else float(times[-1] - times[0]) + frames

    def _full(self, number: int, start: float) -> bool:
        """Whether the video is long enough without frame ``number``, which starts at ``start``."""
        if not number or self.seconds == float("inf"):
            return False
        if self.source.variable:
            return start > self.seconds - 0.5 / float(self.source.fps)
        return number >= round(self.seconds * self.source.fps)

    def _look_beyond(self, coming: Iterator[tuple[float, np.ndarray]], start: float) -> None:
        """Decode a little further, so that damage in a short video is found wherever it is."""
        if not self.source.tolerate_damage:
            next((None for time, _ in coming if time > start + _LOOK_BEYOND), None)


def continued(frames: int, length: str) -> Iterator[int]:
    """Endless frame indices that continue a source of ``frames`` frames after its end.

    ``pingpong`` plays backwards, then forwards, and so on, without repeating the end frames;
    ``loop`` starts again; ``freeze`` holds the last frame; ``trim`` yields nothing.
    """
    if length == "trim":
        return
    for k in count(frames):
        if length == "loop":
            yield k % frames
        elif length == "freeze" or frames == 1:
            yield frames - 1
        else:
            period = 2 * frames - 2
            yield min(k % period, period - k % period)
