"""Squares that follow a face: training's framing, no lag, no shake, nothing across gaps."""

from fractions import Fraction

import numpy as np
from dubbing_media import BOX, FixedDetector, frame

from lipsync.dubbing.plan import moving_squares, plan_faces, spans
from lipsync.faces.crops import steady_box


def test_a_still_face_is_framed_as_in_training():
    plan = plan_faces((frame(k) for k in range(20)), FixedDetector(), Fraction(25))
    assert plan.boxes.shape == (20, 4)
    np.testing.assert_allclose(plan.boxes, np.tile(steady_box(BOX[None]), (20, 1)), atol=1e-4)


def test_squares_follow_without_lag_and_less_shakily_than_the_detector():
    rng = np.random.default_rng(0)
    path = 60 * np.sin(np.arange(200) / 40)
    boxes = BOX + path[:, None] * [1, 0, 1, 0] + rng.normal(0, 1.5, (200, 4))
    squares = moving_squares(boxes, 25)
    middle = (squares[:, 0] + squares[:, 2]) / 2 - (BOX[0] + BOX[2]) / 2
    inner = slice(20, -20)

    def error(shift: int) -> float:
        return float(np.abs(middle[inner] - np.roll(path, shift)[inner]).mean())

    assert min(range(-8, 9), key=error) == 0
    assert error(0) < 1.5
    assert np.diff(middle, 2)[inner].std() < 0.1 * np.diff(boxes[:, 0], 2)[inner].std()


def test_nothing_is_mixed_across_a_gap():
    boxes = np.tile(BOX, (60, 1))
    boxes[30:] += 100
    boxes[28:32] = np.nan
    squares = moving_squares(boxes, 25)
    assert np.isnan(squares[28:32]).all()
    np.testing.assert_allclose(squares[:28], np.tile(steady_box(BOX[None]), (28, 1)), atol=1e-3)
    later = np.tile(steady_box(BOX[None]) + 100, (28, 1))
    np.testing.assert_allclose(squares[32:], later, atol=1e-3)


def test_nothing_is_mixed_where_another_face_takes_over():
    boxes = np.tile(BOX, (60, 1))
    boxes[30:] += 60
    squares = moving_squares(boxes, 25)
    expected = np.tile(steady_box(BOX[None]), (60, 1))
    expected[30:] += 60
    np.testing.assert_allclose(squares, expected, atol=1e-3)


def test_spans():
    assert spans([]) == []
    assert spans([False, False]) == []
    assert spans([True, True, False, True]) == [(0, 2), (3, 4)]
