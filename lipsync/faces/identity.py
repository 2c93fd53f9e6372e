"""Whether a face that is followed is still the same one.

A face, set upright by its landmarks, is described by its gradients (HOG, Dalal and Triggs 2005).
That does not know people, but tells one face from another within the same moment: a head that
turns changes little by little, and a face that takes the place of another changes at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from lipsync.faces.align import aligned_transforms, crop_aligned

SIDE = 32  # of the picture that is described, pixels
_HOG = cv2.HOGDescriptor((SIDE, SIDE), (16, 16), (8, 8), (8, 8), 9)
_LEVELS = 400  # of int8 for a component of 1, which none comes near to
_SAME = 0.6  # least similarity of one face at two looks in a row
_OTHER = 0.7  # most similarity of two faces
_APART = 0.1  # by which faces are more like themselves than like each other
_LOOKS = 2  # to each side that are compared


def describe(frame: np.ndarray, landmarks: np.ndarray) -> np.ndarray | None:
    """What a face looks like.

    Args:
        frame: uint8 (H, W, 3) RGB.
        landmarks: (5, 2) pixels.

    Returns:
        int8 (324,), to be compared by its cosine; None where landmarks are unknown.
    """
    if not np.isfinite(landmarks).all():
        return None
    try:
        (transform,) = aligned_transforms(landmarks[None], radius=0)
    except ValueError:  # all on one point
        return None
    grey = cv2.cvtColor(crop_aligned(frame, transform, SIDE), cv2.COLOR_RGB2GRAY)
    values = np.asarray(_HOG.compute(grey)).ravel()
    values = values - values.mean()
    values /= max(float(np.linalg.norm(values)), 1e-6)
    return np.clip(np.rint(_LEVELS * values), -127, 127).astype(np.int8)


def changes(described: Sequence[np.ndarray | None]) -> list[int]:
    """Where another face begins among the looks at one that was followed.

    There the looks on either side are like each other, and unlike those of the other side.

    Args:
        described: by :func:`describe`, in order of time; those that are None do not count.

    Returns:
        Ascending places in ``described``, each 1 or more.
    """
    seen = [(i, one) for i, one in enumerate(described) if one is not None and one.any()]
    if len(seen) < 2:
        return []
    known = [i for i, _ in seen]
    values = np.stack([one for _, one in seen]).astype(np.float32)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    found = []
    for k in range(1, len(values)):
        before, behind = values[max(0, k - _LOOKS) : k], values[k : k + _LOOKS]
        across = float((before @ behind.T).max())
        within = min(float((side @ side.T).min()) for side in (before, behind))
        if across < _OTHER and within >= max(_SAME, across + _APART):
            found.append(known[k])
    return found
