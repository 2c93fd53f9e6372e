"""Repeated iteration over a video's frames: a short video is decoded once and kept in memory."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from lipsync.media.frames import read_frames, resample_frames


class HeldFrames:
    """The frames of a video at a constant rate; can be iterated repeatedly.

    Args:
        path: the video.
        fps: frames per second.
        held_bytes: frames are kept after the first pass if they take no more than this.
    """

    def __init__(
        self, path: Path, fps: Fraction | float = 25, held_bytes: int = 64 * 2**20
    ) -> None:
        self.path, self.fps, self.held_bytes = path, fps, held_bytes
        self._held: list[np.ndarray] | None = None

    def __iter__(self) -> Iterator[np.ndarray]:
        """uint8 (H, W, 3), read-only.

        Raises:
            MediaError: unreadable.
        """
        if self._held is not None:
            yield from self._held
            return
        held: list[np.ndarray] | None = []
        room = self.held_bytes
        for frame in resample_frames(read_frames(self.path), self.fps):
            room -= frame.nbytes
            if room < 0:
                held = None
            if held is not None:
                held.append(frame)
            yield frame
        self._held = held
