"""Crops aligned by landmarks, so that eyes and mouth keep their positions.

Transforms map the unit crop (u, v in [0, 1] from its top left corner) to pixels of the frame,
measured from the corner of the image: the centre of the first pixel is at 0.5.
"""

from __future__ import annotations

import cv2
import numpy as np

from lipsync.faces.crops import cut_patch
from lipsync.faces.tracks import smooth_boxes

# Eyes, nose tip and mouth corners in the unit crop: means over upright GRID faces within
# crops.steady_box, made symmetric, so that aligned crops and box crops frame a face alike.
TEMPLATE = np.array([[0.335, 0.277], [0.665, 0.277], [0.5, 0.478], [0.363, 0.638], [0.637, 0.638]])
RADIUS = 5  # smoothing radius of landmarks in frames: one stride of the detector


def aligned_transforms(
    landmarks: np.ndarray, template: np.ndarray = TEMPLATE, radius: int = RADIUS
) -> np.ndarray:
    """Transforms from crop to frame for every frame of a tracked face.

    The least-squares similarity transform (rotation, scale, translation) between template and
    landmarks. Landmarks are first averaged over neighbouring frames to avoid jitter.

    Args:
        landmarks: (frames, 5, 2) in pixels of the frame, all known.
        template: (5, 2) target positions in the unit crop.
        radius: frames to each side over which landmarks are averaged; 0 for none.

    Returns:
        float64 (frames, 2, 3): ``x, y = m @ [u, v, 1]``.

    Raises:
        ValueError: a landmark is unknown, or all landmarks of a frame coincide.
    """
    marks = np.asarray(landmarks, np.float64).reshape(-1, 10)
    if not np.isfinite(marks).all():
        raise ValueError("landmarks must be known in every frame")
    marks = np.asarray(smooth_boxes(marks, radius) if radius else marks, np.float64)
    # In complex numbers a similarity is z -> a z + b; solve with both sides centred.
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
    """Crop a rotated square from a frame.

    Args:
        frame: uint8 (H, W, 3).
        transform: (2, 3) from unit crop to frame, see :func:`aligned_transforms`.
        size: side of the result in pixels.
        interpolation: OpenCV's flag; cubic preserves sharpness for pasting back.

    Returns:
        uint8 (size, size, 3); downsamples by area averaging, like :func:`lipsync.faces.crops.crop`,
        and repeats the border outside the frame.
    """
    matrix = np.array(transform, np.float64)
    matrix[:, :2] /= size
    scale = np.hypot(matrix[0, 0], matrix[1, 0])  # frame pixels per crop pixel
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
    # OpenCV measures from the centre of the first pixel.
    matrix[:, 2] += matrix[:, :2].sum(axis=1) / 2 - 0.5
    return cv2.warpAffine(
        frame, matrix, (size, size),
        flags=interpolation | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
