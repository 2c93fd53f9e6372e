"""Bring a generated face to the colours and the detail of the real one before it is pasted."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from itertools import pairwise

import cv2
import numpy as np

from lipsync.faces.painting import Mask

_SURROUND = 0.16  # of the face's side: how far the surround's colour is carried inwards
_COARSE = 24  # pixels to a side at which colours are compared
_MOST = 0.15  # of full scale, by which a colour is moved at most
_ALIKE = 0.05  # of full scale: pixels that differ by so much count half
_SCALES = (1.0, 2.0)  # pixels: detail that these blurs remove, the finest first, is matched
_MOST_DETAIL = 1.5  # times as much at most


@cache
def _rim(mask: Mask, size: int) -> np.ndarray:
    """Where a face of ``size`` pixels shows both pictures, float32 (size, size, 1) weights."""
    unit = (np.arange(size) + 0.5) / size
    weights = mask.weights(unit[None], unit[:, None])
    return (4 * weights * (1 - weights)).astype(np.float32)[..., None]


def _spread(picture: np.ndarray) -> np.ndarray:
    """A picture's large shapes alone, (_COARSE, _COARSE[, channels])."""
    coarse = cv2.resize(picture, (_COARSE, _COARSE), interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(coarse, (0, 0), _SURROUND * _COARSE, borderType=cv2.BORDER_REPLICATE)


def match_colours(face: np.ndarray, crop: np.ndarray, mask: Mask) -> np.ndarray:
    """The generated face in the colours that the picture has around it.

    Along the rim of the mask, where both pictures are seen, they should be alike. Their difference
    there, smoothed, is carried into the face: a tint or a shade that the generator missed goes, the
    mouth's own detail stays. Pixels that differ much show another thing, such as the background
    beside a cheek that was painted wider, and count little (weights of Cauchy's M-estimator).

    Args:
        face: float32 (S, S, 3) in [0, 1], generated.
        crop: uint8 (S, S, 3), the picture as it was.
        mask: by which the face is pasted, see :attr:`lipsync.faces.framing.Framing.mask`.

    Returns:
        float32 (S, S, 3) in [0, 1].
    """
    difference = crop.astype(np.float32) / 255 - face
    furthest = np.abs(difference).max(axis=2, keepdims=True)
    weights = _rim(mask, face.shape[0]) / (1 + (furthest / _ALIKE) ** 2)
    total = np.maximum(_spread(weights), 1e-4)[..., None]
    shift = np.clip(_spread(difference * weights) / total, -_MOST, _MOST)
    shift = cv2.resize(shift, face.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.clip(face + shift, 0, 1)


def match_detail(
    face: np.ndarray, crop: np.ndarray, references: Iterable[np.ndarray], mask: Mask
) -> np.ndarray:
    """The generated face with as much fine detail as real ones have.

    Generators blend and resample, which softens all that they paint by much the same share. Each of
    two bands of detail is amplified until the face has as much of it as the references have on
    average, or as the picture had where that is less, as in a blurred frame. Nothing is softened.

    Args:
        face: float32 (S, S, 3) in [0, 1], generated.
        crop: uint8 (S, S, 3), the picture as it was.
        references: of the same size, what the generator was shown.
        mask: by which the face is pasted: what is compared lies within it.

    Returns:
        float32 (S, S, 3) in [0, 1].
    """
    weights = _inside(mask, face.shape[0])
    wanted = np.mean([_amounts(reference, weights) for reference in references], axis=0)
    wanted = np.minimum(wanted, _amounts(crop, weights)) / 255
    factors = np.clip(wanted / np.maximum(_amounts(face, weights), 1e-6), 1, _MOST_DETAIL)
    bands = zip(factors, _bands(face), strict=True)
    return np.clip(face + sum(np.float32(factor - 1) * band for factor, band in bands), 0, 1)


@cache
def _inside(mask: Mask, size: int) -> np.ndarray:
    """How much of each place is generated, float32 (size, size), of sum 1."""
    unit = (np.arange(size) + 0.5) / size
    weights = mask.weights(unit[None], unit[:, None]).astype(np.float32)
    return weights / weights.sum()


def _bands(picture: np.ndarray) -> list[np.ndarray]:
    """What each of the blurs removes that the one before leaves."""
    stages = [picture, *(cv2.GaussianBlur(picture, (0, 0), scale) for scale in _SCALES)]
    return [finer - coarser for finer, coarser in pairwise(stages)]


def _amounts(picture: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean amount of detail in each band, in the picture's units."""
    grey = cv2.cvtColor(picture.astype(np.float32, copy=False), cv2.COLOR_RGB2GRAY)
    return np.array([float((np.abs(band) * weights).sum()) for band in _bands(grey)])
