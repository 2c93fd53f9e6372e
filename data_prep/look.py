"""Analysis of a file in one decoding pass: frame differences for cuts, and faces on a stride.

Small faces are searched for in the whole frame once a second and after the picture changes, and
otherwise only near known faces.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Any

import numpy as np

from data_prep.footage import Footage
from data_prep.quality import fine_detail
from lipsync.faces.detect import Detection, Detector
from lipsync.faces.identity import describe
from lipsync.faces.shots import ShotMeter
from lipsync.faces.tracks import follow
from lipsync.windows import FPS

_CHANGED = 0.2  # difference between frames above which the picture has changed, see Step.one


@dataclass(frozen=True)
class DetectedFace(Detection):
    """A detected face.

    Attributes:
        sharpness: see :func:`data_prep.quality.fine_detail`.
        described: identity descriptor, see :func:`lipsync.faces.identity.describe`.
    """

    sharpness: float = 0.0
    described: np.ndarray | None = None


def analyse_frames(footage: Footage, detector: Detector, stride: int) -> dict[str, Any]:
    """Analyse a file's frames in one pass, or two if the faces are not upright.

    Returns:
        As JSON: ``turns``, the number of ``np.rot90`` turns that make the frames upright; the
        number of ``frames`` and their ``size``, width and height; ``steps`` for
        :func:`lipsync.faces.shots.find_cuts`; and ``looks``, the faces in every ``stride``-th frame
        and in the last, for :func:`detected_faces`.
    """
    analysis = _analyse(footage, detector, stride)
    track = follow(detected_faces(analysis), analysis["frames"], tuple(analysis["size"]), stride)
    if turns := track.quarter_turns():
        # The face is sideways or upside down, whatever rotation the file declares.
        footage.turns = turns
        analysis = _analyse(footage, detector, stride)
    return {"turns": turns, **analysis}


def _analyse(footage: Footage, detector: Detector, stride: int) -> dict[str, Any]:
    meter, looks, search = ShotMeter(), [], _Search(detector)
    number, frame = -1, np.zeros((1, 1, 3), np.uint8)
    for number, frame in enumerate(footage.frames()):
        meter.add(frame)
        search.changed |= meter.steps[-1].one > _CHANGED
        if number % stride == 0:
            looks.append([number, search.faces(number, frame)])
    if number % stride:
        looks.append([number, search.faces(number, frame)])
    size = [frame.shape[1], frame.shape[0]]
    return {"frames": number + 1, "size": size, "steps": meter.steps, "looks": looks}


class _Search:
    """Detects faces in successive frames.

    Attributes:
        changed: whether the picture has changed since small faces were last searched everywhere.
    """

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._whole = 0  # last frame searched everywhere for small faces
        self._known: list[list[Detection]] = []  # faces in the last two frames searched
        self.changed = True

    def faces(self, number: int, frame: np.ndarray) -> list[dict[str, Any]]:
        """Faces in a frame, as JSON."""
        known = None
        if self.changed or number - self._whole >= FPS:
            self._whole, self.changed = number, False
        else:
            known = [face for faces in self._known for face in faces]
        found = self._detector.detect_all(frame, known)
        self._known = [found, *self._known[:1]]
        return [_as_json(frame, face) for face in found]


def _as_json(frame: np.ndarray, face: Detection) -> dict[str, Any]:
    known = np.isfinite(face.landmarks).all()
    described = describe(frame, face.landmarks)
    return {
        "box": [round(float(v), 2) for v in face.box],
        "score": round(face.score, 4),
        "marks": [round(float(v), 2) for v in face.landmarks.ravel()] if known else None,
        "sharpness": round(fine_detail(frame, face.box), 3),
        "described": None if described is None else b64encode(described.tobytes()).decode(),
    }


def detected_faces(analysis: dict[str, Any]) -> list[tuple[int, list[DetectedFace]]]:
    """Faces in the output of :func:`analyse_frames`, for :func:`lipsync.faces.tracks.link`."""
    nowhere = [np.nan] * 10
    return [
        (
            number,
            [
                DetectedFace(
                    np.array(face["box"], np.float32),
                    face["score"],
                    np.array(face["marks"] or nowhere, np.float32).reshape(5, 2),
                    face["sharpness"],
                    _described(face.get("described")),
                )
                for face in faces
            ],
        )
        for number, faces in analysis["looks"]
    ]


def _described(text: str | None) -> np.ndarray | None:
    return None if text is None else np.frombuffer(b64decode(text), np.int8)
