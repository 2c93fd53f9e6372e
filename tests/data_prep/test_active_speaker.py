"""Active speaker detection, and correction of the offset."""

from __future__ import annotations

import numpy as np
import pytest

from data_prep.active_speaker import Limits, correct_sync, select_speakers
from data_prep.pieces import Piece
from lipsync.evaluation import Calibration

LIMITS = Limits(confidence=0.3, offset=6, keep_unsure=False)


def score(confidence: float, offset: int = 0) -> dict:
    return {"offset": offset, "confidence": confidence, "distance": 0.7}


def reasons(pieces: list[Piece], scores: list, limits: Limits | None = LIMITS) -> list[str]:
    select_speakers(pieces, scores, limits)
    assert all(bool(piece.reason) == bool(piece.detail) for piece in pieces)
    return [piece.reason for piece in pieces]


def test_of_faces_seen_together_the_surest_speaks() -> None:
    pieces = [Piece(0, 100, weight=9), Piece(0, 100, weight=1), Piece(100, 200, weight=1)]
    assert reasons(pieces, [score(0.4), score(0.8), score(0.5)]) == ["other_face", "", ""]


def test_without_a_judge_the_most_prominent_one() -> None:
    pieces = [Piece(0, 100, weight=1), Piece(10, 90, weight=9)]
    assert reasons(pieces, [None, None], None) == ["other_face", ""]


def test_without_a_judge_the_one_whose_mouth_goes_with_the_sound() -> None:
    pieces = [
        Piece(0, 100, weight=9, av_correlation=0.1),
        Piece(0, 100, weight=1, av_correlation=0.7),
    ]
    assert reasons(pieces, [None, None], None) == ["other_face", ""]
    assert pieces[0].detail.endswith("fits the sound better")
    # Neither mouth speaks: take the prominent one.
    pieces = [
        Piece(0, 100, weight=9, av_correlation=-0.1),
        Piece(0, 100, weight=1, av_correlation=0.3),
    ]
    assert reasons(pieces, [None, None], None) == ["", "other_face"]
    assert pieces[1].detail.endswith("is more prominent")


def test_a_judge_that_is_sure_overrules_the_mouth_and_one_that_is_not_does_not() -> None:
    def two() -> list[Piece]:
        return [
            Piece(0, 100, weight=9, av_correlation=0.1),
            Piece(0, 100, weight=1, av_correlation=0.7),
        ]

    assert reasons(two(), [score(0.5), score(0.2)]) == ["", "other_face"]
    assert reasons(two(), [score(0.25), score(0.2)]) == ["other_face", "unsure"]
    keep = Limits(confidence=0.3, offset=6)
    assert reasons(two(), [score(0.25), score(0.2)], keep) == ["other_face", ""]
    assert reasons([Piece(0, 9)], [None], keep) == [""]


def test_a_calibration_is_asked_for_the_probability() -> None:
    calibration = Calibration(5, (-6.0, 20.0, 0.0), (10, 90), 0.9, ["ann"], 12, "speakers")
    limits = Limits(None, 15, keep_unsure=False, calibration=calibration)
    pieces = [Piece(0, 100), Piece(100, 200), Piece(200, 300)]
    scores = [score(c, -3) | {"windows": 60} for c in (0.45, 0.4, 0.05)]
    assert [limits.sure(one) for one in scores] == [True, False, False]
    assert reasons(pieces, scores, limits) == ["", "unsure", "unsure"]
    told = "probability 0.88 that the offset is right, minimum is 0.9"
    assert pieces[1].detail == told


def test_pieces_that_hardly_meet_are_of_different_moments() -> None:
    pieces = [Piece(0, 60), Piece(40, 100), Piece(55, 65)]
    assert reasons(pieces, [score(0.5), score(0.4), score(0.35)]) == ["", "", "other_face"]


def test_limits() -> None:
    pieces = [Piece(100 * i, 100 * i + 100) for i in range(6)]
    scores = [score(0.29), score(0.3, 6), score(0.9, -7), None, score(0.5, -6), score(0.1, 9)]
    found = reasons(pieces, scores)
    assert found == ["unsure", "", "off_sync", "unsure", "", "unsure"]
    assert pieces[2].detail == "sound is -7 frames off, maximum is 6"


def test_what_was_left_out_stays_left_out() -> None:
    small = Piece(0, 100, weight=9, reason="small", detail="tiny")
    assert reasons([small, Piece(0, 100)], [None, score(0.5)]) == ["small", ""]


@pytest.mark.parametrize("offset", [-3, 0, 4])
def test_sound_is_moved_into_place(offset: int) -> None:
    """Sample values encode the frame that they belong to after correction."""
    wave = np.repeat(np.arange(100, dtype=np.float32) + offset, 640)
    for piece, expected in [
        (Piece(20, 60), (20, 60)),
        (Piece(0, 100), (max(0, offset), min(100, 100 + offset))),
        (Piece(90, 100), (90, min(100, 100 + offset))),
    ]:
        start, end, sound = correct_sync(piece, offset, wave)
        assert (start, end) == expected
        assert sound.tolist() == np.repeat(np.arange(start, end), 640).tolist()


def test_sound_that_is_all_gone() -> None:
    start, end, sound = correct_sync(Piece(0, 10), 30, np.ones(6400, np.float32))
    assert end - start <= 0
    assert len(sound) == 0
