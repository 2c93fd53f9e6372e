"""Colour matching, seams, enhancers."""

import cv2
import numpy as np

from lipsync.dubbing.blend import match_colours, match_detail
from lipsync.dubbing.enhance import get_enhancer, sharpen
from lipsync.dubbing.seams import seam
from lipsync.faces.framing import box_transforms, get_framing

BOX = get_framing("box")


def tinted_face(size: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """A smooth face, and a generated one with another mouth and other colours."""
    y, x = np.mgrid[:size, :size] / size
    face = np.stack([0.5 + 0.2 * x, 0.4 + 0.2 * y, 0.4 + 0.1 * x * y], -1).astype(np.float32)
    made = face + np.array([0.08, 0.06, 0.03], np.float32) * (0.5 + y[..., None])
    made[60:72, 36:60] = [0.5, 0.1, 0.1]
    return np.rint(face * 255).astype(np.uint8), np.clip(made, 0, 1).astype(np.float32)


def test_colours_are_those_of_the_surround_and_the_mouth_stays():
    face, made = tinted_face()
    matched = match_colours(made, face, BOX.mask)
    around = np.abs(matched - face / 255)[50:86, 14:30]
    assert np.abs(made - face / 255)[50:86, 14:30].max() > 0.07
    assert around.max() < 0.02
    contrast = matched[66, 48] - matched[66, 26]
    np.testing.assert_allclose(contrast, (made[66, 48] - made[66, 26]), atol=0.05)
    np.testing.assert_allclose(
        match_colours(face / np.float32(255), face, BOX.mask), face / 255, atol=1e-6
    )


def test_background_beside_a_cheek_that_was_painted_wider_tints_nothing():
    face, made = tinted_face()
    before = match_colours(made, face, BOX.mask)[50:86, 30:66]
    face[40:, 72:] = 255  # white background where skin was generated
    matched = match_colours(made, face, BOX.mask)[50:86, 30:66]
    assert np.abs(matched - before).max() < 0.02


def detail(face: np.ndarray) -> float:
    """Of the chin, in units of the face."""
    return float(np.abs(np.diff(face[66:90, 20:76].astype(np.float32), axis=1)).mean())


def test_detail_is_that_of_the_references_and_no_more():
    rng = np.random.default_rng(0)
    grain = cv2.GaussianBlur(rng.normal(0, 40, (96, 96, 3)), (0, 0), 0.8)
    real = np.clip(128 + grain, 0, 255).astype(np.uint8)
    grained = [real, real[:, ::-1]]
    soft = cv2.GaussianBlur(real, (0, 0), 0.6).astype(np.float32) / 255
    wanted = detail(real) / 255
    assert detail(soft) < 0.8 * wanted
    matched = match_detail(soft, real, grained, BOX.mask)
    assert 0.9 * wanted < detail(matched) < 1.1 * wanted
    for crop, references in ((real, [np.full_like(real, 128)]), (np.full_like(real, 128), grained)):
        assert np.array_equal(match_detail(soft, crop, references, BOX.mask), soft)
    sharp = real.astype(np.float32) / 255  # equally sharp: unchanged
    np.testing.assert_allclose(match_detail(sharp, real, grained, BOX.mask), sharp, atol=1e-3)
    vague = cv2.GaussianBlur(real, (0, 0), 3).astype(np.float32) / 255
    assert detail(match_detail(vague, real, grained, BOX.mask)) < 1.6 * detail(vague)


def test_a_blend_has_no_seam_and_a_hard_paste_has():
    rng = np.random.default_rng(0)
    face, made = tinted_face(192)
    frame = np.clip(face + rng.normal(0, 3, face.shape), 0, 255).astype(np.uint8)
    (place,) = box_transforms(np.array([[10, 10, 182, 182]]))
    face, made = face[10:182, 10:182], made[10:182, 10:182]
    made[..., :] = np.clip(made + rng.normal(0, 3 / 255, made.shape), 0, 1)
    blended = BOX.paste(frame, match_colours(made, face, BOX.mask), place)
    hard = frame.copy()
    hard[96:182, 10:182] = np.rint(made * 255)[86:]
    assert seam(frame, frame, place, BOX.mask) == 1
    assert seam(frame, blended, place, BOX.mask) < 1.2
    assert seam(frame, hard, place, BOX.mask, along="box") > 2


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
