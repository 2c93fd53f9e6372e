"""Which of the faces in a picture speaks, and which faces are better left alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lipsync.errors import ConfigError
from lipsync.faces.detect import Detection
from lipsync.faces.roll import roll

POSITIONS = ("largest", "left", "right", "top", "bottom", "centre")
SYNC = "sync"
_TAKE_OVER = 1.6  # times the side of the face that is followed, which a larger face needs
_PROFILE = 0.12  # share of the way between the eyes beyond which a nose tip means a profile
_EYES = 0.22  # of the box's width; eyes that seem closer to each other are seen from the side
_MOST_ROLL = 35.0  # degrees, of a face whose crop is not turned with it

Choice = Callable[[Sequence[np.ndarray], tuple[int, int]], int | None]
"""Which of boxes (4,) in a picture of (width, height) is the speaker's; None for none of them."""


def speaker_choice(speaker: str | int) -> Choice:
    """The rule behind ``--speaker``.

    Args:
        speaker: "largest" (less, the further from the middle), "left", "right", "top", "bottom",
            "centre", or a number: faces from left to right, beginning with 0.

    Raises:
        ConfigError: there is no such rule.
    """
    if isinstance(speaker, int) or speaker.isdecimal():
        number = int(speaker)
        if number < 0:
            raise ConfigError(f"speaker must be 0 or more where it is a number, got {number}")

        def by_number(boxes: Sequence[np.ndarray], size: tuple[int, int]) -> int | None:
            order = np.argsort([box[0] + box[2] for box in boxes], kind="stable")
            return int(order[number]) if number < len(order) else None

        return by_number
    if speaker not in POSITIONS:
        raise ConfigError(
            f"speaker must be {', '.join(POSITIONS)}, {SYNC} or a number, got '{speaker}'"
        )

    def by_place(boxes: Sequence[np.ndarray], size: tuple[int, int]) -> int | None:
        return int(np.argmax([_merit(speaker, box, size) for box in boxes])) if boxes else None

    return by_place


def _merit(speaker: str, box: np.ndarray, size: tuple[int, int]) -> float:
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    middle = np.array(size) / 2
    away = float(np.abs((np.array([x, y]) - middle) / middle).max())  # 1 at the border
    merits = {
        "largest": side(box) * (1 - 0.5 * min(away, 1.0)),
        "left": -x, "right": x, "top": -y, "bottom": y, "centre": -away,
    }  # fmt: skip
    return float(merits[speaker])


def side(box: np.ndarray) -> float:
    """The side of a square of a box's area."""
    return float(np.sqrt(np.prod(np.maximum(box[2:] - box[:2], 0))))


def much_larger(other: np.ndarray, followed: np.ndarray) -> bool:
    """Whether a face is so much larger than the one that is followed that it takes over."""
    return side(other) > _TAKE_OVER * side(followed)


def can_be_dubbed(face: Detection, least: float, turns: bool) -> bool:
    """Whether a face is large enough, not seen from the side, and upright in its crop.

    Args:
        face: what a detector found.
        least: height of its box in pixels below which it is too small.
        turns: whether the crop is turned with the face, as by landmarks.
    """
    if face.box[3] - face.box[1] < least or is_profile(face):
        return False
    return turns or not abs(roll(face.landmarks)) > _MOST_ROLL


def is_profile(face: Detection) -> bool:
    """Whether the nose hides an eye: its tip is not between the eyes, or these nearly meet."""
    if not np.isfinite(face.landmarks).all():
        return False
    left, right, nose = face.landmarks[:3]
    x, y = eyes = right - left  # along them, so that a face that is rolled is no profile
    down = face.landmarks[3:].mean(axis=0) - (left + right) / 2
    apart = np.hypot(x, y)
    swapped = x * down[1] - y * down[0] < 0
    if swapped or apart < _EYES * (face.box[2] - face.box[0]):
        return True
    return not _PROFILE <= (nose - left) @ eyes / apart**2 <= 1 - _PROFILE
