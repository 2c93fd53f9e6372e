"""Framings: position of crops, cropping, and pasting a face back."""

import cv2
import numpy as np
import pytest
import torch

from lipsync.errors import ConfigError
from lipsync.faces.crops import crop, steady_box
from lipsync.faces.framing import FRAMINGS, box_transforms, covering_box, get_framing

BOX = np.array([60, 40, 140, 150], np.float32)
# An upright face in that box: eyes, nose tip, corners of the mouth.
MARKS = np.array([[80, 75], [120, 75], [100, 100], [84, 121], [116, 121]], np.float64)
ALIGNED = ("aligned", "aligned_tight", "aligned_jaw")


def turned(points: np.ndarray, degrees: float, middle=(100, 100)) -> np.ndarray:
    """Points of an image rotated clockwise about its centre."""
    a = np.radians(degrees)
    rotation = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    return (points - middle) @ rotation.T + middle


def similarity(degrees: float, side: float, x: float, y: float) -> np.ndarray:
    """The transform of a crop of this size centred on x, y."""
    a = np.radians(degrees)
    linear = side * np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    return np.column_stack([linear, [x, y] - linear @ [0.5, 0.5]])


def smooth_picture(height: int, width: int, grain: int = 8) -> np.ndarray:
    """Random colours without fine detail, so that resampling loses little."""
    coarse = np.random.default_rng(0).integers(0, 256, (height // grain, width // grain, 3))
    return cv2.resize(coarse.astype(np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)


def fine_detail(picture: np.ndarray) -> float:
    """Variance of the Laplacian."""
    return float(cv2.Laplacian(picture.astype(np.float32), cv2.CV_32F).var())


# ---------------------------------------------------------------- position of crops


def test_names() -> None:
    assert list(FRAMINGS) == ["box", "aligned", "aligned_tight", "aligned_jaw", "following"]
    assert [name for name in FRAMINGS if get_framing(name).needs_landmarks] == list(ALIGNED)
    assert all(get_framing(name).name == name for name in FRAMINGS)
    with pytest.raises(ConfigError, match="no framing is named 'round'; there are box, aligned, "):
        get_framing("round")


def test_the_box_is_the_steady_square_for_all_frames() -> None:
    boxes = np.stack([BOX, BOX + 4, np.full(4, np.nan), BOX - 3])
    found = get_framing("box").transforms(boxes)
    x0, y0, x1, y1 = steady_box(boxes).astype(float)
    assert found.shape == (4, 2, 3)
    assert np.array_equal(found, np.tile([[x1 - x0, 0, x0], [0, y1 - y0, y0]], (4, 1, 1)))
    assert np.array_equal(covering_box(found[2]), [x0, y0, x1, y1])


@pytest.mark.parametrize("name", ALIGNED)
@pytest.mark.parametrize("degrees", [0, 35, -60, 170])
def test_a_rolled_face_is_upright_in_its_crop(name: str, degrees: float) -> None:
    """Rotating the image rotates the transform, about the same centre and at the same scale."""
    framing = get_framing(name)
    (upright,) = framing.transforms(BOX[None], MARKS[None])
    (found,) = framing.transforms(BOX[None], turned(MARKS, degrees)[None])
    corners = np.array([[0, 0, 1], [1, 0, 1], [0, 1, 1], [1, 1, 1]])
    assert corners @ found.T == pytest.approx(turned(corners @ upright.T, degrees), abs=1e-3)
    assert abs(upright[1, 0]) < 1e-6


def test_the_tight_crop_has_its_pixels_at_the_mouth() -> None:
    framing = get_framing("aligned_tight")
    (m,) = framing.transforms(BOX[None], framing.template[None] * 200 + 30)
    left_eye, right_eye, _, left, right = (framing.template * 200 + 30 - m[:, 2]) / m[0, 0]
    assert right[0] - left[0] >= 0.35
    # steady_box: in a box of height 1/0.96 the lip is at 0.68 of it, the chin at its end
    lip, chin = (1.3 * ((at - 0.6) / 0.96 + 0.5 - 0.59) + 0.55 for at in (0.68, 1.0))
    assert 0.5 < lip < left[1] == pytest.approx(right[1], abs=1e-3)
    assert chin < 1
    assert (left_eye > 0.05).all()
    assert (right_eye[0] < 0.95) & (right_eye[1] > 0.05)


@pytest.mark.parametrize("name", ["aligned", "aligned_tight", "aligned_jaw", "following"])
def test_frames_without_a_face_lie_between_their_neighbours(name: str) -> None:
    boxes, marks = np.tile(BOX, (21, 1)), np.tile(MARKS, (21, 1, 1))
    boxes[11:] += 40
    marks[11:] += 40
    boxes[10], marks[10] = np.nan, np.nan
    found = get_framing(name).transforms(boxes, marks, radius=0)
    assert np.isfinite(found).all()
    if name != "following":  # whose median smooths it
        assert found[10] == pytest.approx((found[9] + found[11]) / 2)


def test_the_published_square_follows_the_face() -> None:
    """x 1.4, from the top of the box downwards, through a median of 13 frames."""
    rng = np.random.default_rng(0)
    boxes = BOX + np.cumsum(rng.normal(0, 3, (30, 1)), axis=0) + rng.normal(0, 2, (30, 4))
    found = get_framing("following").transforms(boxes)
    near = boxes[10 - 6 : 10 + 7]
    half = np.median(np.maximum(near[:, 2] - near[:, 0], near[:, 3] - near[:, 1])) / 2
    x, y = np.median((near[:, :2] + near[:, 2:]) / 2, axis=0)
    expected = [x - 1.4 * half, y - half, x + 1.4 * half, y + 1.8 * half]
    assert covering_box(found[10]) == pytest.approx(np.array(expected))
    first = np.concatenate([np.repeat(boxes[:1], 6, axis=0), boxes[:7]])
    assert found[0, 0, 2] == pytest.approx(
        np.median((first[:, 0] + first[:, 2]) / 2)
        - 0.7 * np.median(np.maximum(first[:, 2] - first[:, 0], first[:, 3] - first[:, 1]))
    )


@pytest.mark.parametrize("name", FRAMINGS)
def test_faces_that_are_not_there_and_landmarks_that_are_missing(name: str) -> None:
    framing = get_framing(name)
    with pytest.raises(ValueError, match="no frame has a face"):
        framing.transforms(np.full((3, 4), np.nan), np.full((3, 5, 2), np.nan))
    if framing.needs_landmarks:
        marks = np.stack([MARKS, np.full((5, 2), np.nan)])
        for given in (None, marks):
            with pytest.raises(ValueError, match=f"framing {name} needs landmarks"):
                framing.transforms(np.stack([BOX, BOX]), given)
    else:
        assert framing.transforms(np.stack([BOX, BOX])).shape == (2, 2, 3)


# ---------------------------------------------------------------- cut, hide


@pytest.mark.parametrize("box", [(20, 10, 80, 70), (20.3, 9.6, 120.1, 109.4), (-15, 40, 70, 125)])
def test_a_box_is_cut_as_ever(box: tuple) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (150, 160, 3), dtype=np.uint8)
    (transform,) = box_transforms(np.array([box]))
    found = get_framing("box").cut(frame, transform, 48)
    assert np.array_equal(found, crop(frame, np.array(box), 48))


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_quarter_turns_are_exact(degrees: int) -> None:
    """The crop of a face on its side equals that of the image rotated back."""
    frame = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    found = get_framing("aligned").cut(frame, similarity(degrees, 64, 32, 32), 64)
    assert np.array_equal(found, np.rot90(frame, degrees // 90))


@pytest.mark.parametrize("kind", [np.array, torch.tensor])
def test_the_lower_half_is_hidden_in_a_copy(kind) -> None:
    faces = kind(np.ones((2, 3, 6, 4), np.float32))
    hidden = get_framing("box").hide(faces)
    assert hidden[:, :, :3].sum() == 2 * 3 * 3 * 4
    assert hidden[:, :, 3:].sum() == 0
    assert faces.sum() == 2 * 3 * 6 * 4


# ---------------------------------------------------------------- the mask, paste


@pytest.mark.parametrize("name", FRAMINGS)
def test_the_mask_is_soft_and_covers_the_lower_face_only(name: str) -> None:
    mask, unit = get_framing(name).mask, (np.arange(200) + 0.5) / 200
    weights = mask.weights(unit[None], unit[:, None])
    assert (weights.min(), weights.max()) == (0, 1)
    nose_tip = 0.3 if name == "aligned_jaw" else 0.42
    assert not weights[: int(nose_tip * 200)].any()
    edge = mask.weights(np.array([[0, 1, *unit]]), np.array([[0], [1], *unit[:, None]]))
    assert not edge[:2].any()
    assert not edge[:, :2].any()
    assert weights[int(0.61 * 200), 100] == 1  # the mouth is entirely generated
    assert weights[int(0.95 * 200), int(0.05 * 200)] == 0  # corners below the jaw are not face
    steps = np.abs(np.diff(weights, axis=0)).max(), np.abs(np.diff(weights, axis=1)).max()
    assert max(steps) < 0.1  # 0.5 % of the crop never changes the weight by a tenth: no edge
    np.testing.assert_allclose(weights, weights[:, ::-1], atol=1e-5)


def test_all_of_the_tight_mouth_is_painted() -> None:
    framing = get_framing("aligned_tight")
    (left, y), (right, _) = framing.template[3:]
    across, down = np.linspace(left - 0.02, right + 0.02, 30), np.linspace(0.52, y + 0.12, 30)
    assert (framing.mask.weights(across[None], down[:, None]) > 0.99).all()


PLACES = [
    ("box", (0, 60, 50, 40)), ("box", (0, 57.8, 49.2, 38.5)), ("box", (0, 85, 27, 60)),
    ("aligned", (35, 60, 50, 45)), ("aligned_tight", (-50, 44.5, 40, 45)),
    ("aligned", (180, 50, 60, 40)), ("aligned_tight", (35, 90, 10, 80)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "place"), PLACES)
def test_pixels_outside_the_mask_are_the_input(name: str, place: tuple) -> None:
    framing, transform = get_framing(name), similarity(*place)
    frame = np.random.default_rng(0).integers(0, 256, (90, 100, 3), dtype=np.uint8)
    before = frame.copy()
    out = framing.paste(frame, np.ones((32, 32, 3), np.float32), transform)
    assert np.array_equal(frame, before)
    y, x = np.mgrid[:90, :100] + 0.5
    points = np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    u, v = (np.linalg.inv(np.vstack([transform, [0, 0, 1]])) @ points)[:2].reshape(2, 90, 100)
    outside = (u <= 0.01) | (u >= 0.99) | (v <= framing.mask.top[0] - 0.01) | (v >= 1)
    assert np.array_equal(out[outside], frame[outside])
    inside = (np.abs(u - 0.5) < 0.2) & (np.abs(v - 0.65) < 0.05)
    assert inside.any()
    assert (out[inside] == 255).all()
    seen = framing.mask.weights(u, v)[..., None]
    assert np.abs(out - (frame + seen * (255.0 - frame))).max() <= 1.5


@pytest.mark.parametrize(("name", "place"), PLACES)
def test_a_crop_goes_back_to_where_it_came_from(name: str, place: tuple) -> None:
    """A ramp reveals any shift: a third of a pixel is one level."""
    x, y = np.meshgrid(np.arange(100), np.arange(90))
    frame = np.stack([2.5 * x, 2.7 * y, 1.3 * (x + y)], -1).astype(np.uint8)
    framing, transform = get_framing(name), similarity(*place)
    inside = covering_box(transform)
    face = framing.cut(frame, transform, 128).astype(np.float32) / 255
    out = framing.paste(frame, face, transform)
    if (inside[:2] >= 0).all() and (inside[2:] <= [100, 90]).all():
        assert np.abs(out.astype(int) - frame).max() <= 2
    else:  # the replicated border is not visible
        assert np.abs(out.astype(int) - frame).mean() < 0.5


@pytest.mark.parametrize("name", ALIGNED)
def test_a_tilted_face_survives_the_round_trip(name: str) -> None:
    """A 128 px crop of a face 150 px wide, rolled by 35 degrees."""
    frame = smooth_picture(288, 360)
    marks = turned((MARKS - 100) * 2 + [180, 140], 35, (180, 140))
    (transform,) = get_framing(name).transforms(BOX[None], marks[None])
    face = get_framing(name).cut(frame, transform, 128).astype(np.float32) / 255
    error = get_framing(name).paste(frame, face, transform).astype(float) - frame
    assert np.abs(error).mean() < 0.5
    assert np.percentile(np.abs(error), 99.5) < 10


def test_a_crop_off_the_picture_changes_nothing() -> None:
    frame = np.full((50, 60, 3), 9, np.uint8)
    for degrees in (0, 40):
        face = np.ones((8, 8, 3), np.float32)
        out = get_framing("aligned").paste(frame, face, similarity(degrees, 40, 120, 30))
        assert np.array_equal(out, frame)


@pytest.mark.parametrize("degrees", [3, 40])
def test_there_and_back_a_picture_keeps_its_sharpness(degrees: float) -> None:
    framing, frame = get_framing("aligned_jaw"), smooth_picture(200, 200, grain=2)
    place = similarity(degrees, 110, 100, 100)
    crop = framing.cut(frame, place, 128)
    back = framing.paste(frame, crop.astype(np.float32) / 255, place)
    there = np.s_[102:130, 85:115]  # where the mask is 1
    assert (back[there] != frame[there]).mean() > 0.5
    assert 0.85 < fine_detail(back[there]) / fine_detail(frame[there]) < 1.1
