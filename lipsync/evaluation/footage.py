"""A video's frames, gone through more than once: a short video is decoded once and held."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lipsync.media import read_frames, resample_frames
from lipsync.windows import FPS

HELD_BYTES = 64 * 2**20  # a video with more pixels than that is decoded each time


def frames_of(path: Path) -> Iterator[np.ndarray]:
    """A video's frames at 25 fps, uint8 (H, W, 3), decoded now."""
    return resample_frames(read_frames(path), FPS)


class Footage:
    """The frames of a video at 25 fps, as often as they are asked for.

    Args:
        path: the video.
        held_bytes: frames are kept after the first time as long as all of them are no more.
    """

    def __init__(self, path: Path, held_bytes: int = HELD_BYTES) -> None:
        self.path, self.held_bytes = path, held_bytes
        self._held: list[np.ndarray] | None = None

    def __iter__(self) -> Iterator[np.ndarray]:
        """uint8 (H, W, 3), not to be written to.

        Raises:
            MediaError: not readable.
        """
        if self._held is not None:
            yield from self._held
            return
        held: list[np.ndarray] | None = []
        room = self.held_bytes
        for frame in frames_of(self.path):
            room -= frame.nbytes
            if room < 0:
                held = None
            if held is not None:
                held.append(frame)
            yield frame
        self._held = held
