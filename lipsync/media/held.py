"""A video's frames, gone through more than once: a short video is decoded once and held."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from lipsync.media.frames import read_frames, resample_frames


class HeldFrames:
    """The frames of a video at a constant rate, as often as they are asked for.

    Args:
        path: the video.
        fps: frames a second.
        held_bytes: frames are kept after the first time as long as all of them are no more.
    """

    def __init__(
        self, path: Path, fps: Fraction | float = 25, held_bytes: int = 64 * 2**20
    ) -> None:
        self.path, self.fps, self.held_bytes = path, fps, held_bytes
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
        for frame in resample_frames(read_frames(self.path), self.fps):
            room -= frame.nbytes
            if room < 0:
                held = None
            if held is not None:
                held.append(frame)
            yield frame
        self._held = held
