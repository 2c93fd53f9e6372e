"""Frames of a source out of order; even backwards each frame is decoded only once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from lipsync.dubbing.source import Source
from lipsync.media.frames import key_times
from lipsync.media.spilled import SpilledFrames, has_room

_HELD_BYTES = 256 * 2**20  # maximum memory for frames


def frames_by_index(
    source: Source, indices: Iterable[int], before: tuple[int, np.ndarray] | None = None
) -> Iterator[np.ndarray]:
    """Yield frames by index; fast for indices that go up or down by one.

    Going down, one group of pictures is decoded at a time, up to 256 MB of frames in memory; frames
    of a longer group go to a temporary file, if there is room for it.

    Args:
        source: the source.
        indices: frame indices in any order; may be endless.
        before: index and frame shown last.
    """
    run = _FrameRun(before[0], [before[1]]) if before is not None else _FrameRun(0, [])
    stream: Iterator[tuple[float, np.ndarray]] = iter(())
    coming, last = -1, before[0] if before is not None else -1
    keys: np.ndarray | None = None
    for index in indices:
        if index not in run:
            run = _FrameRun(0, [])  # free memory first
            if index == last - 1:
                keys = _key_frames(source) if keys is None else keys
                run = _decode_up_to(source, index, keys)
            else:
                if index != coming:
                    stream = islice(source.frames(), index, None)
                run, coming = _FrameRun(index, [next(stream)[1]]), index + 1
        last = index
        yield run.frames[index - run.first]


@dataclass(frozen=True)
class _FrameRun:
    """A run of frames in memory or on disk, with the index of the first."""

    first: int
    frames: list[np.ndarray] | SpilledFrames

    def __contains__(self, number: int) -> bool:
        return self.first <= number < self.first + len(self.frames)


def _key_frames(source: Source) -> np.ndarray:
    """Indices of key frames in the file, always including the first frame."""
    if source.times is None:
        return np.zeros(1, int)
    found = np.searchsorted(source.times, key_times(source.path, source.streams) - 1e-6)
    return np.unique(np.append(found, 0))


def _decode_up_to(source: Source, index: int, keys: np.ndarray) -> _FrameRun:
    """Decode frames up to ``index``, starting at a key frame."""
    starts = np.zeros(1, int)
    if source.times is not None:
        own = source.own_frames(0, index + 1)
        starts = np.searchsorted(own, keys[keys <= own[-1]])
    size = source.size[0] * source.size[1] * (8 if source.deep else 3)
    room = max(8, _HELD_BYTES // size)
    first = int(next((start for start in starts if start > index - room), starts[-1]))
    frames: list[np.ndarray] | SpilledFrames
    if index - first < room:
        frames = source.span(first, index + 1)
    elif has_room(size * (index + 1 - first)):
        frames = SpilledFrames(source.between(first, index + 1))
    else:  # the group is decoded again for every chunk
        first = index + 1 - room
        frames = source.span(first, index + 1)
    return _FrameRun(first, frames)
