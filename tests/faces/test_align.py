from __future__ import annotations

import numpy as np
import pytest

from lipsync.faces.align import TEMPLATE, aligned_transforms, crop_aligned
from lipsync.faces.crops import crop


def placed(turn: float, scale: float, x: float, y: float) -> np.ndarray:
    """The template (5, 2) turned by degrees, scaled to pixels, and moved."""
    a = np.radians(turn)
    rotation = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    return TEMPLATE @ rotation.T * scale + [x, y]


def at(transform: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ transform[:, :2].T + transform[:, 2]


@pytest.mark.parametrize(
    "place", [(0, 96, 0, 0), (25, 240, 100, 40), (-170, 50, 30, 200), (90, 96.5, -40.25, 10)]
)
def test_landmarks_come_to_lie_on_the_template(place: tuple) -> None:
    marks = placed(*place)
    (transform,) = aligned_transforms(marks[None])
    assert at(transform, TEMPLATE) == pytest.approx(marks, abs=1e-3)


def test_the_nearest_similarity_where_none_fits() -> None:
    """Against a plain least-squares solution in the four unknowns."""
    marks = placed(10, 130, 20, 30) + np.random.default_rng(0).normal(0, 4, (5, 2))
    (transform,) = aligned_transforms(marks[None])
    u, v = TEMPLATE.T.astype(float)
    one, none = np.ones(5), np.zeros(5)
    rows = np.concatenate([np.stack([u, -v, one, none], 1), np.stack([v, u, none, one], 1)])
    a, b, x, y = np.linalg.lstsq(rows, marks.T.ravel(), rcond=None)[0]
    assert transform == pytest.approx(np.array([[a, -b, x], [b, a, y]]), abs=1e-3)


def test_a_trembling_detector_is_smoothed_without_a_lag() -> None:
    moves = np.stack([placed(0, 100, 3 * i, 0) for i in range(40)])  # 3 pixels a frame
    trembling = moves + np.random.default_rng(0).normal(0, 2, moves.shape)
    smooth = aligned_transforms(trembling)[:, 0, 2]
    raw = aligned_transforms(trembling, radius=0)[:, 0, 2]
    true = aligned_transforms(moves, radius=0)[:, 0, 2]
    inner = slice(5, -5)
    assert np.abs(smooth - true)[inner].mean() < 0.5 * np.abs(raw - true)[inner].mean()
    assert abs((smooth - true)[inner].mean()) < 0.5


@pytest.mark.parametrize("scale", [40, 96, 300])
def test_what_was_at_a_landmark_is_where_the_template_says(scale: float) -> None:
    """Five bright spots in a frame, mapped into the crop and back."""
    marks = placed(20, scale, 150, 120)
    y, x = np.mgrid[:480, :640] + 0.5
    away = np.stack([np.hypot(x - mx, y - my) for mx, my in marks]) / (0.04 * scale)
    frame = np.uint8(250 * np.exp(-(away**2)).max(axis=0))[..., None].repeat(3, axis=2)
    (transform,) = aligned_transforms(marks[None])
    cut = crop_aligned(frame, transform, 128)[..., 0].astype(float)
    v, u = np.mgrid[:128, :128] + 0.5
    for (tu, tv), mark in zip(128 * TEMPLATE, marks, strict=True):
        weight = cut * (np.hypot(u - tu, v - tv) < 9)
        found = np.array([(weight * u).sum(), (weight * v).sum()]) / weight.sum()
        assert np.hypot(*(found - (tu, tv))) < 0.5
        assert np.hypot(*(at(transform, found[None] / 128)[0] - mark)) < max(1, 0.01 * scale)


def test_without_a_turn_it_is_the_box_crop() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    same = np.array([[32, 0, 10], [0, 32, 20]])
    assert np.array_equal(crop_aligned(frame, same, 32), frame[20:52, 10:42])
    y, x = np.mgrid[:60, :80]
    plain = np.stack([2 * x, 3 * y, x + y], 2).astype(np.uint8)
    half = np.array([[48, 0, 4], [0, 48, 6]])
    box = crop(plain, np.array([4, 6, 52, 54]), 24).astype(int)
    assert np.abs(crop_aligned(plain, half, 24) - box).max() <= 1
    corner = crop_aligned(frame, np.array([[32, 0, -20], [0, 32, -20]]), 32)
    assert (corner[:20, :20] == frame[0, 0]).all()


def test_landmarks_that_cannot_be_used() -> None:
    with pytest.raises(ValueError, match="known in every frame"):
        aligned_transforms(np.full((2, 5, 2), np.nan))
    with pytest.raises(ValueError, match="one point"):
        aligned_transforms(np.ones((2, 5, 2)))
