"""The one decoding in which everything is looked at: cuts on every frame, faces on a stride.

Small faces are looked for in the whole picture once a second and where the picture changes, in
between about those that are known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from data_prep.footage import Footage
from data_prep.quality import fine_detail
from lipsync.faces.detect import Detection, Detector
from lipsync.faces.shots import ShotMeter
from lipsync.faces.tracks import follow
from lipsync.windows import FPS

_CHANGED = 0.2  # difference from a frame to the next, see Step


@dataclass(frozen=True)
class SeenFace(Detection):
    """A face, and how sharp it is, see :func:`data_prep.quality.fine_detail`."""

    sharpness: float = 0.0


def look(footage: Footage, detector: Detector, stride: int) -> dict[str, Any]:
    """Go through a file's frames once; twice if the faces in it lie on their side.

    Returns:
        As JSON: ``turns`` that set the frames upright, the number of ``frames`` and their ``size``,
        ``steps`` for :func:`lipsync.faces.shots.find_cuts`, and ``looks``, the faces of every
        ``stride``-th frame and of the last, as :func:`seen_faces` reads them.
    """
    found = _look(footage, detector, stride)
    track = follow(seen_faces(found), found["frames"], tuple(found["size"]), stride)
    if turns := track.quarter_turns():
        # The face lies on its side or upside down, whatever the file says of its rotation.
        footage.turns = turns
        found = _look(footage, detector, stride)
    return {"turns": turns, **found}


def _look(footage: Footage, detector: Detector, stride: int) -> dict[str, Any]:
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
    """The faces of frames that are looked at one after the other.

    Attributes:
        changed: the picture has changed since the last look.
    """

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._whole = 0  # the frame in which small faces were looked for everywhere
        self._known: list[list[Detection]] = []  # of the last two looks
        self.changed = True

    def faces(self, number: int, frame: np.ndarray) -> list[dict[str, Any]]:
        """As JSON."""
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
    return {
        "box": [round(float(v), 2) for v in face.box],
        "score": round(face.score, 4),
        "marks": [round(float(v), 2) for v in face.landmarks.ravel()] if known else None,
        "sharpness": round(fine_detail(frame, face.box), 3),
    }


def seen_faces(found: dict[str, Any]) -> list[tuple[int, list[SeenFace]]]:
    """The faces that :func:`look` wrote down, as :func:`lipsync.faces.tracks.link` takes them."""
    nowhere = [np.nan] * 10
    return [
        (
            number,
            [
                SeenFace(
                    np.array(face["box"], np.float32),
                    face["score"],
                    np.array(face["marks"] or nowhere, np.float32).reshape(5, 2),
                    face["sharpness"],
                )
                for face in faces
            ],
        )
        for number, faces in found["looks"]
    ]
