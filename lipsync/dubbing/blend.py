"""Bring a generated face to the colours around it before it is pasted."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from lipsync.faces.painting import Mask

_SURROUND = 0.16  # of the face's side: how far the surround's colour is carried inwards
_COARSE = 24  # pixels to a side at which colours are compared
_MOST = 0.15  # of full scale, by which a colour is moved at most


@cache
def _rim(mask: Mask, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Where a face of ``size`` pixels shows both pictures, and how much of that each place sees.

    Returns:
        float32 (size, size, 1) weights of the rim, and (_COARSE, _COARSE, 1) their blur.
    """
    unit = (np.arange(size) + 0.5) / size
    weights = mask.weights(unit[None], unit[:, None])
    rim = (4 * weights * (1 - weights)).astype(np.float32)
    return rim[..., None], np.maximum(_spread(rim), 1e-4)[..., None]


def _spread(picture: np.ndarray) -> np.ndarray:
    """A picture's large shapes alone, (_COARSE, _COARSE[, channels])."""
    coarse = cv2.resize(picture, (_COARSE, _COARSE), interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(coarse, (0, 0), _SURROUND * _COARSE, borderType=cv2.BORDER_REPLICATE)


def match_colours(face: np.ndarray, crop: np.ndarray, mask: Mask) -> np.ndarray:
    """The generated face in the colours that the picture has around it.

    Along the rim of the mask, where both pictures are seen, they should be alike. Their difference
    there, smoothed, is carried into the face: a tint or a shade that the generator missed goes, the
    mouth's own detail stays.

    Args:
        face: float32 (S, S, 3) in [0, 1], generated.
        crop: uint8 (S, S, 3), the picture as it was.
        mask: by which the face is pasted, see :attr:`lipsync.faces.framing.Framing.mask`.

    Returns:
        float32 (S, S, 3) in [0, 1].
    """
    rim, weight = _rim(mask, face.shape[0])
    difference = (crop.astype(np.float32) / 255 - face) * rim
    shift = np.clip(_spread(difference) / weight, -_MOST, _MOST)
    shift = cv2.resize(shift, face.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.clip(face + shift, 0, 1)
