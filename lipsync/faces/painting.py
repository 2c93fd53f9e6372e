"""Paste a generated face back with a soft mask; pixels outside the mask are untouched."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Mask:
    """Blending mask in the unit crop: a soft ellipse around mouth and chin.

    Attributes:
        centre: x and y of the ellipse's centre.
        radii: horizontal and vertical; the ellipse lies within the crop.
        feather: width of the fade, inwards from the rim, as a fraction of the radius.
        top: rows between which the mask fades in from the top; generators fill in the rows from
            ``hidden_from`` on.
    """

    centre: tuple[float, float] = (0.5, 0.55)
    radii: tuple[float, float] = (0.34, 0.44)
    feather: float = 0.25
    top: tuple[float, float] = (0.44, 0.56)

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom, outside which the mask is 0."""
        (x, y), (across, down) = self.centre, self.radii
        return x - across, self.top[0], x + across, y + down

    def weights(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """Weight of the generated image at points of the crop.

        Args:
            u, v: positions in the unit crop, right and down, with broadcastable shapes.

        Returns:
            float32 of the broadcast shape, in [0, 1].
        """
        v = np.asarray(v, np.float32)
        across = (np.asarray(u, np.float32) - self.centre[0]) / self.radii[0]
        down = (v - self.centre[1]) / self.radii[1]
        radius = np.sqrt(across**2 + down**2)
        top = _smooth_step((v - self.top[0]) / (self.top[1] - self.top[0]))
        return _smooth_step((1 - radius) / self.feather) * top


def _smooth_step(x: np.ndarray) -> np.ndarray:
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def is_upright(transform: np.ndarray) -> bool:
    """Whether a crop is an axis-aligned box, neither rotated nor mirrored."""
    (a, b, _), (c, d, _) = transform
    return bool(b == 0 and c == 0 and a > 0 and d > 0)


def unit_points(
    transform: np.ndarray, left: int, top: int, right: int, bottom: int
) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the pixels [top:bottom, left:right] of a frame in the unit crop.

    Returns:
        u and v of the pixel centres; (1, width) and (height, 1) if the crop is a box, else both
        (height, width).
    """
    x = np.arange(left, right)[None] + 0.5 - transform[0, 2]
    y = np.arange(top, bottom)[:, None] + 0.5 - transform[1, 2]
    if is_upright(transform):
        return x / transform[0, 0], y / transform[1, 1]
    (a, b), (c, d) = np.linalg.inv(transform[:, :2]).astype(np.float32)
    x, y = x.astype(np.float32), y.astype(np.float32)
    return a * x + b * y, c * x + d * y


def paste(
    frame: np.ndarray,
    face: np.ndarray,
    transform: np.ndarray,
    mask: Mask,
    visible: np.ndarray | None = None,
) -> np.ndarray:
    """Blend a generated face into a frame.

    Args:
        frame: uint8 (H, W, 3) RGB; not modified.
        face: float32 (S, S, 3) RGB in [0, 1], any size.
        transform: (2, 3) from the unit crop to pixels of the frame; may reach beyond it.
        mask: blending mask.
        visible: float32 (N, N) in [0, 1], visibility map of the crop; 0 where it is occluded. None
            if nothing is.

    Returns:
        uint8 (H, W, 3); equal to ``frame`` wherever the mask or ``visible`` is 0.
    """
    height, width = frame.shape[:2]
    u0, v0, u1, v1 = mask.extent
    corners = np.array([[u0, v0, 1], [u1, v0, 1], [u0, v1, 1], [u1, v1, 1]]) @ transform.T
    left, top = np.maximum(0, corners.min(axis=0).astype(int)).tolist()
    right, bottom = np.minimum((width, height), corners.max(axis=0).astype(int) + 1).tolist()
    out = frame.copy()
    if left >= right or top >= bottom:
        return out

    u, v = unit_points(transform, left, top, right, bottom)
    if is_upright(transform):
        to_crop = np.diag([1 / transform[0, 0], 1 / transform[1, 1]])
    else:
        to_crop = np.linalg.inv(transform[:, :2])
    first = np.array([[u[0, 0]], [v[0, 0]]])

    def warp_to_frame(picture: np.ndarray, interpolation: int) -> np.ndarray:
        size = picture.shape[0]
        return cv2.warpAffine(
            picture,
            size * np.hstack([to_crop, first]) - [0, 0, 0.5],  # OpenCV measures from pixel centres
            (right - left, bottom - top),
            flags=interpolation | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )

    patch = warp_to_frame(np.rint(np.clip(face, 0, 1) * 255).astype(np.uint8), cv2.INTER_CUBIC)
    weight = mask.weights(u, v)
    if visible is not None:
        weight *= warp_to_frame(visible, cv2.INTER_LINEAR)
    region = np.ascontiguousarray(out[top:bottom, left:right])
    out[top:bottom, left:right] = cv2.blendLinear(patch, region, weight, 1 - weight)
    return out
