"""Image measures: each number responds to its own fault, and not to others."""

import cv2
import numpy as np
import pytest

from lipsync.faces.framing import Framing, box_transforms
from lipsync.metrics.appearance import BANDS, FaceAppearance, detail_bands, mouth_contrast
from lipsync.sample.corpus import make_clip
from lipsync.sample.head import HeadRenderer, random_motion
from lipsync.sample.looks import random_look

SIDE, FRAMES = 96, 12


def skin(seed: int = 0) -> np.ndarray:
    """Detail of all sizes, float32 (S, S)."""
    rng = np.random.default_rng(seed)
    sizes = (0.6, 1.2, 2.5, 5.0)
    parts = [cv2.GaussianBlur(rng.normal(size=(SIDE, SIDE)), (0, 0), s) * 14 * s for s in sizes]
    return (128 + sum(parts)).astype(np.float32)


def numbers(frames: list[np.ndarray]) -> dict[str, float]:
    appearance = FaceAppearance()
    for frame in frames:
        picture = np.clip(np.rint(frame), 0, 255).astype(np.uint8)
        appearance.add(np.repeat(picture[..., None], 3, axis=-1))
    return appearance.numbers(np.zeros(640 * len(frames), np.float32))


def test_each_blur_takes_the_bands_that_it_is_wide_enough_for():
    face = skin()
    fine, wide = (detail_bands(cv2.GaussianBlur(face, (0, 0), s)) for s in (0.7, 2.0))
    real = detail_bands(face)
    assert fine["detail_fine"] < 0.5 * real["detail_fine"]
    assert fine["detail_coarse"] > 0.9 * real["detail_coarse"]
    assert wide["detail_middle"] < 0.5 * real["detail_middle"]
    noisy = detail_bands(face + np.random.default_rng(1).normal(0, 6, face.shape).astype("f4"))
    assert noisy["detail_fine"] > 1.3 * real["detail_fine"]
    assert noisy["detail_coarse"] == pytest.approx(real["detail_coarse"], rel=0.1)
    assert max(detail_bands(np.full((20, 20), 9.0, np.float32)).values()) < 1e-5


def test_flicker_is_blind_to_what_moves():
    face = skin()
    moving = [np.roll(face, k, axis=1)[:, 12:-12] for k in range(FRAMES)]
    moving = [cv2.resize(frame, (SIDE, SIDE)) for frame in moving]
    still = [face] * FRAMES
    noise = [np.random.default_rng(k).normal(0, 4, face.shape) for k in range(FRAMES)]
    flickering = [frame + grain for frame, grain in zip(still, noise, strict=True)]
    pumping = [face + 6 * (k % 2) for k in range(FRAMES)]
    calm, moved = numbers(still), numbers(moving)
    assert calm["flicker"] == 0
    assert moved["jitter"] > 3  # it does respond to jitter
    assert moved["flicker"] < 1.5
    assert numbers(flickering)["flicker"] > 2 * moved["flicker"]
    assert numbers(pumping)["flicker"] > 2 * moved["flicker"]


def test_teeth_give_the_mouth_contrast():
    closed = np.full((SIDE, SIDE), 120.0, np.float32)
    open_mouth, smeared = closed.copy(), closed.copy()
    open_mouth[64:74, 36:60] = 40
    open_mouth[64:68, 40:56] = 220
    smeared[64:74, 36:60] = open_mouth[64:74, 36:60].mean()
    assert mouth_contrast(closed) == 0
    assert mouth_contrast(smeared) < 0.5 * mouth_contrast(open_mouth)


def test_a_single_frame_has_no_flicker():
    found = numbers([skin()])
    assert {*BANDS, "sharpness", "seam", "mouth_contrast"} == found.keys()


@pytest.fixture(scope="module", params=range(2))
def head(request) -> list[np.ndarray]:
    """A synthetic head that speaks and moves, float32 (S, S, 3), cropped to its face."""
    speaker = request.param
    mouths = make_clip(0, speaker, 0, 1.0, 240).mouth[:FRAMES]
    setting, motion = (np.random.default_rng([0, k, speaker]) for k in range(2))
    renderer = HeadRenderer(random_look(0, speaker), setting, 240)
    states = random_motion(motion, len(mouths))
    (place,) = box_transforms(np.array([[56, 70, 184, 198]]))
    rendered = [renderer.render(*both, (0, 0)) for both in zip(mouths, states, strict=True)]
    return [Framing.cut(frame, place, SIDE).astype(np.float32) for frame in rendered]


def seen(frames: list[np.ndarray], fault) -> dict[str, float]:
    appearance = FaceAppearance()
    for k, frame in enumerate(frames):
        appearance.add(np.clip(np.rint(fault(frame, k)), 0, 255).astype(np.uint8))
    return appearance.numbers(np.zeros(640 * len(frames), np.float32))


@pytest.mark.parametrize(
    ("name", "fault", "grows"),
    [
        ("detail_fine", lambda f, k, much: cv2.GaussianBlur(f, (0, 0), 0.3 + much), False),
        ("detail_middle", lambda f, k, much: cv2.GaussianBlur(f, (0, 0), 0.5 + 2 * much), False),
        ("mouth_contrast", lambda f, k, much: cv2.GaussianBlur(f, (0, 0), 1 + 4 * much), False),
        ("flicker", lambda f, k, much: f + 8 * much * noise(k), True),
        ("flicker", lambda f, k, much: f * (1 + 0.1 * much * (k % 2)), True),
    ],
    ids=["fine blur", "blur", "smeared teeth", "boiling texture", "pumping light"],
)
def test_faults_of_a_head_are_ranked(head, name, fault, grows):
    """With no, some, more and much of a fault, the numbers are in this order."""
    found = [seen(head, lambda f, k: f)[name]]
    for much in (0.25, 0.5, 1.0):
        found.append(seen(head, lambda f, k, much=much: fault(f, k, much))[name])
    assert found == sorted(found, reverse=not grows)
    assert abs(found[-1] / found[0] - 1) > 0.2


def noise(k: int) -> np.ndarray:
    return np.random.default_rng(k).normal(size=(SIDE, SIDE, 1))
