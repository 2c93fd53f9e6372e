"""When whole frames are searched for small faces; the detector records its calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import pytest

from data_prep.look import analyse_frames
from data_prep.options import Options
from lipsync.errors import ConfigError
from lipsync.faces.detect import Detection, Detector

MARKS = np.array([[-5, -5], [5, -5], [0, 0], [-4, 5], [4, 5]], np.float32)


class Asked(Detector):
    """Finds one face, and records the frames (by grey level) and known faces of each call."""

    name = "asked"

    def __init__(self) -> None:
        self.asked: list[tuple[int, int | None]] = []

    def detect(self, frame: np.ndarray) -> list[Detection]:
        raise AssertionError("small faces would be missed")

    def detect_all(
        self, frame: np.ndarray, known: Sequence[Detection] | None = None
    ) -> list[Detection]:
        self.asked.append((int(frame[0, 0, 0]), None if known is None else len(known)))
        return [Detection(np.array([10, 10, 40, 40], np.float32), 0.9, MARKS + 25)]


class Frames:
    def __init__(self, greys: list[int]) -> None:
        self.greys = greys

    def frames(self) -> Iterator[np.ndarray]:
        rng = np.random.default_rng(0)
        scenes = [cv2.resize(rng.integers(9, 256, (6, 6, 3), np.uint8), (128, 72)) for _ in "ab"]
        for grey in self.greys:
            frame = scenes[grey == 1].copy()
            frame[0, 0] = grey
            yield frame


def test_the_whole_is_searched_once_a_second_and_known_faces_are_followed_between() -> None:
    detector = Asked()
    analyse_frames(Frames(list(range(2, 62))), detector, 5)
    assert [n for n, known in detector.asked if known is None] == [2, 27, 52]
    # known from the last two looks, in case one of them missed the face
    assert [known for _, known in detector.asked[:4]] == [None, 1, 2, 2]


def test_the_whole_is_searched_after_the_picture_has_changed() -> None:
    detector = Asked()
    analyse_frames(Frames([0] * 7 + [1] * 8), detector, 5)
    assert detector.asked == [(0, None), (0, 1), (1, None), (1, 2)]


def test_which_faces_are_sought() -> None:
    assert Options().min_detection_height == Options(min_face=100).min_detection_height == 40
    assert Options(min_face=30).min_detection_height == 30
    assert Options(smallest_face=64).min_detection_height == 64
    with pytest.raises(ConfigError, match="smallest_face must be 20 or more, got 10"):
        Options(smallest_face=10)


def test_faces_are_looked_for_again_only_where_smaller_ones_are_sought() -> None:
    known = Options().fingerprints("file")
    assert Options(min_face=60).fingerprints("file")["look"] == known["look"]
    assert Options(min_face=30).fingerprints("file")["look"] != known["look"]
    assert Options(smallest_face=30).fingerprints("file")["look"] != known["look"]
