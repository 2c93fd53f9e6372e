import json
from pathlib import Path

import numpy as np
import pytest

from lipsync import windows as W

GOLDEN = json.loads((Path(__file__).parent / "golden" / "public_windows.json").read_text())


@pytest.mark.parametrize("row", GOLDEN["training_windows_25fps"], ids=lambda r: r["frame"])
def test_published_training_windows(row):
    start = W.mel_start(row["frame"])
    assert [start, start + W.MEL_STEP] == row["sync_mel"]
    if row["segment_starts"] is not None:
        lead = W.PUBLISHED_TRAINING_LEAD
        starts = [W.mel_start(row["frame"] + i, lead=lead) for i in range(5)]
        assert starts == row["segment_starts"]


def test_a_lead_of_one_frame_is_forty_milliseconds():
    # 3.2 columns a frame: over 5 frames the two conventions differ by exactly 16 columns.
    assert W.mel_start(10) - W.mel_start(5) == 16
    assert W.mel_start(10, lead=5) == W.mel_start(5)
    assert W.mel_start(0, lead=2) == -7  # 6.4 columns before the sound begins


def test_a_window_outside_of_the_sound_is_silent_there():
    mel = np.arange(80 * 20, dtype=np.float32).reshape(80, 20)
    early = W.cut_columns(mel, -3, 16, -4.0)
    assert (early[:, :3] == -4).all()
    np.testing.assert_array_equal(early[:, 3:], mel[:, :13])
    late = W.cut_columns(mel, 10, 16, -4.0)
    np.testing.assert_array_equal(late[:, :10], mel[:, 10:])
    assert (late[:, 10:] == -4).all()
    assert (W.cut_columns(mel, 99, 16, -4.0) == -4).all()
    assert (W.cut_columns(mel, -99, 16, -4.0) == -4).all()


def test_negatives_keep_their_distance_and_reach_everywhere():
    rng = np.random.default_rng(0)
    drawn = {W.draw_apart(rng, 20, 8, 5) for _ in range(500)}
    assert drawn == {0, 1, 2, 3, *range(13, 20)}
    assert W.draw_apart(rng, 5, 2, 5) is None


def test_lower_half():
    assert W.lower_half(np.arange(10).reshape(1, 5, 2))[0, 0, 0] == 4
