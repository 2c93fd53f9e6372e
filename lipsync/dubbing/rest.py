"""What a face is worth as a reference: its pose, its light, and how much its mouth rests."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from lipsync.faces.framing import get_framing

_VIEW = 64  # pixels to a side at which a mouth is looked at
_LIPS = (0.52, 0.92, 0.36, 0.64)  # top, bottom, left and right of the mouth where it is aligned,
_LIPS_IN_CROP = (0.58, 0.87, 0.38, 0.62)  # and in a crop of a face without landmarks
_SAME_LEVEL = 10.0  # of 255, by which the upper face may be brighter in the same light,
_SAME_CONTRAST = 0.15  # and the logarithm of the ratio of contrasts


class Seen(NamedTuple):
    """A face in one frame of its video."""

    number: int
    picture: np.ndarray
    """uint8 (H, W, 3), the whole frame."""
    crop: np.ndarray
    """uint8 (S, S, 3)."""
    transform: np.ndarray
    """(2, 3), that of the crop."""
    face: np.ndarray
    """(14,) box and landmarks."""


class Candidate(NamedTuple):
    """What is kept of a face that may be a reference."""

    number: int
    pose: np.ndarray
    """(3, 2) eyes and nose in the unit crop; NaN where unknown."""
    light: float
    """Mean level of the crop's upper half."""
    mouth: np.ndarray
    """float32 (rows, columns) levels about their mean."""
    openness: float


def as_candidate(one: Seen) -> Candidate:
    """Look at a face."""
    return Candidate(one.number, pose_of(one), light_of(one.crop), *_look_at_mouth(one))


def pose_of(one: Seen) -> np.ndarray:
    """Eyes and nose, (3, 2), in the unit crop."""
    marks = one.face[4:].reshape(5, 2)[:3]
    return np.linalg.solve(one.transform[:, :2], (marks - one.transform[:, 2]).T).T


def apart(poses: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """How far poses (..., 3, 2) are from one, in sides of the crop; 0 where one is not known."""
    return np.sqrt(np.nan_to_num(np.square(poses - pose)).sum(axis=-1).mean(axis=-1))


def rms(values: np.ndarray) -> float:
    """Root of the mean square."""
    return float(np.sqrt(np.square(values).mean()))


def light_of(crop: np.ndarray) -> float:
    """Mean level of a crop's upper half."""
    return float(crop[: len(crop) // 2].mean())


def in_light_of(reference: np.ndarray, own: np.ndarray) -> np.ndarray:
    """A reference as if it were filmed in the light of the frame that it is shown beside.

    Each channel of the upper face is brought to the mean and the contrast of the frame's own, as
    fades, exposure and coloured light change them. Small differences, which a change of pose makes
    as well, stay.

    Args:
        reference, own: uint8 (S, S, 3), crops of one face.

    Returns:
        uint8 (S, S, 3); the reference itself where the light is the same.
    """
    side = len(own)
    upper = np.s_[: round(0.4 * side), round(0.25 * side) : round(0.75 * side)]
    theirs, ours = (crop[upper].reshape(-1, 3).astype(np.float32) for crop in (reference, own))
    mean = theirs.mean(axis=0)
    shift = _beyond(ours.mean(axis=0) - mean, _SAME_LEVEL)
    contrast = np.log((ours.std(axis=0) + 1) / (theirs.std(axis=0) + 1))
    gain = np.exp(_beyond(contrast, _SAME_CONTRAST))
    if not shift.any() and (gain == 1).all():
        return reference
    levels = (reference - mean) * gain + mean + shift
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def _beyond(values: np.ndarray, small: float) -> np.ndarray:
    """0 for values up to ``small``, themselves from twice that on, and between them no step."""
    return values * np.clip(np.abs(values) / small - 1, 0, 1)


def _look_at_mouth(one: Seen) -> tuple[np.ndarray, float]:
    """The mouth as float32 (rows, columns) about its mean, and how open it is.

    Lips that are closed are one soft line; teeth and the dark behind them are steps from light to
    dark. They are counted from top to bottom, in units of those of the face above, so that neither
    blur nor contrast counts.
    """
    marks = one.face[4:].reshape(1, 5, 2)
    view, lips = one.crop, _LIPS_IN_CROP
    if np.isfinite(marks).all():
        tight, lips = get_framing("aligned_tight"), _LIPS
        place = tight.transforms(one.face[None, :4], marks, radius=0)[0]
        view = tight.cut(one.picture, place, _VIEW)
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


def unrest(candidates: list[Candidate]) -> np.ndarray:
    """How far each mouth is from rest, the mean of the least open quarter; usually 1.

    The least open of all is not taken for rest: lips that are pressed together, or a hand before
    them, are more even than lips at rest.
    """
    mouths = np.stack([c.mouth for c in candidates])
    openness = np.array([c.openness for c in candidates])
    rest = mouths[np.argsort(openness)[: -(-len(openness) // 4)]].mean(axis=0)
    unlike = np.sqrt(np.square(mouths - rest).mean(axis=(1, 2)))
    return unlike / max(float(np.median(unlike)), 0.1 * float(mouths.std()), 1e-6)
