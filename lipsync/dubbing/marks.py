"""Whole-frame output: a visible watermark, and side-by-side previews."""

from __future__ import annotations

import cv2
import numpy as np

_WIDEST = 4096  # maximum width for H.264 decoders in phones, in pixels


def watermark(frame: np.ndarray, text: str) -> np.ndarray:
    """Add a line of white text on a translucent dark band at the lower right of a frame.

    The letters are a thirtieth of the frame's longer side high, or less if the text would not fit.
    """
    height, width = frame.shape[:2]
    scale = max(height, width) / 30 / 22
    thick = max(1, round(2 * scale))
    (wide, high), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
    if wide > 0.9 * width:
        scale *= 0.9 * width / wide
        thick = max(1, round(2 * scale))
        (wide, high), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
    pad = max(2, high // 2)
    x, y = width - wide - 2 * pad, height - high - base - 2 * pad
    out = frame.copy()
    band = out[max(0, y) :, max(0, x) :]
    band[...] = band // 2
    cv2.putText(
        out, text, (max(0, x) + pad, height - base - pad), cv2.FONT_HERSHEY_SIMPLEX, scale,
        (255, 255, 255), thick, cv2.LINE_AA,
    )  # fmt: skip
    return out


def side_by_side_size(size: tuple[int, int]) -> tuple[int, int]:
    """Width and height of :func:`side_by_side` for frames of ``size``."""
    shrink = min(1.0, _WIDEST / (2 * size[0]))
    return 2 * max(1, int(size[0] * shrink)), max(1, int(size[1] * shrink))


def side_by_side(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Two frames of one size side by side, downsampled if together they would be too wide."""
    width, height = side_by_side_size(left.shape[1::-1])
    pair = [left, right]
    if (width, height) != (2 * left.shape[1], left.shape[0]):
        pair = [cv2.resize(p, (width // 2, height), interpolation=cv2.INTER_AREA) for p in pair]
    return np.concatenate(pair, axis=1)
