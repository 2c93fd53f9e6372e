"""Paste a generated face back: a soft mask shaped like the lower face, pixels outside untouched."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

# The mask in the unit square of the face's box: an ellipse about mouth, cheeks and chin ...
CENTRE = (0.5, 0.55)
RADII = (0.34, 0.44)
FEATHER = 0.25  # ... that fades over this share of its radius, inwards from its rim
TOP = (0.44, 0.56)  # and fades in over these rows: a generator fills in the rows from 0.5 on
_EXTENT = (CENTRE[0] - RADII[0], TOP[0], CENTRE[0] + RADII[0], CENTRE[1] + RADII[1])
_SURROUND = 0.16  # of the face's side: how far the surround's colour is carried inwards
_COARSE = 24  # pixels to a side at which colours are compared
_MOST = 0.15  # of full scale, by which a colour is moved at most


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


@cache
def _rim(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Where a face of ``size`` pixels shows both pictures, and how much of that each place sees.

    Returns:
        float32 (size, size, 1) weights of the rim, and (_COARSE, _COARSE, 1) their blur.
    """
    unit = (np.arange(size) + 0.5) / size
    mask = mouth_mask(unit, unit)
    rim = (4 * mask * (1 - mask)).astype(np.float32)
    return rim[..., None], np.maximum(_spread(rim), 1e-4)[..., None]


def _spread(picture: np.ndarray) -> np.ndarray:
    """A picture's large shapes alone, (_COARSE, _COARSE[, channels])."""
    coarse = cv2.resize(picture, (_COARSE, _COARSE), interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(coarse, (0, 0), _SURROUND * _COARSE, borderType=cv2.BORDER_REPLICATE)


def match_colours(face: np.ndarray, crop: np.ndarray) -> np.ndarray:
    """The generated face in the colours that the picture has around it.

    Along the rim of the mask, where both pictures are seen, they should be alike. Their difference
    there, smoothed, is carried into the face: a tint or a shade that the generator missed goes, the
    mouth's own detail stays.

    Args:
        face: float32 (S, S, 3) in [0, 1], generated.
        crop: uint8 (S, S, 3), the picture as it was.

    Returns:
        float32 (S, S, 3) in [0, 1].
    """
    rim, weight = _rim(face.shape[0])
    difference = (crop.astype(np.float32) / 255 - face) * rim
    shift = np.clip(_spread(difference) / weight, -_MOST, _MOST)
    shift = cv2.resize(shift, face.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.clip(face + shift, 0, 1)


def paste(frame: np.ndarray, face: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The frame with the lower half of a generated face laid over it.

    Args:
        frame: uint8 (H, W, 3) RGB; not changed.
        face: float32 (S, S, 3) RGB in [0, 1], the generator's picture of ``box``, of any side.
        box: (4,) x0, y0, x1, y1 in pixels of the frame; may reach beyond it.

    Returns:
        uint8 (H, W, 3); equal to ``frame`` wherever :func:`mouth_mask` is 0.
    """
    height, width = frame.shape[:2]
    x0, y0, x1, y1 = (float(side) for side in box)
    wide, high = x1 - x0, y1 - y0
    left, right = max(0, int(x0 + _EXTENT[0] * wide)), min(width, int(x0 + _EXTENT[2] * wide) + 1)
    top, bottom = max(0, int(y0 + _EXTENT[1] * high)), min(height, int(y0 + _EXTENT[3] * high) + 1)
    out = frame.copy()
    if left >= right or top >= bottom:
        return out

    # Centres of pixels: frame pixel i covers [i, i + 1), and so do those of the face.
    u = (np.arange(left, right) + 0.5 - x0) / wide
    v = (np.arange(top, bottom) + 0.5 - y0) / high
    size = face.shape[0]
    to_face = np.array([[size / wide, 0, u[0] * size - 0.5], [0, size / high, v[0] * size - 0.5]])
    patch = cv2.warpAffine(
        np.rint(np.clip(face, 0, 1) * 255).astype(np.uint8),
        to_face,
        (right - left, bottom - top),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    weight = mouth_mask(u, v)
    region = np.ascontiguousarray(out[top:bottom, left:right])
    out[top:bottom, left:right] = cv2.blendLinear(patch, region, weight, 1 - weight)
    return out
