from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage import data

from data_prep.quality import fine_detail, level, outside, turn

FACE = data.astronaut()
BOX = np.array([165, 60, 285, 200], np.float32)  # hairline to chin


def test_sharpness_falls_with_blur_and_not_with_size_or_light() -> None:
    values = [fine_detail(cv2.GaussianBlur(FACE, (0, 0), s), BOX) for s in (0.1, 1, 2, 4, 8)]
    assert values == sorted(values, reverse=True)
    assert values[0] > 20 * values[-1]
    dim = (FACE * 0.4 + 30).astype(np.uint8)
    assert fine_detail(dim, BOX) == pytest.approx(values[0], rel=0.1)
    large = cv2.resize(FACE, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    assert fine_detail(large, 2 * BOX) == pytest.approx(values[0], rel=0.15)
    assert fine_detail(np.zeros_like(FACE), BOX) == 0
    assert fine_detail(FACE, np.zeros(4, np.float32)) == 0


@pytest.mark.parametrize("roll", [0, 30, 90])
@pytest.mark.parametrize("yaw", [-60, 0, 20, 45, 70])
def test_turn_of_a_head_in_three_dimensions(yaw: int, roll: int) -> None:
    """A nose half the interocular distance in front of the plane of eyes and mouth."""
    points = np.array([[-1, -1, 0], [1, -1, 0], [0, 0, 1.0], [-0.7, 1, 0], [0.7, 1, 0]])
    a, b = np.radians(yaw), np.radians(roll)
    x = points[:, 0] * np.cos(a) + points[:, 2] * np.sin(a)
    flat = np.stack([x, points[:, 1]], 1)
    flat = flat @ np.array([[np.cos(b), np.sin(b)], [-np.sin(b), np.cos(b)]]) * 40 + 200
    expected = abs(np.tan(a))  # of the nose, sin(a) off the middle of eyes 2 cos(a) apart
    assert turn(np.stack([flat, flat])) == pytest.approx(expected, abs=1e-6)


def test_turn_of_unknown_landmarks() -> None:
    assert turn(np.full((3, 5, 2), np.nan, np.float32)) == 0


def test_outside() -> None:
    assert outside(np.array([10, 10, 20, 20]), (100, 50)) == 0
    assert outside(np.array([-5, 10, 5, 20]), (100, 50)) == pytest.approx(0.5)
    assert outside(np.array([90, 40, 110, 60]), (100, 50)) == pytest.approx(0.75)
    assert outside(np.array([200, 10, 210, 20]), (100, 50)) == 1


def test_level() -> None:
    wave = np.zeros(16000, np.float32)
    assert level(wave) == level(wave[:0]) == -120
    wave[4800:6400] = 0.1  # a tenth of a second
    assert level(wave) == pytest.approx(-20)
