"""Faces that lean to the side or lie: looked at once more with the picture turned upright."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lipsync.faces.align import crop_aligned
from lipsync.faces.detect import Detection, Detector

_LEAST = 12.0  # degrees of roll from which on a second look finds landmarks better
_LOOKS = 2  # a face upside down is seen badly at first; the second look may be off by a third
_SIDE = 192  # pixels to a side of the turned picture, which holds the face twice over
_NEAR = 0.15  # of that side: a face found further from its middle is another one


def roll(landmarks: np.ndarray) -> float:
    """By how much (5, 2) landmarks are turned in the picture.

    Returns:
        Degrees clockwise in [-180, 180], from the direction eyes to mouth; NaN where unknown.
    """
    x, y = landmarks[3:].mean(axis=0) - landmarks[:2].mean(axis=0)
    return float(np.degrees(np.arctan2(-x, y)))


class SecondLook(Detector):
    """A detector whose landmarks are as good on rolled faces as on upright ones.

    CenterFace finds faces at any roll where they have 30 pixels and more in what it looks at, but
    places their landmarks, upright by less than a hundredth of the face's side, by 0.03 at 40
    degrees and by 0.1 upside down. A small picture of each rolled face is turned upright and looked
    at again; its box is then upright in the frame, about the face and as large as it was in the
    turned picture. Upright faces cost nothing more.

    Args:
        detector: finds the faces; one without landmarks is left as it is.
        search: where nothing is found, look at the frame turned by quarters too. Finds most of the
            rolled faces that are missed, and makes frames without a face four times as slow.
    """

    def __init__(self, detector: Detector, *, search: bool = False) -> None:
        self._detector, self._search = detector, search
        self.name, self.at_once = detector.name, detector.at_once

    def detect(self, frame: np.ndarray) -> list[Detection]:
        quarters = (0, 1, 3, 2) if self._search else (0,)
        for quarter in quarters:
            if faces := self._turned(frame, quarter):
                return [self._again(frame, face, 90.0 * quarter) for face in faces]
        return []

    def detect_all(
        self, frame: np.ndarray, known: Sequence[Detection] | None = None
    ) -> list[Detection]:
        return [self._again(frame, face, 0) for face in self._detector.detect_all(frame, known)]

    def _turned(self, frame: np.ndarray, quarter: int) -> list[Detection]:
        """Faces in the frame turned counter-clockwise by quarters, as they lie in the frame."""
        faces = self._detector.detect(np.ascontiguousarray(np.rot90(frame, quarter)))
        if not quarter:
            return faces
        height, width = frame.shape[:2]
        shift = np.array([(0, 0), (width, 0), (width, height), (0, height)][quarter], float)
        linear = np.rint(_rotation(90.0 * quarter))
        return [_placed(face, face, np.column_stack([linear, shift]), frame) for face in faces]

    def _again(self, frame: np.ndarray, face: Detection, turned: float) -> Detection:
        """The face by further looks; it was found in a picture turned by ``turned`` degrees."""
        for _ in range(_LOOKS):
            angle = roll(face.landmarks)
            if not abs((angle - turned + 180) % 360 - 180) > _LEAST:
                break
            found = self._look(frame, face, angle)
            if found is None:
                break
            face, turned = found, angle
        return face

    def _look(self, frame: np.ndarray, face: Detection, angle: float) -> Detection | None:
        """The face in a square twice its side that is turned by ``angle`` degrees; None if lost."""
        side = 2 * float(np.sqrt(np.prod(face.box[2:] - face.box[:2])))
        linear = side * _rotation(angle)
        shift = (face.box[:2] + face.box[2:]) / 2 - linear @ [0.5, 0.5]
        transform = np.column_stack([linear, shift])
        faces = self._detector.detect(crop_aligned(frame, transform, _SIDE))

        def away(other: Detection) -> float:
            return float(np.hypot(*((other.box[:2] + other.box[2:]) / 2 / _SIDE - 0.5)))

        found = min(faces, key=away, default=None)
        if found is None or away(found) > _NEAR:
            return None
        return _placed(face, found, np.column_stack([linear / _SIDE, shift]), frame)


def _rotation(degrees: float) -> np.ndarray:
    """(2, 2), clockwise in a picture."""
    a = np.radians(degrees)
    return np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])


def _placed(face: Detection, found: Detection, matrix: np.ndarray, frame: np.ndarray) -> Detection:
    """``face`` as it was found in a turned picture, whose pixels ``matrix`` (2, 3) takes to the
    frame's. The box stays upright and as large as it was there."""
    linear, shift = matrix[:, :2], matrix[:, 2]
    middle = linear @ ((found.box[:2] + found.box[2:]) / 2) + shift
    half = (found.box[2:] - found.box[:2]) / 2 * np.hypot(*linear[:, 0])
    box = np.concatenate([middle - half, middle + half])
    return replace(
        face,
        box=np.clip(box, 0, np.tile(frame.shape[1::-1], 2)).astype(np.float32),
        landmarks=(found.landmarks @ linear.T + shift).astype(np.float32),
    )
