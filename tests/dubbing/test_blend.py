"""The mask and the paste: soft inside, exact outside, at sub-pixel boxes."""

import numpy as np
import pytest

from lipsync.dubbing.blend import match_colours, mouth_mask, paste
from lipsync.dubbing.enhance import get_enhancer, sharpen
from lipsync.dubbing.seams import seam

UNIT = (np.arange(200) + 0.5) / 200


def test_the_mask_is_soft_and_covers_the_lower_face_only():
    mask = mouth_mask(UNIT, UNIT)
    assert mask.min() == 0
    assert mask.max() == 1
    assert not mask[: int(0.44 * 200)].any()  # nothing above the nose tip
    assert not mask[[0, -1]].any()
    assert not mask[:, [0, -1]].any()
    assert mask[int(0.65 * 200), 100] == 1  # the mouth is all generated
    assert mask[int(0.95 * 200), int(0.05 * 200)] == 0  # corners under the jaw are not the face
    steps = np.abs(np.diff(mask, axis=0)).max(), np.abs(np.diff(mask, axis=1)).max()
    assert max(steps) < 0.1  # 0.5 % of the box never changes the weight by a tenth: no edge
    np.testing.assert_allclose(mask, mask[:, ::-1], atol=1e-5)


@pytest.mark.parametrize("box", [(20, 10, 80, 70), (20.3, 9.6, 78.1, 67.4), (-15, 40, 70, 125)])
def test_pixels_outside_the_mask_are_the_input(box):
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (90, 100, 3), dtype=np.uint8)
    before = frame.copy()
    out = paste(frame, np.ones((32, 32, 3), np.float32), np.array(box))
    np.testing.assert_array_equal(frame, before)
    y, x = np.mgrid[:90, :100] + 0.5
    u, v = (x - box[0]) / (box[2] - box[0]), (y - box[1]) / (box[3] - box[1])
    outside = (u <= 0.05) | (u >= 0.95) | (v <= 0.44) | (v >= 1)
    np.testing.assert_array_equal(out[outside], frame[outside])
    inside = (np.abs(u - 0.5) < 0.2) & (np.abs(v - 0.65) < 0.05)
    assert (out[inside] == 255).all()


def test_a_generated_picture_lands_where_its_crop_came_from():
    from lipsync.faces.crops import crop

    x, y = np.meshgrid(np.arange(84), np.arange(84))
    frame = np.stack([3 * x, 3 * y, 255 - 3 * x], -1).astype(np.uint8)  # a ramp shows any shift
    for box in [(10.0, 10, 74, 74), (2.7, 1.2, 82.1, 80.6), (20.5, 20.5, 52.5, 52.5)]:
        box = np.array(box)
        out = paste(frame, crop(frame, box, 64).astype(np.float32) / 255, box)
        assert np.abs(out.astype(int) - frame).max() <= 1  # a third of a pixel


def test_a_box_off_the_picture_changes_nothing():
    frame = np.full((50, 60, 3), 9, np.uint8)
    out = paste(frame, np.ones((8, 8, 3), np.float32), np.array([100, 10, 140, 50]))
    np.testing.assert_array_equal(out, frame)


def tinted_face(size: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """A smooth face, and a generated one: the same with another mouth, in other colours."""
    y, x = np.mgrid[:size, :size] / size
    face = np.stack([0.5 + 0.2 * x, 0.4 + 0.2 * y, 0.4 + 0.1 * x * y], -1).astype(np.float32)
    made = face + np.array([0.08, 0.06, 0.03], np.float32) * (0.5 + y[..., None])
    made[60:72, 36:60] = [0.5, 0.1, 0.1]
    return np.rint(face * 255).astype(np.uint8), np.clip(made, 0, 1).astype(np.float32)


def test_colours_are_those_of_the_surround_and_the_mouth_stays():
    face, made = tinted_face()
    matched = match_colours(made, face)
    around = np.abs(matched - face / 255)[50:86, 14:30]
    assert np.abs(made - face / 255)[50:86, 14:30].max() > 0.07
    assert around.max() < 0.02
    contrast = matched[66, 48] - matched[66, 26]
    np.testing.assert_allclose(contrast, (made[66, 48] - made[66, 26]), atol=0.05)
    np.testing.assert_allclose(match_colours(face / np.float32(255), face), face / 255, atol=1e-6)


def test_a_blend_has_no_seam_and_a_hard_paste_has():
    rng = np.random.default_rng(0)
    face, made = tinted_face(192)
    frame = np.clip(face + rng.normal(0, 3, face.shape), 0, 255).astype(np.uint8)
    square = np.array([10, 10, 182, 182])
    face, made = face[10:182, 10:182], made[10:182, 10:182]
    made[..., :] = np.clip(made + rng.normal(0, 3 / 255, made.shape), 0, 1)
    blended = paste(frame, match_colours(made, face), square)
    hard = frame.copy()
    hard[96:182, 10:182] = np.rint(made * 255)[86:]
    assert seam(frame, frame, square) == 1
    assert seam(frame, blended, square) < 1.2
    assert seam(frame, hard, square, along="box") > 2


def test_an_enhancer_sharpens_and_enlarges():
    _, made = tinted_face(48)
    out = sharpen(made[None])
    assert out.shape == (1, 96, 96, 3)
    assert out.min() >= 0
    assert out.max() <= 1
    steps, before = (np.abs(np.diff(p, axis=1)).max() for p in (out[0, ::2, ::2], made))
    assert steps > before
    assert get_enhancer("none") is None
    assert get_enhancer(sharpen) is sharpen
