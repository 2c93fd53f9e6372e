"""The candidate clips of a source, from hand-written looks."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import numpy as np
import pytest

from data_prep.options import Options
from data_prep.pieces import Piece, find_pieces

SIZE = [640, 360]


def face(x: float, y: float = 180, side: float = 100, **other: Any) -> dict[str, Any]:
    marks = np.array([[-20, -15], [20, -15], [0, 5], [-15, 25], [15, 25]]) + np.array([x, y])
    box = [x - side / 2, y - side / 2, x + side / 2, y + side / 2]
    face = {"box": box, "score": 0.9, "marks": marks.ravel().tolist(), "sharpness": 3.0}
    return {**face, **other}


def looked(frames: int, faces: dict[range, list[dict]], cuts: tuple[int, ...] = ()) -> dict:
    """Looks on a stride of 5; ``faces`` by the frames in which they are seen."""
    steps = [(1.2, 1.2) if i in cuts else (0.04, 1.2 * (i - 1 in cuts)) for i in range(frames)]
    numbers = sorted({*range(0, frames, 5), frames - 1})
    looks = [
        [number, [f for span, found in faces.items() if number in span for f in found]]
        for number in numbers
    ]
    return {"turns": 0, "frames": frames, "size": SIZE, "steps": steps, "looks": looks}


def pieces(found: dict, sound: float | None = None, loud: float = 0.3, **options) -> list[Piece]:
    seconds = found["frames"] / 25 if sound is None else sound
    wave = (loud * np.sin(np.arange(round(seconds * 16000)) / 7)).astype(np.float32)
    return [Piece.from_json(piece) for piece in find_pieces(found, wave, Options(**options))]


def spans(found: list[Piece]) -> list[tuple[int, int]]:
    return [(piece.start, piece.end) for piece in found]


def test_one_face_gives_one_piece_from_end_to_end() -> None:
    (piece,) = pieces(looked(78, {range(78): [face(320)]}))
    assert (piece.start, piece.end, piece.reason, piece.faces) == (0, 78, "", 1)
    assert len(piece.boxes) == 78
    assert piece.boxes[3] == [270, 130, 370, 230]
    assert (piece.face_size, piece.sharpness) == (100, 3)
    assert piece.turn == pytest.approx(0)
    assert piece.level == pytest.approx(20 * np.log10(0.3 / np.sqrt(2)), abs=0.2)


def test_no_piece_crosses_a_cut() -> None:
    """Two faces in the same place: by overlap alone they would count as one."""
    found = pieces(looked(83, {range(83): [face(320)]}, cuts=(33, 53)))
    assert spans(found) == [(0, 33), (33, 53), (53, 83)]
    assert not any(piece.reason for piece in found)


def test_no_piece_holds_two_people() -> None:
    """The second is in the same place from frame 40 on, after an undetected cut."""
    rng = np.random.default_rng(0)
    one, other = (b64encode(rng.integers(-40, 40, 324, np.int8).tobytes()).decode() for _ in "ab")
    seen = {range(40): [face(320, described=one)], range(40, 90): [face(322, described=other)]}
    assert spans(pieces(looked(90, seen))) == [(0, 38), (38, 90)]
    seen = {range(40): [face(320, described=one)], range(40, 90): [face(322, described=one)]}
    assert spans(pieces(looked(90, seen))) == [(0, 90)]


def test_a_file_of_one_take_with_a_cut_is_damaged() -> None:
    (piece,) = pieces(looked(83, {range(83): [face(320)]}, cuts=(33, 53)), cuts="reject")
    assert (piece.start, piece.end, piece.reason) == (0, 83, "damaged")
    assert piece.detail.startswith("cut at 1.32 s")
    assert not pieces(looked(83, {range(83): [face(320)]}), cuts="reject")[0].reason


def test_landmarks_are_kept_for_aligned_crops_and_the_judge() -> None:
    found = looked(40, {range(40): [face(320)]})
    (piece,) = pieces(found, framing="aligned")
    assert len(piece.marks) == 40
    assert piece.marks[7] == pytest.approx(found["looks"][0][1][0]["marks"])
    assert pieces(found)[0].marks == piece.marks
    (none,) = pieces(looked(40, {range(40): [face(320, marks=None)]}), framing="aligned")
    assert (none.marks, none.reason) == ([], "no_landmarks")


def test_long_shots_are_cut_into_equal_parts() -> None:
    found = pieces(looked(1010, {range(1010): [face(320)]}))
    assert spans(found) == [(0, 202), (202, 404), (404, 606), (606, 808), (808, 1010)]
    assert all(len(piece.boxes) == len(piece) for piece in found)
    found = pieces(looked(60, {range(60): [face(320)]}), max_seconds=1.2)
    assert spans(found) == [(0, 30), (30, 60)]


def test_a_face_that_comes_and_goes() -> None:
    """Seen at 20, 25 ... 60, extended by half a stride, with one missed look in between."""
    found = looked(100, {range(20, 41): [face(320)], range(50, 61): [face(322)]})
    assert spans(pieces(found)) == [(18, 63)]


def test_two_faces_are_two_pieces() -> None:
    found = pieces(looked(50, {range(50): [face(160), face(480, side=80)]}))
    assert spans(found) == [(0, 50), (0, 50)]
    assert sorted(piece.face_size for piece in found) == [80, 100]
    assert found[0].weight > found[1].weight
    assert {piece.faces for piece in found} == {2}


def test_shots_without_a_piece_say_why() -> None:
    found = pieces(looked(100, {range(30, 36): [face(320)]}, cuts=(25, 50, 90)))
    assert [(piece.start, piece.reason) for piece in found] == [
        (0, "no_face"),
        (25, "face_lost"),  # seen at 30 and 35, so present for ten frames; the minimum is 15
        (50, "no_face"),
        (90, "too_short"),
    ]
    assert found[0].detail == "checked every 5 frames of 25"


@pytest.mark.parametrize(
    ("faces", "options", "reason"),
    [
        ([face(320, side=30)], {}, "small"),
        ([face(320, side=30)], {"min_face": 20}, ""),
        ([face(10)], {}, "out_of_frame"),
        ([face(320, sharpness=0.1)], {"min_sharpness": 0.5}, "blurred"),
        ([face(320, marks=None)], {}, ""),  # a detector without landmarks
    ],
)
def test_faces_that_are_left_out(faces: list, options: dict, reason: str) -> None:
    (piece,) = pieces(looked(40, {range(40): faces}), **options)
    assert piece.reason == reason
    assert bool(piece.detail) == bool(reason)


def test_a_face_that_is_turned_away() -> None:
    turned = face(320)
    turned["marks"][4] = 320 + 19  # the nose tip, almost at one eye (340)
    (piece,) = pieces(looked(40, {range(40): [turned]}))
    assert (piece.reason, piece.turn) == ("turned", pytest.approx(0.95))


def test_sound_that_is_silent_or_ends_early() -> None:
    found = looked(40, {range(40): [face(320)]})
    assert pieces(found, loud=0.001)[0].reason == "silent"
    (short,) = pieces(found, sound=0.1)
    assert short.reason == "too_short"
    assert short.detail == "40 frames and 9 mel columns, minimum is 15 and 16"
