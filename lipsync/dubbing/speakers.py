"""Selection rules for the speaking face, and faces that are unsuitable for dubbing."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from lipsync.errors import ConfigError
from lipsync.faces.detect import Detection
from lipsync.faces.roll import roll

POSITIONS = ("largest", "left", "right", "top", "bottom", "centre")
SYNC = "sync"
_OPPOSITE = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}
_TAKE_OVER = 1.6  # ratio of sides at which a larger face replaces the followed one
_PROFILE = 0.12  # minimum distance of the nose tip from either eye, as a fraction between the eyes
_EYES = 0.22  # minimum distance between the eyes in a frontal face, relative to the box's width
_MOST_ROLL = 35.0  # maximum roll in degrees of a face in an upright crop


def checked_face(face: str | int) -> str:
    """Validate a selection rule, as for ``--face``.

    Args:
        face: "largest" (weighted towards the middle), "left", "right", "top", "bottom", "centre",
            "sync"; a number, counting faces from left to right from 0; or "X,Y", the face at this
            point in pixels.

    Raises:
        ConfigError: an invalid rule.
    """
    if isinstance(face, int) or re.fullmatch(r"-?\d+", face):
        if int(face) < 0:
            raise ConfigError(f"a face number must be 0 or more, got {face}")
        return str(int(face))
    if face not in (*POSITIONS, SYNC) and _parse_point(face) is None:
        raise ConfigError(
            f"face must be {', '.join(POSITIONS)}, {SYNC}, a number or X,Y, got '{face}'"
        )
    return face


def assign(
    rules: Sequence[str | None],
    boxes: Sequence[np.ndarray],
    size: tuple[int, int],
    held: Sequence[int | None] = (None,),
) -> list[int | None]:
    """Assign a different face to each rule.

    If both "left" and "right" are wanted but there is only one face, it is "left" in the left half
    of the image and "right" in the right half; likewise for "top" and "bottom".

    Args:
        rules: as in :func:`checked_face`, except "sync", in order of precedence; None for no
            face.
        boxes: boxes (4,) of the faces.
        size: width and height of the image.
        held: faces that are already assigned to the rules.

    Returns:
        Index of the face for each rule; None if there is none.
    """
    chosen = list(held)
    for k, rule in enumerate(rules):
        if rule is None or chosen[k] is not None:
            continue
        found = _choose_face(rule, boxes, size, {i for i in chosen if i is not None})
        opposite = _OPPOSITE.get(rule)
        if found is not None and len(boxes) == 1 and opposite is not None and opposite in rules:
            found = found if _score(rule, boxes[0], size) >= 0 else None
        chosen[k] = found
    return chosen


def _choose_face(
    rule: str, boxes: Sequence[np.ndarray], size: tuple[int, int], used: set[int]
) -> int | None:
    free = [i for i in range(len(boxes)) if i not in used]
    if rule.isdecimal():
        order = np.argsort([box[0] + box[2] for box in boxes], kind="stable").tolist()
        return order[int(rule)] if int(rule) < len(order) and order[int(rule)] in free else None
    if (point := _parse_point(rule)) is not None:
        free = [i for i in free if (boxes[i][:2] <= point).all() and (point <= boxes[i][2:]).all()]
        return min(free, key=lambda i: float(np.hypot(*_centre(boxes[i]) - point)), default=None)
    return max(free, key=lambda i: _score(rule, boxes[i], size), default=None)


def _parse_point(face: str) -> np.ndarray | None:
    match = re.fullmatch(r"(\d+),(\d+)", face)
    return np.array([int(match[1]), int(match[2])]) if match else None


def _centre(box: np.ndarray) -> np.ndarray:
    return (box[:2] + box[2:]) / 2


def _score(face: str, box: np.ndarray, size: tuple[int, int]) -> float:
    x, y = (_centre(box) - np.array(size) / 2) / (np.array(size) / 2)
    away = max(abs(float(x)), abs(float(y)))  # 1 at the border
    merits = {
        "largest": side(box) * (1 - 0.5 * min(away, 1.0)),
        "left": -x, "right": x, "top": -y, "bottom": y, "centre": -away,
    }  # fmt: skip
    return float(merits[face])


def side(box: np.ndarray) -> float:
    """Square root of a box's area."""
    return float(np.sqrt(np.prod(np.maximum(box[2:] - box[:2], 0))))


def much_larger(other: np.ndarray, followed: np.ndarray) -> bool:
    """Whether a face is so much larger than the followed one that it should replace it."""
    return side(other) > _TAKE_OVER * side(followed)


def can_be_dubbed(face: Detection, least: float, turns: bool) -> bool:
    """Whether a face is large enough, not in profile, and upright in its crop.

    Args:
        face: a detection.
        least: minimum height of its box in pixels.
        turns: whether the crop rotates with the face, as with alignment by landmarks.
    """
    if face.box[3] - face.box[1] < least or is_profile(face):
        return False
    return turns or not abs(roll(face.landmarks)) > _MOST_ROLL


def is_profile(face: Detection) -> bool:
    """Whether a face is in profile: the nose tip is not between the eyes, or they nearly meet."""
    if not np.isfinite(face.landmarks).all():
        return False
    left, right, nose = face.landmarks[:3]
    x, y = eyes = right - left  # measured along this axis, so that roll does not matter
    down = face.landmarks[3:].mean(axis=0) - (left + right) / 2
    apart = np.hypot(x, y)
    swapped = x * down[1] - y * down[0] < 0
    if swapped or apart < _EYES * (face.box[2] - face.box[0]):
        return True
    return not _PROFILE <= (nose - left) @ eyes / apart**2 <= 1 - _PROFILE
