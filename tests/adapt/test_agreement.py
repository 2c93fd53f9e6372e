"""Agreement of pieces on an audio offset, and its correction."""

import numpy as np
import pytest

from lipsync.adapt.agreement import agreed_offset, move_sound
from lipsync.data.store import open_clip, write_clip


@pytest.mark.parametrize(
    ("offsets", "agreed"),
    [
        ([-2, -2, -2], -2),
        ([-3, -2, -2, -2], -2),
        ([2, 1, 2, 1, 1, -7], 1),
        ([0, 0], None),  # two of two agree by chance one time in ten
        ([-7, 3, 12, 5, -1], None),
        ([5, -9, 5, 14, -3, 9], None),
        ([], None),
    ],
)
def test_pieces_agree_where_chance_would_not(offsets, agreed):
    assert agreed_offset(offsets, [0.1] * len(offsets)) == agreed


def test_unrelated_sound_seldom_agrees():
    rng = np.random.default_rng(0)
    tries = [agreed_offset(rng.integers(-15, 16, 8), rng.random(8)) for _ in range(1000)]
    assert sum(found is not None for found in tries) < 60


@pytest.mark.parametrize("offset", [3, -3])
def test_moved_sound_lies_beside_its_frame(tmp_path, offset):
    count = 20
    faces = np.zeros((count, 8, 8, 3), np.uint8)
    faces[:] = np.arange(count)[:, None, None, None]
    # frame i gets the sound of frame i - offset: the pitch of each second encodes its number
    wave = np.repeat((np.arange(count) + offset) / 100, 640).astype(np.float32)
    info = {"start": 50, "boxes": [[i] * 4 for i in range(count)]}
    write_clip(tmp_path, "a/1", faces=faces, wave=wave, info=info)

    moved = move_sound(tmp_path, open_clip(tmp_path, "a/1"), offset)

    assert len(moved) == count - 3
    beside = moved.wave.reshape(-1, 640).mean(axis=1) * 100
    np.testing.assert_allclose(beside, moved.faces[:, 0, 0, 0], atol=0.05)
    assert moved.info["start"] == 50 + int(moved.faces[0, 0, 0, 0])
    assert [box[0] for box in moved.info["boxes"]] == list(moved.faces[:, 0, 0, 0])
    assert moved.info["offset"] == offset
