"""One person or two, on synthetic heads that speak and turn."""

from __future__ import annotations

import numpy as np
import pytest

from lipsync.faces.detect import CenterFace
from lipsync.faces.identity import describe, find_changes
from lipsync.sample.corpus import make_clip


@pytest.fixture(scope="module")
def people() -> list[list[np.ndarray]]:
    """Two people, described on every fifth of fifty frames."""
    detector, found = CenterFace(threads=1), []
    for person in range(2):
        frames = list(make_clip(1, person, 0, 2.0, 160).frames)[::5]
        faces = [detector.detect(frame)[0] for frame in frames]
        found.append([describe(*pair) for pair in zip(frames, [f.landmarks for f in faces])])  # noqa: B905
    return found


def test_a_planted_swap_is_found(people: list[list[np.ndarray]]) -> None:
    one, other = people
    assert find_changes(one) == find_changes(other) == []
    assert find_changes([*one[:6], *other[6:]]) == [6]
    assert find_changes([*one[:3], *other[3:7], *one[7:]]) == [3, 7]


def test_looks_without_landmarks_do_not_count(people: list[list[np.ndarray]]) -> None:
    one, other = people
    assert find_changes([*one[:4], None, *other[5:]]) == [5]
    assert find_changes([None, None]) == find_changes([]) == find_changes([one[0]]) == []
    frame = np.zeros((50, 50, 3), np.uint8)
    assert describe(frame, np.full((5, 2), np.nan)) is None
    assert describe(frame, np.ones((5, 2))) is None
    assert describe(frame, np.random.default_rng(0).uniform(10, 40, (5, 2))).shape == (324,)


def test_light_and_size_are_no_other_face(people: list[list[np.ndarray]]) -> None:
    frame = next(iter(make_clip(1, 0, 0, 2.0, 160).frames))
    marks = CenterFace(threads=1).detect(frame)[0].landmarks
    dark = (frame * 0.4).astype(np.uint8)
    large = frame.repeat(2, 0).repeat(2, 1)
    looks = [describe(frame, marks)] * 3 + [describe(dark, marks), describe(large, 2 * marks)] * 2
    assert find_changes(looks) == []
