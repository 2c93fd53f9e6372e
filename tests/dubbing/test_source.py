"""Frames in playing order, whatever the memory for them."""

from fractions import Fraction

import numpy as np
import pytest
from dubbing_media import SIZE, frame, make_video

from lipsync.dubbing import source as source_module
from lipsync.dubbing.source import open_source, playing_order
from lipsync.errors import MediaError


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        ("pingpong", [0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 2]),
        ("loop", [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2]),
        ("freeze", [0, 1, 2, 3, 3, 3, 3, 3, 3, 3, 3]),
    ],
)
def test_playing_order(length, expected):
    assert playing_order(4, 11, length).tolist() == expected
    assert playing_order(4, 3, length).tolist() == [0, 1, 2]
    assert playing_order(1, 3, length).tolist() == [0, 0, 0]


@pytest.mark.parametrize("length", ["pingpong", "loop", "freeze"])
@pytest.mark.parametrize("held", [8, 10_000])
def test_frames_come_in_the_order_asked_for(tmp_path, monkeypatch, length, held):
    monkeypatch.setattr(source_module, "_HELD_BYTES", held * 3 * SIZE[0] * SIZE[1])
    source = open_source(make_video(tmp_path / "v.mp4", 21))
    order = playing_order(21, 90, length)
    shown = [int(np.rint((picture[2:6, 2:6].mean() - 40) / 5)) for picture in source.take(order)]
    assert shown == order.tolist()


def test_playing_backwards_decodes_in_lots_and_not_frame_by_frame(tmp_path, monkeypatch):
    monkeypatch.setattr(source_module, "_HELD_BYTES", 10 * 3 * SIZE[0] * SIZE[1])
    source = open_source(make_video(tmp_path / "v.mp4", 30))
    opened = []
    read = source_module.read_frames
    monkeypatch.setattr(
        source_module, "read_frames", lambda *a, **k: opened.append(1) or read(*a, **k)
    )
    assert sum(1 for _ in source.take(playing_order(30, 59, "pingpong"))) == 59
    assert len(opened) == 4  # forwards, and 29 frames backwards, ten at a time


def test_a_picture_is_one_frame_at_any_rate(tmp_path):
    import cv2

    cv2.imwrite(str(tmp_path / "face.png"), frame(3)[..., ::-1])
    source = open_source(tmp_path / "face.png", still_fps=12)
    assert (source.fps, source.size) == (Fraction(12), SIZE)
    shown = list(source.take([0, 0, 0]))
    assert len(shown) == 3
    np.testing.assert_array_equal(shown[2], frame(3))


def test_sound_alone_is_no_face(sound):
    with pytest.raises(MediaError, match=r"sound\.wav: has no video to dub"):
        open_source(sound)
