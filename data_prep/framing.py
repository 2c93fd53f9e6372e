"""What is cut out of each frame of a clip: one square, or one turned with the face."""

from __future__ import annotations

from typing import Any

import numpy as np

from data_prep.pieces import Piece
from data_prep.state import PICTURE
from lipsync.faces.align import aligned_transforms, crop_aligned
from lipsync.faces.crops import crop, steady_box


class Framing:
    """The crops of a clip.

    Args:
        piece: the face; aligned if it has landmarks.
        start, end: first frame of the clip, and the frame after the last, in the source.
        size: side of the crops, pixels.
    """

    def __init__(self, piece: Piece, start: int, end: int, size: int) -> None:
        self._start, self._size = start, size
        part = slice(start - piece.start, end - piece.start)
        self._box = steady_box(np.array(piece.boxes[part]))
        self._ways = None
        if piece.marks:
            self._ways = aligned_transforms(np.array(piece.marks)[part].reshape(-1, 5, 2), size)

    def cut(self, frame: np.ndarray, number: int) -> np.ndarray:
        """The crop, uint8 (size, size, 3), of a frame of the source and its number there."""
        if self._ways is None:
            return crop(frame, self._box, self._size)
        return crop_aligned(frame, self._ways[number - self._start], self._size)

    def info(self) -> dict[str, Any]:
        """What ``clip.json`` says, so that crops can be put back into their frames.

        ``box``: the square in the source, x0 y0 x1 y1. Aligned crops also have ``to_source``, the
        six numbers of a (2, 3) transform from crop to frame for every frame, row by row, see
        :func:`lipsync.faces.align.aligned_transforms`; ``box`` is then only about where they lie.
        """
        box = {"crop": "box", "box": [round(float(v), 2) for v in self._box]}
        if self._ways is None:
            return box
        ways = [[round(float(v), 5) for v in way.ravel()] for way in self._ways]
        return {**box, "crop": "aligned", "to_source": ways}


def thumbnail(frame: np.ndarray, box: list[float] | None) -> np.ndarray:
    """uint8 (96, 96, 3): the face with what is around it, or without a box the whole frame."""
    height, width = frame.shape[:2]
    if box is None:
        side, middle = max(width, height), np.array([width, height]) / 2
    else:
        low, high = np.array(box[:2]), np.array(box[2:])
        side, middle = 1.6 * max(high - low), (low + high) / 2
    return crop(frame, np.concatenate([middle - side / 2, middle + side / 2]), PICTURE)
