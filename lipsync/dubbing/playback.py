"""Source frames in the order and timing of the dubbed video."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, tee
from typing import NamedTuple

import numpy as np

from lipsync.dubbing.rewind import frames_by_index
from lipsync.dubbing.source import Source

LENGTHS = ("pingpong", "loop", "freeze", "trim")
_DECODE_BEYOND = 10  # seconds decoded beyond the last frame used


class PlaybackFrame(NamedTuple):
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
        length: how the source is continued, see :func:`continuation`.
        keep: play a longer source to its end.
    """

    def __init__(self, source: Source, seconds: float, length: str, keep: bool = False) -> None:
        self.source, self.seconds, self.length, self.keep = source, seconds, length, keep
        self.frames = 0
        """Number of source frames used so far."""
        self.longer = False
        """Whether the source is longer than ``seconds``."""

    def __iter__(self) -> Iterator[PlaybackFrame]:
        starts: list[float] = []
        last = None
        coming = self.source.frames()
        for start, frame in coming:
            self.longer = self.longer or self._is_complete(len(starts), start)
            ends = self.longer and not self.keep
            if last is not None:
                lasting = start - starts[-1]
                lasting = self._last_duration(starts[-1], lasting) if ends else lasting
                yield PlaybackFrame(len(starts) - 1, starts[-1], lasting, last)
            if ends:
                self._decode_beyond(coming, start)
                return
            starts.append(start)
            last, self.frames = frame, len(starts)
        if last is not None:
            yield from self._continue(starts, last)

    def _continue(self, starts: list[float], last: np.ndarray) -> Iterator[PlaybackFrame]:
        """Yield the source's last frame and its continuation."""
        source, frames = self.source, len(starts)
        typical = 1 / float(source.fps)
        durations = [*np.diff(starts).tolist(), typical]
        order, again = tee(continuation(frames, self.length))
        pictures = frames_by_index(source, again, before=(frames - 1, last))
        index, picture, begin = frames - 1, last, starts[-1]
        for number, following in enumerate(order, start=frames):
            end = begin + durations[index] if source.variable else float(number / source.fps)
            if self._is_complete(number, end):
                yield PlaybackFrame(index, begin, self._last_duration(begin, end - begin), picture)
                return
            yield PlaybackFrame(index, begin, end - begin, picture)
            index, picture, begin = following, next(pictures), end
        yield PlaybackFrame(index, begin, durations[index], picture)

    def _last_duration(self, begin: float, usual: float) -> float:
        """Duration of the last frame; with a variable rate it ends with the audio."""
        ends_with_sound = self.source.variable and not (self.keep and self.longer)
        return max(self.seconds - begin, 0.001) if ends_with_sound else usual

    def expected(self) -> tuple[int | None, float | None]:
        """Expected number of frames and seconds; ``None`` if unknown."""
        source, endless = self.source, self.seconds == float("inf")
        available = None
        if source.still is not None:
            available = 1
        elif source.times is not None and not source.resampled:
            available = len(source.times)
        if source.variable or (endless and available is None):
            with_sound = not endless and not self.keep and self.length != "trim"
            return None, self.seconds if with_sound else None
        frames = None if endless else max(1, round(self.seconds * source.fps))
        if self.length == "trim" or self.keep:
            if available is None:
                return None, None
            if frames is None or (self.keep and available > frames):
                frames = available
            elif self.length == "trim":
                frames = min(frames, available)
        assert frames is not None
        return frames, float(frames / source.fps)

    def audible_seconds(self) -> float:
        """Maximum seconds of audio played: with ``trim``, the length of the source."""
        if self.length != "trim":
            return float("inf")
        frames, times = 1 / float(self.source.fps), self.source.times
        if self.source.still is not None:
            return frames
        return float("inf") if times is None else float(times[-1] - times[0]) + frames

    def _is_complete(self, number: int, start: float) -> bool:
        """Whether the video is long enough without frame ``number``, which starts at ``start``."""
        if not number or self.seconds == float("inf"):
            return False
        if self.source.variable:
            return start > self.seconds - 0.5 / float(self.source.fps)
        return number >= round(self.seconds * self.source.fps)

    def _decode_beyond(self, coming: Iterator[tuple[float, np.ndarray]], start: float) -> None:
        """Decode a little further, so that damage in a short video is found wherever it is."""
        if not self.source.tolerate_damage:
            next((None for time, _ in coming if time > start + _DECODE_BEYOND), None)


def continuation(frames: int, length: str) -> Iterator[int]:
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
