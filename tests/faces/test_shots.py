"""Cut detection on synthetic footage with known cuts."""

from __future__ import annotations

import numpy as np
import pytest

from lipsync.faces.shots import ShotMeter, find_cuts, shot_spans

RNG = np.random.default_rng(0)


def scene(seed: int) -> np.ndarray:
    """A blotchy image (90, 160, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 16, 3), dtype=np.uint8)
    return coarse.repeat(10, 0).repeat(10, 1)


def cuts(frames: list[np.ndarray]) -> list[int]:
    meter = ShotMeter()
    for frame in frames:
        meter.add(frame)
    assert len(meter.steps) == len(frames)
    return find_cuts(np.array(meter.steps))


def panned(picture: np.ndarray, count: int, speed: int) -> list[np.ndarray]:
    return [np.roll(picture, i * speed, 1) for i in range(count)]


def test_cuts_are_found_at_their_frames() -> None:
    frames = [scene(1)] * 12 + panned(scene(2), 9, 1) + [scene(3)] * 4
    assert cuts(frames) == [12, 21]
    assert shot_spans([12, 21], 25) == [(0, 12), (12, 21), (21, 25)]


@pytest.mark.parametrize("speed", [1, 3, 8])
def test_a_moving_camera_is_no_cut(speed: int) -> None:
    assert cuts(panned(scene(1), 30, speed)) == []


def test_a_flash_is_no_cut() -> None:
    still = scene(1)
    assert cuts([still] * 8 + [np.full_like(still, 255)] + [still] * 8) == []
    assert cuts([still] * 8 + [still // 4 + 191] * 3 + [still] * 8) == []


def test_a_camera_that_shakes_is_no_cut() -> None:
    frames = [scene(1)] * 8 + [np.roll(scene(1), 10, 1)] * 8
    assert cuts(frames) == []


def test_cuts_a_frame_or_two_apart() -> None:
    assert cuts([scene(1)] * 9 + [scene(2)] * 2 + [scene(3)] * 9) == [9, 11]
    assert cuts([scene(1)] * 9 + [scene(2)] + [scene(3)] * 9) == [9, 10]


def test_the_mirrored_angle_is_another_shot() -> None:
    assert cuts([scene(1)] * 9 + [scene(1)[:, ::-1]] * 9) == [9]


def noisy(frames: list[np.ndarray], gain: float) -> list[np.ndarray]:
    return [np.clip(f * gain + RNG.normal(0, 2, f.shape), 0, 255).astype(np.uint8) for f in frames]


def test_cuts_in_the_dark() -> None:
    frames = noisy([scene(1)] * 9 + [scene(2)] * 9, 0.08)
    assert max(frame.mean() for frame in frames) < 12
    assert cuts(frames) == [9]
    assert cuts(noisy([scene(1)] * 60, 0.03)) == []  # nearly nothing but noise


def mixed(before: np.ndarray, behind: np.ndarray, count: int) -> list[np.ndarray]:
    parts = np.arange(1, count + 1) / (count + 1)
    return [(before * (1 - part) + behind * part).astype(np.uint8) for part in parts]


@pytest.mark.parametrize("count", [4, 8, 16, 32])
@pytest.mark.parametrize("gain", [1, 0.15])
def test_a_dissolve_is_cut_in_its_middle(count: int, gain: float) -> None:
    frames = [scene(1)] * 30 + mixed(scene(1), scene(2), count) + [scene(2)] * 30
    (cut,) = cuts(noisy(frames, gain))
    assert abs(cut - 30 - count / 2) <= 1 + count / 8


def test_fades_through_black() -> None:
    black = np.zeros_like(scene(1))
    out, back = mixed(scene(1), black, 9), mixed(black, scene(2), 9)
    found = cuts([scene(1)] * 20 + out + [black] * 3 + back + [scene(2)] * 20)
    assert found
    assert all(20 < cut < 42 for cut in found)


def test_light_that_is_dimmed_is_no_dissolve() -> None:
    gains = np.interp(np.arange(80), [20, 40], [1, 0.2])
    assert cuts([(scene(1) * gain).astype(np.uint8) for gain in gains]) == []


def test_noise_and_a_change_of_light_are_no_cuts() -> None:
    noisy = [
        np.clip(scene(1) * (1 - 0.02 * i) + RNG.normal(0, 8, scene(1).shape), 0, 255)
        for i in range(25)
    ]
    assert cuts([frame.astype(np.uint8) for frame in noisy]) == []


def test_a_change_of_size_and_the_last_frame() -> None:
    large = scene(1).repeat(3, 0).repeat(3, 1)
    assert cuts([scene(1)] * 5 + [large] * 5) == []
    assert cuts([scene(1)] * 5 + [scene(2)]) == [5]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_frames(count: int) -> None:
    assert cuts([scene(1)] * count) == []
    assert shot_spans([], count) == ([(0, count)] if count else [])
