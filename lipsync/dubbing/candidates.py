"""Pose, lighting and mouth of a face, to judge it as a reference."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from lipsync.faces.framing import get_framing

_VIEW = 64  # side in pixels at which mouths are compared
_LIPS = (0.52, 0.92, 0.36, 0.64)  # top, bottom, left and right of the mouth if aligned,
_LIPS_IN_CROP = (0.58, 0.87, 0.38, 0.62)  # and in the crop of a face without landmarks
_SAME_LEVEL = 10.0  # tolerated difference in brightness of the upper face, in 8-bit levels,
_SAME_CONTRAST = 0.15  # and in the logarithm of its contrast


class FaceSample(NamedTuple):
    """A face in one frame of its video."""

    number: int
    picture: np.ndarray
    """uint8 (H, W, 3), the whole frame."""
    crop: np.ndarray
    """uint8 (S, S, 3)."""
    transform: np.ndarray
    """(2, 3), transform of the crop."""
    face: np.ndarray
    """(14,) box and landmarks."""


class Candidate(NamedTuple):
    """Properties of a face that may be used as a reference."""

    number: int
    pose: np.ndarray
    """(3, 2) eyes and nose in the unit crop; NaN if unknown."""
    light: float
    """Mean level of the crop's upper half."""
    mouth: np.ndarray
    """float32 (rows, columns) grey levels minus their mean."""
    openness: float


def measure_candidate(sample: FaceSample) -> Candidate:
    """Measure a face."""
    return Candidate(
        sample.number, pose_in_crop(sample), mean_light(sample.crop), *_measure_mouth(sample)
    )


def pose_in_crop(sample: FaceSample) -> np.ndarray:
    """Eyes and nose, (3, 2), in the unit crop."""
    marks = sample.face[4:].reshape(5, 2)[:3]
    return np.linalg.solve(sample.transform[:, :2], (marks - sample.transform[:, 2]).T).T


def pose_distance(poses: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """Distance of poses (..., 3, 2) from one, in crop sides; 0 if either is unknown."""
    return np.sqrt(np.nan_to_num(np.square(poses - pose)).sum(axis=-1).mean(axis=-1))


def rms(values: np.ndarray) -> float:
    """Root mean square."""
    return float(np.sqrt(np.square(values).mean()))


def mean_light(crop: np.ndarray) -> float:
    """Mean level of a crop's upper half."""
    return float(crop[: len(crop) // 2].mean())


def match_lighting(reference: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Match the lighting of a reference to that of the frame being dubbed.

    Mean and contrast of each channel, measured on the upper face, are matched to compensate for
    fades, exposure and coloured light. Small differences, as also caused by pose, are ignored.

    Args:
        reference, own: uint8 (S, S, 3), crops of the same face.

    Returns:
        uint8 (S, S, 3); the reference itself if the lighting is the same.
    """
    side = len(own)
    upper = np.s_[: round(0.4 * side), round(0.25 * side) : round(0.75 * side)]
    theirs, ours = (crop[upper].reshape(-1, 3).astype(np.float32) for crop in (reference, own))
    mean = theirs.mean(axis=0)
    shift = _soft_threshold(ours.mean(axis=0) - mean, _SAME_LEVEL)
    contrast = np.log((ours.std(axis=0) + 1) / (theirs.std(axis=0) + 1))
    gain = np.exp(_soft_threshold(contrast, _SAME_CONTRAST))
    if not shift.any() and (gain == 1).all():
        return reference
    levels = (reference - mean) * gain + mean + shift
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def _soft_threshold(values: np.ndarray, small: float) -> np.ndarray:
    """Soft threshold: 0 up to ``small``, the value itself from twice that, continuous between."""
    return values * np.clip(np.abs(values) / small - 1, 0, 1)


def _measure_mouth(sample: FaceSample) -> tuple[np.ndarray, float]:
    """The mouth as float32 (rows, columns) minus its mean, and its openness.

    Closed lips are one soft line; teeth and the dark mouth make strong vertical gradients. Openness
    is the sum of absolute vertical gradients, normalised by those of the upper face to cancel blur
    and contrast.
    """
    marks = sample.face[4:].reshape(1, 5, 2)
    view, lips = sample.crop, _LIPS_IN_CROP
    if np.isfinite(marks).all():
        tight, lips = get_framing("aligned_tight"), _LIPS
        place = tight.transforms(sample.face[None, :4], marks, radius=0)[0]
        view = tight.cut(sample.picture, place, _VIEW)
    elif len(view) != _VIEW:
        view = cv2.resize(view, (_VIEW, _VIEW), interpolation=cv2.INTER_AREA)
    levels: np.ndarray = cv2.cvtColor(view, cv2.COLOR_RGB2GRAY).astype(np.float32)
    levels = cv2.GaussianBlur(levels, (0, 0), 0.7)
    top, bottom, left, right = (round(share * _VIEW) for share in lips)
    mouth = levels[top:bottom, left:right]
    above = levels[: _VIEW // 2, _VIEW // 5 : -_VIEW // 5]
    detail = float(np.abs(np.diff(above, axis=0)).mean())
    openness = float(np.abs(np.diff(mouth, axis=0)).sum(axis=0).mean()) / max(detail, 1e-3)
    return mouth - mouth.mean(), openness


def distance_from_rest(candidates: list[Candidate]) -> np.ndarray:
    """Distance of each mouth from rest, normalised to a median of 1.

    Rest is the mean of the least open quarter, not the single least open mouth, which may be
    pressed lips or a hand in front of the mouth.
    """
    mouths = np.stack([c.mouth for c in candidates])
    openness = np.array([c.openness for c in candidates])
    rest = mouths[np.argsort(openness)[: -(-len(openness) // 4)]].mean(axis=0)
    unlike = np.sqrt(np.square(mouths - rest).mean(axis=(1, 2)))
    return unlike / max(float(np.median(unlike)), 0.1 * float(mouths.std()), 1e-6)
