"""Upright square crops around a face."""

from __future__ import annotations

import cv2
import numpy as np

# Measured on CenterFace's boxes (forehead to chin): the nose tip is at 0.58 of the box's height,
# the upper lip at 0.70, the middle of the mouth at 0.74. A square of side 0.96 centred at 0.60
# therefore has the nose tip just above its middle, the whole mouth in its lower half, and the
# chin inside.
_CENTRE = 0.60
_SIDE = 0.96
_LIP = 0.68  # just above the upper lip
_SPREAD = (10, 90)  # percentiles over frames that the steady box covers


def square_box(box: np.ndarray) -> np.ndarray:
    """The square around a detector's box (..., 4) whose lower half covers mouth and chin.

    The lower half extends from just under the nose to below the chin.
    """
    box = np.asarray(box, np.float32)
    height = box[..., 3] - box[..., 1]
    x = (box[..., 0] + box[..., 2]) / 2
    y = box[..., 1] + _CENTRE * height
    half = _SIDE / 2 * height
    return np.stack([x - half, y - half, x + half, y + half], axis=-1)


def framed_face(side: int) -> np.ndarray:
    """Inverse of :func:`square_box`: the box (4,) whose square is an image of side ``side``."""
    height = side / _SIDE
    top = side / 2 - _CENTRE * height
    return np.array([0, top, side, top + height], np.float32)


def steady_box(boxes: np.ndarray) -> np.ndarray:
    """One square box (4,) for a whole clip, from the boxes of its frames (n, 4).

    Encloses the :func:`square_box` of all frames, except the outermost 10 % on each side, so that
    the chin stays inside when the head moves, and outlier detections have no effect. If the head
    nods so far that the mouth would rise above the middle, the centre is moved up and the square
    enlarged. Frames without a face (NaN) are ignored.

    Raises:
        ValueError: no frame has a face.
    """
    boxes = np.asarray(boxes, np.float32)
    boxes = boxes[np.isfinite(boxes).all(axis=1)]
    if not len(boxes):
        raise ValueError("no frame has a face")
    squares = square_box(boxes)
    low = np.percentile(squares[:, :2], _SPREAD[0], axis=0)
    high = np.percentile(squares[:, 2:], _SPREAD[1], axis=0)
    centre, half = (low + high) / 2, (high - low).max() / 2
    lips = boxes[:, 1] + _LIP * (boxes[:, 3] - boxes[:, 1])
    centre[1] = min(centre[1], np.percentile(lips, _SPREAD[0]))
    half = max(half, high[1] - centre[1])
    return np.concatenate([centre - half, centre + half]).astype(np.float32)


def crop(frame: np.ndarray, box: np.ndarray, size: int | tuple[int, int]) -> np.ndarray:
    """Crop ``box`` from a frame and resize it to ``size``.

    Args:
        frame: uint8 (H, W, 3).
        box: (4,) x0, y0, x1, y1 in pixels, may be fractional; the border is repeated outside the
            frame.
        size: side of the square result, or its width and height.

    Returns:
        uint8 (height, width, 3); downsampled by area averaging, upsampled linearly.

    Raises:
        ValueError: the box is empty or not finite.
    """
    width, height = (size, size) if isinstance(size, int) else size
    x0, y0, x1, y1 = (float(v) for v in box)
    if not (np.isfinite([x0, y0, x1, y1]).all() and x1 > x0 and y1 > y0):
        raise ValueError(f"box must have an area, got {box}")
    scale = max((x1 - x0) / width, (y1 - y0) / height)
    # Downsampling by warping alone would alias: downsample by averaging first.
    if scale > 1:
        left, top = int(np.floor(x0)), int(np.floor(y0))
        right, bottom = int(np.ceil(x1)), int(np.ceil(y1))
        patch = cut_patch(frame, left, top, right, bottom)
        small = cv2.resize(
            patch,
            (max(1, round((right - left) * width / (x1 - x0))),
             max(1, round((bottom - top) * height / (y1 - y0)))),
            interpolation=cv2.INTER_AREA,
        )  # fmt: skip
        kx, ky = small.shape[1] / (right - left), small.shape[0] / (bottom - top)
        x0, x1, y0, y1 = (x0 - left) * kx, (x1 - left) * kx, (y0 - top) * ky, (y1 - top) * ky
        frame = small
    sx, sy = (x1 - x0) / width, (y1 - y0) / height
    # Pixel centres: output i + 0.5 maps to x0 + (i + 0.5) * sx of the input.
    matrix = np.array([[sx, 0, x0 + sx / 2 - 0.5], [0, sy, y0 + sy / 2 - 0.5]])
    return cv2.warpAffine(
        frame, matrix, (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip


def cut_patch(frame: np.ndarray, left: int, top: int, right: int, bottom: int) -> np.ndarray:
    """Pixels [top:bottom, left:right], with the border repeated outside the frame."""
    height, width = frame.shape[:2]
    inside = frame[max(0, top) : max(0, bottom), max(0, left) : max(0, right)]
    if inside.shape[0] == bottom - top and inside.shape[1] == right - left:
        return inside
    rows = np.clip(np.arange(top, bottom), 0, height - 1)
    columns = np.clip(np.arange(left, right), 0, width - 1)
    return frame[rows[:, None], columns]
