"""Where the face is in every frame: one pass over the video, a box a frame, gaps where none is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np

from lipsync.faces.crops import steady_box
from lipsync.faces.detect import Detector, iou
from lipsync.faces.tracks import STRIDE, detect_track, smooth_boxes

_STEADY = 0.5  # seconds to each side over which the box covers the moving head
_SMOOTH = 0.2  # seconds to each side over which its corners are averaged
_JUMP = 0.4  # overlap (IoU) of one frame's box with the next, below which it is another face's


@dataclass(frozen=True)
class Plan:
    """Squares (n, 4) about the face to dub, in pixels; NaN rows where a frame shows none."""

    boxes: np.ndarray

    @property
    def found(self) -> np.ndarray:
        """(n,) whether a frame has its square."""
        return np.isfinite(self.boxes).all(axis=1)


def plan_faces(
    frames: Iterable[np.ndarray], detector: Detector, fps: Fraction | float, stride: int = STRIDE
) -> Plan:
    """Follow the main face through frames that are read once; where it is away, the next one.

    Args:
        frames: uint8 (H, W, 3) RGB, all of one size.
        detector: finds faces on every ``stride``-th frame.
        fps: frames a second.
    """
    track = detect_track(frames, detector, stride, relay=True)
    return Plan(moving_squares(track.boxes, float(fps)))


def moving_squares(boxes: np.ndarray, fps: float) -> np.ndarray:
    """Square boxes, framed as training frames a clip, that follow the face without lag or shake.

    Each frame's square is the :func:`~lipsync.faces.crops.steady_box` of the second around it,
    smoothed; nothing is mixed across a gap, or where the box jumps to another face.

    Args:
        boxes: (n, 4) a detector's boxes, NaN where there is no face.
        fps: frames a second.

    Returns:
        (n, 4) float, NaN where ``boxes`` is NaN.
    """
    around, radius = max(1, round(_STEADY * fps)), max(1, round(_SMOOTH * fps))
    squares = np.full((len(boxes), 4), np.nan)
    for start, end in _runs(boxes):
        steady = [
            steady_box(boxes[max(start, i - around) : min(end, i + around + 1)])
            for i in range(start, end)
        ]
        squares[start:end] = smooth_boxes(np.stack(steady), radius)
    return squares


def _runs(boxes: np.ndarray) -> list[tuple[int, int]]:
    """Spans with a face, cut where a frame's box hardly overlaps the one before."""
    runs = []
    for start, end in spans(np.isfinite(boxes).all(axis=1)):
        here, before = boxes[start + 1 : end], boxes[start : end - 1]
        overlaps = [iou(a, b[None])[0] for a, b in zip(here, before, strict=True)]
        jumps = start + 1 + np.flatnonzero(np.array(overlaps) < _JUMP)
        runs += pairwise([start, *jumps.tolist(), end])
    return runs


def spans(flags: Iterable[bool]) -> list[tuple[int, int]]:
    """Runs of true values as (start, end), the end not included.

    Example:
        >>> spans([True, True, False, True])
        [(0, 2), (3, 4)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(list(flags), int), [0]])))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
