"""Face framings: how a face is cropped for a network, and pasted back.

A crop is a square in which faces have a standard position. It is described by a transform: float64
(2, 3), from the unit crop (u, v in [0, 1] from its top left corner) to pixels of the frame measured
from the corner of the image, ``x, y = m @ [u, v, 1]``, independent of the crop's size in pixels. A
framing also defines which rows of the crop are masked and generated.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import cv2
import numpy as np

from lipsync.errors import ConfigError
from lipsync.faces.align import RADIUS, TEMPLATE, aligned_transforms, crop_aligned
from lipsync.faces.crops import crop, steady_box
from lipsync.faces.painting import Mask, is_upright, paste


class Framing(ABC):
    """A way to crop a face and paste it back.

    Attributes:
        name: name, as recorded in network configs and prepared clips.
        needs_landmarks: whether boxes alone are not enough.
        hidden_from: first masked row, as a fraction of the crop; rows from there on are generated.
        mask: blending mask for pasting.
    """

    name: str
    needs_landmarks = False
    hidden_from = 0.5
    mask = Mask()

    @abstractmethod
    def transforms(
        self, boxes: np.ndarray, landmarks: np.ndarray | None = None, radius: int = RADIUS
    ) -> np.ndarray:
        """Transforms of the crops in a clip.

        Args:
            boxes: (n, 4) detector boxes, x0, y0, x1, y1 in pixels; NaN where there is no face.
            landmarks: (n, 5, 2) eyes, nose tip, mouth corners.
            radius: frames to each side over which landmarks are averaged; 0 for none.

        Returns:
            float64 (n, 2, 3), interpolated in frames without a face.

        Raises:
            ValueError: no frame has a face, or a face lacks landmarks that are needed.
        """

    @staticmethod
    def cut(frame: np.ndarray, transform: np.ndarray, size: int) -> np.ndarray:
        """Crop a frame: uint8 (H, W, 3) -> uint8 (size, size, 3); see :func:`crop`."""
        if is_upright(transform):
            return crop(frame, covering_box(transform), size)
        return crop_aligned(frame, transform, size, cv2.INTER_CUBIC)

    @property
    def mouth(self) -> tuple[float, float, float]:
        """Approximate centre x, centre y and width of the mouth, in the unit crop."""
        corners = getattr(self, "template", TEMPLATE)[3:]
        return *corners.mean(axis=0).tolist(), float(np.ptp(corners[:, 0]))

    def generated_rows(self, faces: Any) -> Any:
        """View of the generated rows of faces (..., H, W), an array or a tensor."""
        return faces[..., round(self.hidden_from * faces.shape[-2]) :, :]

    def hide(self, faces: Any) -> Any:
        """Mask faces (..., H, W), an array or a tensor: a copy with the generated rows zero."""
        hidden = faces.copy() if isinstance(faces, np.ndarray) else faces.clone()
        self.generated_rows(hidden)[...] = 0
        return hidden

    def paste(
        self,
        frame: np.ndarray,
        face: np.ndarray,
        transform: np.ndarray,
        visible: np.ndarray | None = None,
    ) -> np.ndarray:
        """Paste a generated face into a frame, see :func:`lipsync.faces.painting.paste`.

        Args:
            frame: uint8 (H, W, 3) RGB; not modified.
            face: float32 (S, S, 3) RGB in [0, 1], any size.
            transform: (2, 3), transform of the crop.
            visible: float32 (N, N) in [0, 1], visibility map of the crop; 0 where it is occluded.
        """
        return paste(frame, face, transform, self.mask, visible)


class SteadyBox(Framing):
    """One upright square for a whole clip, see :func:`lipsync.faces.crops.steady_box`."""

    name = "box"

    def transforms(
        self, boxes: np.ndarray, landmarks: np.ndarray | None = None, radius: int = RADIUS
    ) -> np.ndarray:
        return np.repeat(box_transforms(steady_box(boxes)[None]), len(boxes), axis=0)


class AlignedCrop(Framing):
    """Aligned in every frame by a similarity transform of the landmarks to a template."""

    needs_landmarks = True

    def __init__(
        self, name: str, template: np.ndarray, mask: Mask, hidden_from: float = 0.5
    ) -> None:
        self.name, self.template, self.mask = name, template, mask
        self.hidden_from = hidden_from

    def transforms(
        self, boxes: np.ndarray, landmarks: np.ndarray | None = None, radius: int = RADIUS
    ) -> np.ndarray:
        found = _with_face(boxes)
        marks = np.full((len(boxes), 10), np.nan) if landmarks is None else landmarks
        marks = np.asarray(marks, np.float64).reshape(-1, 10)
        if not np.isfinite(marks[found]).all():
            raise ValueError(f"framing {self.name} needs landmarks in every frame with a face")
        marks = _interpolate(marks, found).reshape(-1, 5, 2)
        return aligned_transforms(marks, self.template, radius)


class FollowingBox(Framing):
    """SyncNet v2's published square, which follows the face: the box plus a margin of 40 %.

    The box's centre and side are median filtered over 13 frames. The margin is added at the bottom
    and the sides; the top stays that of the box.
    """

    name = "following"
    _margin = 0.4
    _taps = 13

    def transforms(
        self, boxes: np.ndarray, landmarks: np.ndarray | None = None, radius: int = RADIUS
    ) -> np.ndarray:
        boxes = _interpolate(np.asarray(boxes, np.float64), _with_face(boxes))
        half = (boxes[:, 2:] - boxes[:, :2]).max(axis=1) / 2
        middle = (boxes[:, :2] + boxes[:, 2:]) / 2
        values = np.column_stack([half, middle])
        padded = np.pad(values, ((self._taps // 2, self._taps // 2), (0, 0)), mode="edge")
        windows = np.lib.stride_tricks.sliding_window_view(padded, self._taps, axis=0)
        half, x, y = np.median(windows, axis=-1).T
        wide = half * (1 + self._margin)
        return box_transforms(np.stack([x - wide, y - half, x + wide, y - half + 2 * wide], axis=1))


def _with_face(boxes: np.ndarray) -> np.ndarray:
    """bool (n,): which of the boxes (n, 4) are known."""
    found = np.isfinite(boxes).all(axis=1)
    if not found.any():
        raise ValueError("no frame has a face")
    return found


def _interpolate(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Interpolate unknown rows of (n, k) linearly; constant beyond the known ones."""
    if known.all():
        return values
    at, all_of_them = np.flatnonzero(known), np.arange(len(values))
    return np.stack([np.interp(all_of_them, at, column[at]) for column in values.T], axis=1)


def box_transforms(boxes: np.ndarray) -> np.ndarray:
    """Transforms (n, 2, 3) of upright boxes (n, 4) x0, y0, x1, y1."""
    boxes = np.asarray(boxes, np.float64)
    out = np.zeros((len(boxes), 2, 3))
    out[:, [0, 1], [0, 1]] = boxes[:, 2:] - boxes[:, :2]
    out[:, :, 2] = boxes[:, :2]
    return out


def covering_box(transform: np.ndarray) -> np.ndarray:
    """The upright bounding box (4,) of a crop."""
    corners = np.array([[0, 0, 1], [1, 0, 1], [0, 1, 1], [1, 1, 1]]) @ transform.T
    return np.concatenate([corners.min(axis=0), corners.max(axis=0)])


# Zoomed in by 1.3: the mouth, corner to corner, is 0.36 of the crop's side; the upper lip is just
# below the middle row, the chin above 0.98, and the eyes at 0.14.
_ZOOM, _FROM, _TO = 1.3, np.array([0.5, 0.59]), np.array([0.5, 0.55])
TIGHT = _ZOOM * (TEMPLATE - _FROM) + _TO
_TIGHT_MASK = Mask(centre=(0.5, 0.55), radii=(0.42, 0.45), feather=0.25, top=(0.42, 0.52))
# Zoomed in by 1.25, and lower: the mouth is 0.34 of the crop's side, everything from the nose down
# is generated, and the chin of an open mouth is still within the crop. The eyes are at 0.05.
JAW = 1.25 * TEMPLATE + np.array([0.5 - 1.25 * 0.5, -0.296])
_JAW_MASK = Mask(centre=(0.5, 0.55), radii=(0.4, 0.43), feather=0.25, top=(0.3, 0.4))

FRAMINGS: dict[str, Framing] = {
    framing.name: framing
    for framing in (
        SteadyBox(),
        AlignedCrop("aligned", TEMPLATE, Mask()),
        AlignedCrop("aligned_tight", TIGHT, _TIGHT_MASK),
        AlignedCrop("aligned_jaw", JAW, _JAW_MASK, hidden_from=0.375),
        FollowingBox(),
    )
}


def get_framing(name: str) -> Framing:
    """Get a framing by name.

    Raises:
        ConfigError: an unknown name.
    """
    if name not in FRAMINGS:
        raise ConfigError(f"no framing is named '{name}'; there are {', '.join(FRAMINGS)}")
    return FRAMINGS[name]
