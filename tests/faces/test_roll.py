"""Tilted faces: landmarks as good as on upright ones, at no extra cost for those."""

import cv2
import numpy as np
import pytest
from skimage import data

from lipsync.faces.detect import CenterFace, Detection, Detector
from lipsync.faces.roll import RollAwareDetector, roll

FACE = cv2.copyMakeBorder(data.astronaut()[:300, 60:400], 60, 100, 60, 60, cv2.BORDER_REPLICATE)
UPRIGHT = np.array([[80, 75], [120, 75], [100, 100], [84, 121], [116, 121]], np.float32)


def rolled(picture: np.ndarray, degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """The image rotated clockwise within a larger one, and the transform (2, 3)."""
    height, width = picture.shape[:2]
    side = int(np.hypot(height, width)) + 1
    matrix = cv2.getRotationMatrix2D((width / 2 - 0.5, height / 2 - 0.5), -degrees, 1)
    matrix[:, 2] += [(side - width) / 2, (side - height) / 2]
    return cv2.warpAffine(picture, matrix, (side, side), borderValue=(90, 90, 90)), matrix


@pytest.mark.parametrize("degrees", [0, 30, -50, 90, 179, -120])
def test_roll(degrees: float) -> None:
    a = np.radians(degrees)
    rotation = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    assert roll(UPRIGHT @ rotation.T) == pytest.approx(degrees, abs=1e-3)
    assert np.isnan(roll(np.full((5, 2), np.nan)))


@pytest.mark.parametrize("degrees", [35, -50, 90, 180])
def test_landmarks_of_a_rolled_face_are_those_of_the_upright_one(degrees: float) -> None:
    detector = CenterFace(threads=1)
    (upright,) = detector.detect(FACE)
    side = float(np.sqrt(np.prod(upright.box[2:] - upright.box[:2])))
    picture, matrix = rolled(FACE, degrees)
    (once,), (twice,) = detector.detect(picture), RollAwareDetector(detector).detect(picture)
    expected = (upright.landmarks - 0.5) @ matrix[:, :2].T + matrix[:, 2] + 0.5

    def error(face: Detection) -> float:
        return np.hypot(*(face.landmarks - expected).T).max() / side

    assert error(twice) < 0.05
    assert error(twice) < 0.7 * error(once)
    middle = (upright.box[:2] + upright.box[2:]) / 2 @ matrix[:, :2].T + matrix[:, 2]
    assert (twice.box[:2] + twice.box[2:]) / 2 == pytest.approx(middle, abs=0.05 * side)
    assert twice.box[2:] - twice.box[:2] == pytest.approx(
        upright.box[2:] - upright.box[:2], rel=0.08
    )


class Counting(Detector):
    """Finds the same face in every large frame, and none in rotated images."""

    name, at_once = "counting", 3

    def __init__(self, landmarks: np.ndarray) -> None:
        self.landmarks, self.asked = landmarks, 0

    def detect(self, frame: np.ndarray) -> list[Detection]:
        self.asked += 1
        box = np.array([60, 40, 140, 150], np.float32)
        return [Detection(box, 0.9, self.landmarks)] if len(frame) == 300 else []


def test_upright_faces_cost_nothing_and_a_face_that_is_lost_stays() -> None:
    frame = np.zeros((300, 300, 3), np.uint8)
    leaning = (UPRIGHT - 100) @ np.array([[0.7, 0.7], [-0.7, 0.7]], np.float32) + 100
    for marks, asked in ((UPRIGHT, 1), (np.full((5, 2), np.nan, np.float32), 1), (leaning, 2)):
        inner = Counting(marks)
        detector = RollAwareDetector(inner)
        (face,) = detector.detect(frame)
        assert inner.asked == asked
        assert np.array_equal(face.landmarks, marks, equal_nan=True)
        assert (detector.name, detector.at_once) == ("counting", 3)


class UprightOnly(Detector):
    """Finds an upright face by its bright spots."""

    name = "upright"

    def detect(self, frame: np.ndarray) -> list[Detection]:
        y, x = np.nonzero(frame[..., 0] > 200)  # from top to bottom, then from left to right
        marks = np.stack([x, y], axis=1) + 0.5
        level = (np.diff(y)[[0, 3]] == 0).all()
        if not level or x[1] - x[0] <= x[4] - x[3]:  # eyes are further apart than mouth corners
            return []
        low, high = marks.min(axis=0), marks.max(axis=0)
        return [Detection(np.array([*low - 9, *high + 9], "f4"), 0.9, marks.astype("f4"))]


@pytest.mark.parametrize("quarter", [0, 1, 2, 3])
def test_a_frame_in_which_nothing_is_found_is_turned_by_quarters(quarter: int) -> None:
    upright = np.zeros((200, 300, 3), np.uint8)
    for x, y in UPRIGHT.astype(int):
        upright[y, x + 40] = 255
    (face,) = UprightOnly().detect(upright)
    lying = np.ascontiguousarray(np.rot90(upright, -quarter))  # clockwise
    assert len(UprightOnly().detect(lying)) == (quarter == 0)
    assert len(RollAwareDetector(UprightOnly()).detect(lying)) == (quarter == 0)
    (found,) = RollAwareDetector(UprightOnly(), search=True).detect(lying)

    def turned(point: np.ndarray) -> np.ndarray:
        (x, y), height, width = point, 200, 300
        return np.array([(x, y), (height - y, x), (width - x, height - y), (y, width - x)][quarter])

    assert np.array_equal(found.landmarks, [turned(mark) for mark in face.landmarks])
    assert (found.box[:2] + found.box[2:]) / 2 == pytest.approx(
        turned((face.box[:2] + face.box[2:]) / 2)
    )
    assert found.box[2:] - found.box[:2] == pytest.approx(face.box[2:] - face.box[:2])
