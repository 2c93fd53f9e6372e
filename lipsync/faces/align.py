"""Crops in which eyes and mouth keep their places: turned, moved and scaled by landmarks.

Transforms take the unit crop (u, v in [0, 1] from its top left corner) to pixels of the frame,
measured from the corner of the picture: the middle of the first pixel is at 0.5.
"""

from __future__ import annotations

import cv2
import numpy as np

from lipsync.faces.crops import cut_patch
from lipsync.faces.tracks import smooth_boxes

# Where eyes, nose tip and corners of the mouth come to lie in the unit crop: their means over
# upright faces of GRID in the square of crops.steady_box, made symmetric. So aligned crops and box
# crops frame a face alike.
TEMPLATE = np.array([[0.335, 0.277], [0.665, 0.277], [0.5, 0.478], [0.363, 0.638], [0.637, 0.638]])
RADIUS = 5  # frames to each side over which landmarks are averaged: one stride of the detector


def aligned_transforms(
    landmarks: np.ndarray, template: np.ndarray = TEMPLATE, radius: int = RADIUS
) -> np.ndarray:
    """The transform from crop to frame for every frame of a face that is followed.

    The similarity (turn, scale, shift) that brings the landmarks nearest to the template, least
    squares; landmarks are averaged over neighbouring frames first, so that nothing trembles.

    Args:
        landmarks: (frames, 5, 2) pixels of the frame, all known.
        template: (5, 2) where they come to lie in the unit crop.
        radius: frames to each side over which they are averaged; 0 for none.

    Returns:
        float64 (frames, 2, 3): ``x, y`` of the frame are ``m @ [u, v, 1]``.

    Raises:
        ValueError: a landmark is unknown, or all of a frame lie on one point.
    """
    marks = np.asarray(landmarks, np.float64).reshape(-1, 10)
    if not np.isfinite(marks).all():
        raise ValueError("landmarks must be known in every frame")
    marks = np.asarray(smooth_boxes(marks, radius) if radius else marks, np.float64)
    # As complex numbers a similarity is z -> a z + b; both sides about their means.
    source = template @ [1, 1j]
    target = marks.reshape(-1, 5, 2) @ [1, 1j]
    p = source - source.mean()
    q = target - target.mean(axis=1, keepdims=True)
    a = q @ p.conj() / (np.abs(p) ** 2).sum()
    if (np.abs(a) < 1e-4).any():
        raise ValueError("landmarks lie on one point")
    b = target.mean(axis=1) - a * source.mean()
    rows = [[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]]
    return np.array(rows).transpose(2, 0, 1)


def crop_aligned(
    frame: np.ndarray, transform: np.ndarray, size: int, interpolation: int = cv2.INTER_LINEAR
) -> np.ndarray:
    """Cut a turned square out of a frame.

    Args:
        frame: uint8 (H, W, 3).
        transform: (2, 3) from unit crop to frame, see :func:`aligned_transforms`.
        size: side of the result, pixels.
        interpolation: OpenCV's; cubic keeps what is to be pasted back sharp.

    Returns:
        uint8 (size, size, 3); shrinks by averaging, as :func:`lipsync.faces.crops.crop`, and
        repeats the border outside of the frame.
    """
    matrix = np.array(transform, np.float64)
    matrix[:, :2] /= size
    scale = np.hypot(matrix[0, 0], matrix[1, 0])  # pixels of the frame to one of the crop
    if scale > 1:
        corners = np.array([[0, 0], [size, 0], [0, size], [size, size]])
        reached = corners @ matrix[:, :2].T + matrix[:, 2]
        left, top = np.floor(reached.min(axis=0)).astype(int) - 1
        right, bottom = np.ceil(reached.max(axis=0)).astype(int) + 1
        patch = cut_patch(frame, left, top, right, bottom)
        width, height = (max(1, round(side / scale)) for side in (right - left, bottom - top))
        frame = cv2.resize(patch, (width, height), interpolation=cv2.INTER_AREA)
        shrink = np.array([width / (right - left), height / (bottom - top)])
        matrix = (matrix - np.array([[0, 0, left], [0, 0, top]])) * shrink[:, None]
    # OpenCV counts from the middle of the first pixel.
    matrix[:, 2] += matrix[:, :2].sum(axis=1) / 2 - 0.5
    return cv2.warpAffine(
        frame, matrix, (size, size),
        flags=interpolation | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
