from __future__ import annotations

import numpy as np
import pytest

from lipsync.faces.crops import crop, framed_face, square_box, steady_box


def inside(point: tuple[float, float], box: np.ndarray) -> bool:
    return box[0] < point[0] < box[2] and box[1] < point[1] < box[3]


def test_square_puts_the_mouth_below_and_the_nose_about_the_middle() -> None:
    # A face 100 wide, 140 high: CenterFace puts the nose tip at 0.58, the upper lip at 0.70 of it.
    box = square_box(np.array([100.0, 50, 200, 190]))
    assert box[2] - box[0] == pytest.approx(box[3] - box[1])
    middle = (box[1] + box[3]) / 2
    side = box[3] - box[1]
    assert abs(50 + 0.58 * 140 - middle) < 0.04 * side
    assert middle < 50 + 0.68 * 140  # the mask begins above the upper lip
    assert box[3] > 190  # below the chin
    assert box[0] < 100 < 200 < box[2]
    assert (box[0] + box[2]) / 2 == pytest.approx(150)


def test_a_still_head_gives_its_own_square() -> None:
    boxes = np.tile(np.array([100.0, 50, 200, 190]), (30, 1))
    assert np.allclose(steady_box(boxes), square_box(boxes[0]))
    assert np.allclose(steady_box(boxes[:1]), square_box(boxes[0]))


def test_strays_and_gaps_change_nothing() -> None:
    boxes = np.tile(np.array([100.0, 50, 200, 190]), (30, 1))
    boxes[3:5] = np.nan
    boxes[7] = [0, 0, 20, 20]
    assert np.allclose(steady_box(boxes), square_box(boxes[0]))
    with pytest.raises(ValueError, match="no frame has a face"):
        steady_box(np.full((3, 4), np.nan))


@pytest.mark.parametrize("sway", [(0, 25), (0, 60), (50, 0), (40, 40)])
def test_the_chin_stays_in_and_the_mouth_below_the_middle(sway: tuple[int, int]) -> None:
    phase = np.sin(np.linspace(0, 4 * np.pi, 100))[:, None]
    boxes = np.array([100.0, 150, 200, 290]) + phase * np.tile(sway, 2)
    box = steady_box(boxes)
    assert box[2] - box[0] == pytest.approx(box[3] - box[1], abs=1e-3)
    middle = (box[1] + box[3]) / 2
    lip = boxes[:, 1] + 0.70 * 140
    chins = [inside(((b[0] + b[2]) / 2, b[3]), box) for b in boxes]
    # a tenth of the frames may pass the limit, but not by much: the extremes of a sine are flat
    assert np.mean(chins) >= 0.9
    assert np.mean(lip > middle) >= 0.9


def test_crop_of_whole_pixels_is_a_copy() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    assert np.array_equal(crop(frame, np.array([10, 20, 42, 52]), 32), frame[20:52, 10:42])


def test_crop_shrinks_by_averaging() -> None:
    frame = np.zeros((64, 64, 3), np.uint8)
    frame[:, ::2] = 200  # stripes that sampling would alias
    small = crop(frame, np.array([0, 0, 64, 64]), 16)
    assert np.abs(small.astype(int) - 100).max() <= 1


def test_crop_at_fractions_of_a_pixel() -> None:
    ramp = np.tile(np.arange(100, dtype=np.uint8)[None, :, None], (100, 1, 3)) * 2
    # pixel i has the value 2 i at i + 0.5: position x has 2 x - 1
    cut = crop(ramp, np.array([10.25, 10, 42.25, 42]), 32).astype(float)
    assert np.abs(cut[5, :, 0] - (2 * (10.25 + np.arange(32) + 0.5) - 1)).max() <= 0.75
    half = crop(ramp, np.array([10.5, 10, 74.5, 74]), 32).astype(float)
    assert np.abs(half[5, :, 0] - (2 * (10.5 + 2 * np.arange(32) + 1) - 1)).mean() <= 0.3
    grown = crop(ramp, np.array([20, 20, 28, 28]), 32).astype(float)
    assert np.abs(grown[5, :, 0] - (2 * (20 + np.arange(32) / 4 + 0.125) - 1)).mean() <= 0.4


def test_crop_repeats_the_border_outside() -> None:
    frame = np.zeros((20, 20, 3), np.uint8)
    frame[:, 0], frame[:, -1] = 50, 250
    for size in (40, 20):
        cut = crop(frame, np.array([-10, -10, 30, 30]), size)
        quarter = size // 4
        assert (cut[:, : quarter - 1] == 50).all()
        assert (cut[:, -quarter + 1 :] == 250).all()
    far = crop(frame, np.array([100, 100, 140, 140]), 8)
    assert (far == 250).all()


def test_crop_to_a_rectangle_and_of_nothing() -> None:
    frame = np.zeros((20, 20, 3), np.uint8)
    assert crop(frame, np.array([0, 0, 10, 20]), (8, 12)).shape == (12, 8, 3)
    for box in ([5, 5, 5, 9], [0, 0, np.nan, 4], [9, 9, 1, 1]):
        with pytest.raises(ValueError, match="must have an area"):
            crop(frame, np.array(box), 8)


@pytest.mark.parametrize("side", [96, 128, 512])
def test_the_face_that_a_whole_picture_frames(side: int) -> None:
    box = framed_face(side)
    assert square_box(box) == pytest.approx(np.array([0, 0, side, side]), abs=1e-3)
    assert steady_box(np.stack([box] * 5)) == pytest.approx(np.array([0, 0, side, side]), abs=1e-3)
