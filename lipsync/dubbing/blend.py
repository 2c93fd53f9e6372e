"""Paste a generated face back: a soft mask shaped like the lower face, pixels outside untouched."""

from __future__ import annotations

import cv2
import numpy as np

# The mask in the unit square of the face's box: an ellipse about mouth, cheeks and chin ...
CENTRE = (0.5, 0.55)
RADII = (0.38, 0.44)
FEATHER = 0.25  # ... that fades over this share of its radius, inwards from its rim
TOP = (0.44, 0.56)  # and fades in over these rows: a generator fills in the rows from 0.5 on


def mouth_mask(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Weight of the generated picture at points of the box.

    Args:
        u: (n,) positions across the box, 0 at its left side, 1 at its right.
        v: (m,) positions down the box, 0 at its top, 1 at its bottom.

    Returns:
        float32 (m, n) in [0, 1]; exactly 0 outside of the lower face and on the box's border.
    """
    across = (np.asarray(u, np.float32) - CENTRE[0]) / RADII[0]
    down = (np.asarray(v, np.float32) - CENTRE[1]) / RADII[1]
    radius = np.sqrt(across[None, :] ** 2 + down[:, None] ** 2)
    top = _smooth_step((np.asarray(v, np.float32) - TOP[0]) / (TOP[1] - TOP[0]))
    return _smooth_step((1 - radius) / FEATHER) * top[:, None]


def _smooth_step(x: np.ndarray) -> np.ndarray:
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def paste(frame: np.ndarray, face: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The frame with the lower half of a generated face laid over it.

    Args:
        frame: uint8 (H, W, 3) RGB; not changed.
        face: float32 (S, S, 3) RGB in [0, 1], the generator's picture of ``box``.
        box: (4,) x0, y0, x1, y1 in pixels of the frame; may reach beyond it.

    Returns:
        uint8 (H, W, 3); equal to ``frame`` wherever :func:`mouth_mask` is 0.
    """
    height, width = frame.shape[:2]
    x0, y0, x1, y1 = (float(side) for side in box)
    left, right = max(0, int(np.floor(x0))), min(width, int(np.ceil(x1)))
    top, bottom = max(0, int(np.floor(y0))), min(height, int(np.ceil(y1)))
    out = frame.copy()
    if left >= right or top >= bottom:
        return out

    # Centres of pixels: frame pixel i covers [i, i + 1), and so do those of the face.
    u = (np.arange(left, right) + 0.5 - x0) / (x1 - x0)
    v = (np.arange(top, bottom) + 0.5 - y0) / (y1 - y0)
    weight = mouth_mask(u, v)[..., None]
    size = face.shape[0]
    to_face = np.array(
        [
            [size / (x1 - x0), 0, u[0] * size - 0.5],
            [0, size / (y1 - y0), v[0] * size - 0.5],
        ]
    )
    patch = cv2.warpAffine(
        face,
        to_face,
        (right - left, bottom - top),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    region = out[top:bottom, left:right]
    mixed = region + weight * (np.clip(patch, 0, 1) * 255 - region)
    region[...] = np.where(weight > 0, np.rint(mixed), region).astype(np.uint8)
    return out
