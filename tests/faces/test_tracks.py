"""Tracking the main face, with scripted detectors."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from lipsync.faces.detect import Detection, Detector
from lipsync.faces.tracks import BoxTrack, detect_track, link, smooth_boxes

SIZE = (200, 100)  # width, height


def face(x: float, y: float, side: float = 30, score: float = 0.9) -> Detection:
    """A face about x, y, upright: eyes above the mouth."""
    box = np.array([x - side / 2, y - side / 2, x + side / 2, y + side / 2], np.float32)
    marks = np.array([[-5, -5], [5, -5], [0, 0], [-4, 5], [4, 5]]) + np.array([x, y])
    return Detection(box, score, marks.astype(np.float32))


class Scripted(Detector):
    """Reads the frame number from the pixels and looks it up in the script."""

    name = "scripted"

    def __init__(self, script: Callable[[int], list[Detection]]) -> None:
        self.script, self.asked = script, []

    def detect(self, frame: np.ndarray) -> list[Detection]:
        number = int(frame[0, 0, 0])
        self.asked.append(number)
        return self.script(number)


def frames(count: int) -> Iterator[np.ndarray]:
    return (np.full((SIZE[1], SIZE[0], 3), i, np.uint8) for i in range(count))


def centres(track: BoxTrack) -> np.ndarray:
    return (track.boxes[:, :2] + track.boxes[:, 2:]) / 2


def test_looks_every_stride_and_at_the_last_frame() -> None:
    detector = Scripted(lambda i: [face(50 + i, 40)])
    track = detect_track(frames(13), detector, stride=5)
    assert detector.asked == [0, 5, 10, 12]
    # a face that moves a pixel a frame: linear interpolation is exact
    assert np.allclose(centres(track), [[50 + i, 40] for i in range(13)], atol=1e-4)
    assert track.landmarks[7, 2] == pytest.approx([57, 40])
    assert track.has_face.all()
    assert track.faces == 1
    assert track.scores == pytest.approx(np.full(13, 0.9))


@pytest.mark.parametrize("count", [1, 2, 5, 6])
def test_short_videos_and_stills(count: int) -> None:
    track = detect_track(frames(count), Scripted(lambda i: [face(50, 40)]), stride=5)
    assert track.boxes.shape == (count, 4)
    assert track.has_face.all()


def test_no_face_and_no_frame() -> None:
    nothing = detect_track(frames(7), Scripted(lambda i: []))
    assert nothing.boxes.shape == (7, 4)
    assert np.isnan(nothing.boxes).all()
    assert not nothing.has_face.any()
    assert nothing.quarter_turns() == 0
    assert detect_track(iter([]), Scripted(lambda i: [])).boxes.shape == (0, 4)


def test_one_missed_look_is_bridged() -> None:
    track = detect_track(frames(21), Scripted(lambda i: [] if i == 10 else [face(50 + i, 40)]), 5)
    assert track.has_face.all()
    assert centres(track)[10] == pytest.approx([60, 40])


def test_the_larger_face_is_followed_from_end_to_end() -> None:
    """The order of the detections, and the small face's better score, must not matter."""

    def script(i: int) -> list[Detection]:
        both = [face(60 + i, 50, side=40, score=0.7), face(150 - i, 50, side=20, score=0.99)]
        return both if i % 2 else both[::-1]

    track = detect_track(frames(31), Scripted(script), 5)
    assert np.allclose(centres(track)[:, 0], 60 + np.arange(31), atol=1e-3)
    assert track.faces == 2


def test_of_two_equal_faces_the_central_one() -> None:
    track = detect_track(frames(11), Scripted(lambda i: [face(20, 50), face(105, 50)]), 5)
    assert centres(track)[0, 0] == pytest.approx(105)


def test_a_large_face_that_passes_by_is_not_the_main_one() -> None:
    def script(i: int) -> list[Detection]:
        passing = [face(160, 50, side=60)] if i in (10, 15) else []
        return [*passing, face(60, 50, side=40)]

    track = detect_track(frames(61), Scripted(script), 5)
    assert np.allclose(centres(track)[:, 0], 60)


def spans(seen: list[tuple[int, list[Detection]]]) -> list[list[float]]:
    """The x coordinates of each track's centres."""
    return [[float(d.box[::2].mean()) for d in track.detections] for track in link(seen, 5)]


def test_a_fast_face_is_one_track() -> None:
    """100 pixels wide, 13 per frame: a fifth overlap between looks."""
    seen = [(i, [face(100 + 13 * i, 50, side=100)]) for i in range(0, 60, 5)]
    assert [len(one) for one in spans(seen)] == [12]
    seen[4] = (20, [])  # and where one look misses it
    assert [len(one) for one in spans(seen)] == [11]


def test_faces_that_pass_each_other_keep_their_tracks() -> None:
    ways = [(i, [face(100 + 6 * i, 50, 100), face(400 - 6 * i, 60, 100)]) for i in range(0, 51, 5)]
    first, second = spans(ways)
    assert first == sorted(first)
    assert second == sorted(second, reverse=True)


def test_a_far_face_or_one_of_another_size_is_another() -> None:
    assert len(spans([(0, [face(50, 50, 30)]), (5, [face(85, 50, 30)])])) == 2
    assert len(spans([(0, [face(50, 50, 30)]), (5, [face(75, 50, 60)])])) == 2
    assert len(spans([(0, [face(50, 50, 30)]), (5, [face(75, 50, 30)])])) == 1


def test_a_face_is_not_followed_beyond_a_cut() -> None:
    def script(i: int) -> list[Detection]:
        return [face(40, 50)] if i < 30 else [face(160, 50)]

    alone = detect_track(frames(50), Scripted(script), 5)
    assert alone.has_face.tolist() == [i <= 27 for i in range(50)]


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_quarter_turns_set_a_face_upright(turns: int) -> None:
    """Landmarks of an image rotated clockwise by ``turns`` quarters."""
    angle = np.radians(90 * turns + 20)  # and a tilt of 20 degrees
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])

    def script(i: int) -> list[Detection]:
        upright = face(0, 0)
        marks = upright.landmarks @ turn.T + 50
        return [Detection(upright.box + 50, 0.9, marks.astype(np.float32))]

    assert detect_track(frames(3), Scripted(script)).quarter_turns() == turns


def test_smoothing_has_no_lag_and_keeps_gaps() -> None:
    rng = np.random.default_rng(0)
    boxes = np.cumsum(rng.normal(size=(40, 4)), 0).astype(np.float32)
    boxes[17:20] = np.nan
    before = boxes.copy()
    smooth = smooth_boxes(boxes, radius=2)
    for i in range(40):
        near = boxes[max(0, i - 2) : i + 3]
        expected = np.nanmean(near, 0) if np.isfinite(boxes[i, 0]) else np.full(4, np.nan)
        assert np.allclose(smooth[i], expected, atol=1e-4, equal_nan=True)
    assert np.array_equal(boxes, before, equal_nan=True)
    ramp = np.arange(20, dtype=np.float32)[:, None].repeat(4, 1)
    assert np.allclose(smooth_boxes(ramp)[2:-2], ramp[2:-2])


def test_frames_are_looked_at_at_once_and_give_the_same_track() -> None:
    inside, most, lock = 0, 0, threading.Lock()

    def script(number: int) -> list[Detection]:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        time.sleep(0.02 if number % 10 else 0.05)  # earlier frames do not finish first
        with lock:
            inside -= 1
        return [face(50 + number, 40)]

    alone, together = Scripted(script), Scripted(script)
    together.at_once = 3
    expected = detect_track(frames(33), alone, stride=5)
    assert most == 1
    found = detect_track(frames(33), together, stride=5)
    assert most == 3
    np.testing.assert_array_equal(found.boxes, expected.boxes)
    assert detect_track(frames(0), together).boxes.shape == (0, 4)
