"""Faces that lean to the side or lie: looked at once more with the picture turned upright."""

from __future__ import annotations

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

    CenterFace finds faces at any roll, but places their landmarks, upright by less than a hundredth
    of the face's side, by 0.03 at 40 degrees and by 0.1 upside down. A small picture of each rolled
    face is turned upright and looked at again; its box is then upright in the frame, about the face
    and as large as it was in the turned picture. Upright faces cost nothing more.

    Args:
        detector: finds the faces; one without landmarks is left as it is.
    """

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self.name, self.at_once = detector.name, detector.at_once

    def detect(self, frame: np.ndarray) -> list[Detection]:
        return [self._again(frame, face) for face in self._detector.detect(frame)]

    def _again(self, frame: np.ndarray, face: Detection) -> Detection:
        turned = 0.0  # the roll of the picture that the face was found in
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
        middle, extent = (face.box[:2] + face.box[2:]) / 2, face.box[2:] - face.box[:2]
        turn = np.radians(angle)
        linear = 2 * float(np.sqrt(np.prod(extent))) * np.array(
            [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
        )  # fmt: skip
        transform = np.column_stack([linear, middle - linear @ [0.5, 0.5]])
        faces = self._detector.detect(crop_aligned(frame, transform, _SIDE))

        def away(other: Detection) -> float:
            return float(np.hypot(*((other.box[:2] + other.box[2:]) / 2 / _SIDE - 0.5)))

        found = min(faces, key=away, default=None)
        if found is None or away(found) > _NEAR:
            return None
        scale = np.hypot(*linear[:, 0]) / _SIDE
        half = (found.box[2:] - found.box[:2]) / 2 * scale
        middle = linear @ ((found.box[:2] + found.box[2:]) / 2 / _SIDE) + transform[:, 2]
        size = np.tile(frame.shape[1::-1], 2)
        return replace(
            face,
            box=np.clip(np.concatenate([middle - half, middle + half]), 0, size).astype(np.float32),
            landmarks=(found.landmarks / _SIDE @ linear.T + transform[:, 2]).astype(np.float32),
        )
