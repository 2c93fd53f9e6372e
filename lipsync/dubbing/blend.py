"""Match the colours and detail of a generated face to the real one before pasting."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from itertools import pairwise

import cv2
import numpy as np

from lipsync.faces.painting import Mask

_SPREAD = 0.16  # distance over which colour is propagated inwards, as a fraction of the side
_COARSE = 24  # resolution at which colours are compared, in pixels
_MAX_SHIFT = 0.15  # maximum colour shift, as a fraction of full scale
_HALF_WEIGHT_DIFFERENCE = 0.05  # difference at which pixels count half, as a fraction of full scale
_SCALES = (1.0, 2.0)  # sigmas in pixels of the blurs that define the bands of detail, finest first
_MAX_GAIN = 1.5  # maximum amplification of detail


@cache
def _rim(mask: Mask, size: int) -> np.ndarray:
    """Weights of the blend zone of the mask, float32 (size, size, 1)."""
    unit = (np.arange(size) + 0.5) / size
    weights = mask.weights(unit[None], unit[:, None])
    return (4 * weights * (1 - weights)).astype(np.float32)[..., None]


def _downsample(picture: np.ndarray) -> np.ndarray:
    """Downsample and blur an image to (_COARSE, _COARSE[, channels])."""
    coarse = cv2.resize(picture, (_COARSE, _COARSE), interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(coarse, (0, 0), _SPREAD * _COARSE, borderType=cv2.BORDER_REPLICATE)


def match_colours(face: np.ndarray, crop: np.ndarray, mask: Mask) -> np.ndarray:
    """Match the colours of a generated face to its surroundings.

    In the blend zone along the rim of the mask, generated and original pixels should agree. Their
    smoothed difference there is propagated into the face, which corrects tint and shading but
    leaves the detail of the mouth. Pixels that differ strongly show different things, such as the
    background beside a cheek generated too wide, and get little weight (Cauchy's M-estimator).

    Args:
        face: float32 (S, S, 3) in [0, 1], generated.
        crop: uint8 (S, S, 3), the original.
        mask: mask for pasting, see :attr:`lipsync.faces.framing.Framing.mask`.

    Returns:
        float32 (S, S, 3) in [0, 1].
    """
    difference = crop.astype(np.float32) / 255 - face
    furthest = np.abs(difference).max(axis=2, keepdims=True)
    weights = _rim(mask, face.shape[0]) / (1 + (furthest / _HALF_WEIGHT_DIFFERENCE) ** 2)
    total = np.maximum(_downsample(weights), 1e-4)[..., None]
    shift = np.clip(_downsample(difference * weights) / total, -_MAX_SHIFT, _MAX_SHIFT)
    shift = cv2.resize(shift, face.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.clip(face + shift, 0, 1)


def match_detail(
    face: np.ndarray, crop: np.ndarray, references: Iterable[np.ndarray], mask: Mask
) -> np.ndarray:
    """Amplify the fine detail of a generated face to that of real ones.

    Generators blend and resample, which softens everything about equally. Each of two frequency
    bands is amplified until the face has as much detail as the references on average, or as the
    original if that has less, as in a blurred frame. Nothing is ever softened.

    Args:
        face: float32 (S, S, 3) in [0, 1], generated.
        crop: uint8 (S, S, 3), the original.
        references: reference crops given to the generator, of the same size.
        mask: mask for pasting; detail is compared within it.

    Returns:
        float32 (S, S, 3) in [0, 1].
    """
    weights = _mask_weights(mask, face.shape[0])
    target = np.mean([_detail_amounts(reference, weights) for reference in references], axis=0)
    target = np.minimum(target, _detail_amounts(crop, weights)) / 255
    factors = np.clip(target / np.maximum(_detail_amounts(face, weights), 1e-6), 1, _MAX_GAIN)
    bands = zip(factors, _bands(face), strict=True)
    return np.clip(face + sum(np.float32(factor - 1) * band for factor, band in bands), 0, 1)


@cache
def _mask_weights(mask: Mask, size: int) -> np.ndarray:
    """Mask weights normalised to a sum of 1, float32 (size, size)."""
    unit = (np.arange(size) + 0.5) / size
    weights = mask.weights(unit[None], unit[:, None]).astype(np.float32)
    return weights / weights.sum()


def _bands(picture: np.ndarray) -> list[np.ndarray]:
    """Frequency bands: differences between successive blurs, finest first."""
    stages = [picture, *(cv2.GaussianBlur(picture, (0, 0), scale) for scale in _SCALES)]
    return [finer - coarser for finer, coarser in pairwise(stages)]


def _detail_amounts(picture: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean absolute detail in each band, in the image's units."""
    grey = cv2.cvtColor(picture.astype(np.float32, copy=False), cv2.COLOR_RGB2GRAY)
    return np.array([float((np.abs(band) * weights).sum()) for band in _bands(grey)])
