"""Active speaker by mouth motion, where no judge is confident."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from data_prep.footage import Footage
from data_prep.mouth import av_correlation, av_correlations
from data_prep.options import Options
from data_prep.pieces import Piece
from data_prep.run import prepare
from lipsync.data.store import open_clip
from lipsync.faces.detect import Detection, Detector
from lipsync.media import VideoWriter

COUNT = 60
RNG = np.random.default_rng(0)
TALKS = np.repeat([1, 0, 1, 0], 15).astype(bool)  # in which frames the left one speaks
LEFT, RIGHT = np.array([20, 20, 140, 140]), np.array([180, 20, 300, 140])


def wave() -> np.ndarray:
    loud = np.where(TALKS, 0.4, 0.001).repeat(640)
    return (loud * RNG.standard_normal(COUNT * 640)).astype(np.float32)


def talking(path: Path) -> Path:
    """Two heads; the left mouth moves at random while there is sound, the right one otherwise.

    The right head is the larger one.
    """
    opening = [np.where(t, RNG.integers(2, 14, COUNT), 3) for t in (TALKS, ~TALKS)]
    with VideoWriter(path, 25, (320, 160), audio=wave()) as writer:
        for i in range(COUNT):
            frame = np.full((160, 320, 3), 90, np.uint8)
            for x, opened in ((80, opening[0][i]), (240, opening[1][i])):
                cv2.circle(frame, (x, 80), 56, (200, 160, 140), -1)
                cv2.ellipse(frame, (x, 112), (20, int(opened)), 0, 0, 360, (60, 20, 30), -1)
            writer.write(frame)
    return path


class Heads(Detector):
    name = "heads"

    def detect(self, frame: np.ndarray) -> list[Detection]:
        nowhere = np.full((5, 2), np.nan, np.float32)
        boxes = (LEFT + np.array([5, 5, -5, -5]), RIGHT)
        return [Detection(box.astype(np.float32), 0.9, nowhere) for box in boxes]


def test_only_competing_faces_are_watched(tmp_path: Path) -> None:
    footage = Footage(talking(tmp_path / "a.mp4"))
    pieces = [
        Piece(0, COUNT, boxes=[LEFT.tolist()] * COUNT),
        Piece(0, COUNT, boxes=[RIGHT.tolist()] * COUNT),
        Piece(0, COUNT, boxes=[RIGHT.tolist()] * COUNT, reason="small"),
    ]
    left, right, out = av_correlations(footage, pieces)
    assert left > 0.6
    assert right < 0.2
    assert out is None
    assert av_correlations(footage, [pieces[0], pieces[2]]) == [None, None]


def test_the_smaller_face_that_speaks_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("data_prep.run.get_detector", lambda *_, **__: Heads())
    (tmp_path / "in/s").mkdir(parents=True)
    talking(tmp_path / "in/s/a.mp4")
    options = Options(min_sharpness=0, judge=None)
    summary = prepare(tmp_path / "in", tmp_path / "out", options, workers=0, progress=False)
    assert summary.reasons == {"other_face": 1}
    assert open_clip(tmp_path / "out", "s/a").info["box"][2] < 160


@pytest.mark.parametrize("lag", [-3, 0, 3])
def test_av_correlation(lag: int) -> None:
    sound = wave()
    motion = np.roll(np.where(TALKS, 6.0, 0.5), lag)[1:]
    assert av_correlation(motion, sound) > 0.9
    assert av_correlation(motion[::-1], sound) < 0.2
    assert av_correlation(np.ones(COUNT - 1), sound) == 0
    assert av_correlation(motion, np.zeros(COUNT * 640, np.float32)) == 0
    assert av_correlation(motion[:8], sound) == 0
