"""Detection of identity changes within a track.

An aligned face is described by histograms of oriented gradients (HOG, Dalal and Triggs 2005). These
do not recognise people, but tell faces apart over short times: a turning head changes gradually,
whereas a face that replaces another changes abruptly.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from lipsync.faces.align import aligned_transforms, crop_aligned

SIDE = 32  # side of the aligned image in pixels
_HOG = cv2.HOGDescriptor((SIDE, SIDE), (16, 16), (8, 8), (8, 8), 9)
_LEVELS = 400  # int8 scale; real components are far below 1
_SAME = 0.6  # minimum similarity of a face in successive detections
_OTHER = 0.7  # maximum similarity of two different faces
_MIN_MARGIN = 0.1  # minimum margin between the two
_NEIGHBOURS = 2  # detections compared on each side


def describe(frame: np.ndarray, landmarks: np.ndarray) -> np.ndarray | None:
    """Descriptor of a face.

    Args:
        frame: uint8 (H, W, 3) RGB.
        landmarks: (5, 2) in pixels.

    Returns:
        int8 (324,), to be compared by cosine similarity; None if landmarks are unknown.
    """
    if not np.isfinite(landmarks).all():
        return None
    try:
        (transform,) = aligned_transforms(landmarks[None], radius=0)
    except ValueError:  # all landmarks coincide
        return None
    grey = cv2.cvtColor(crop_aligned(frame, transform, SIDE), cv2.COLOR_RGB2GRAY)
    values = np.asarray(_HOG.compute(grey)).ravel()
    values = values - values.mean()
    values /= max(float(np.linalg.norm(values)), 1e-6)
    return np.clip(np.rint(_LEVELS * values), -127, 127).astype(np.int8)


def find_changes(descriptors: Sequence[np.ndarray | None]) -> list[int]:
    """Find where a track changes to another face.

    At a change, detections on the same side are similar, and those on opposite sides are not.

    Args:
        descriptors: results of :func:`describe` in order of time; None is ignored.

    Returns:
        Ascending indices into ``descriptors`` of the first detection of each new face.
    """
    seen = [(i, one) for i, one in enumerate(descriptors) if one is not None and one.any()]
    if len(seen) < 2:
        return []
    known = [i for i, _ in seen]
    values = np.stack([one for _, one in seen]).astype(np.float32)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    found = []
    for k in range(1, len(values)):
        before, behind = values[max(0, k - _NEIGHBOURS) : k], values[k : k + _NEIGHBOURS]
        across = float((before @ behind.T).max())
        within = min(float((side @ side.T).min()) for side in (before, behind))
        if across < _OTHER and within >= max(_SAME, across + _MIN_MARGIN):
            found.append(known[k])
    return found
