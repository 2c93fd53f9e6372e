import json
from pathlib import Path

import numpy as np
import pytest

from lipsync import windows as W
from lipsync.audio import lipgan_mfcc

GOLDEN = json.loads((Path(__file__).parent / "golden" / "public_windows.json").read_text())


@pytest.mark.parametrize("row", GOLDEN["training_windows_25fps"], ids=lambda r: r["frame"])
def test_published_training_windows(row):
    start = W.mel_start(row["frame"])
    assert [start, start + W.MEL_STEP] == row["sync_mel"]
    if row["segment_starts"] is not None:
        lead = W.PUBLISHED_TRAINING_LEAD
        starts = [W.mel_start(row["frame"] + i, lead=lead) for i in range(W.T)]
        assert starts == row["segment_starts"]


@pytest.mark.parametrize(
    "row", GOLDEN["inference_chunks"], ids=lambda r: f"{r['fps']}-{r['n_mel']}"
)
def test_published_inference_chunks(row):
    chunks = W.inference_chunks(row["n_mel"], row["fps"])
    assert len(chunks) == row["n_chunks"]
    assert chunks[: len(row["starts_head"])] == row["starts_head"]
    assert chunks[-len(row["starts_tail"]) :] == row["starts_tail"]


def test_inference_needs_a_window():
    with pytest.raises(ValueError, match="15 mel columns, a window needs 16"):
        W.inference_chunks(15, 25)


def test_a_lead_of_one_frame_is_forty_milliseconds():
    # 3.2 columns a frame: over 5 frames the two conventions differ by exactly 16 columns.
    assert W.mel_start(10) - W.mel_start(5) == 16
    assert W.mel_start(10, lead=5) == W.mel_start(5)
    assert W.mel_start(0, lead=2) == -7  # 6.4 columns before the sound begins


def test_windows_are_counted_to_the_last_one_that_fits():
    for frames in range(40):
        for columns in range(0, 130, 3):
            fits = [f for f in range(max(0, frames - 4)) if W.mel_start(f) + 16 <= columns]
            assert W.count_windows(frames, columns) == len(fits), (frames, columns)


def test_a_window_outside_of_the_sound_is_silent_there():
    mel = np.arange(80 * 20, dtype=np.float32).reshape(80, 20)
    early = W.mel_window(mel, -3)
    assert (early[:, :3] == W.SILENCE).all()
    np.testing.assert_array_equal(early[:, 3:], mel[:, :13])
    late = W.mel_window(mel, 10)
    np.testing.assert_array_equal(late[:, :10], mel[:, 10:])
    assert (late[:, 10:] == W.SILENCE).all()
    assert (W.mel_window(mel, 99) == W.SILENCE).all()
    assert (W.mel_window(mel, -99) == W.SILENCE).all()


def test_frame_mels_follow_the_lead():
    mel = np.tile(np.arange(100, dtype=np.float32), (80, 1))
    heard = W.frame_mels(mel, np.arange(10, 15), lead=1)
    assert heard[:, 0, 0, 0].tolist() == [28, 32, 35, 38, 41]  # golden
    assert W.sync_mels(mel, np.array([10, 24]))[:, 0, 0, 0].tolist() == [32, 76]  # golden


def test_a_frame_is_in_the_middle_of_its_cepstra():
    # 25 ms windows every 10 ms: 35 of them hear 365 ms, from 10 * start ms on.
    for fps in (25, 24, 30, 29.97, 50):
        for frame in range(200):
            middle = 10 * W.mfcc_start(frame, fps) + 365 / 2
            assert abs(middle - 1000 * (frame + 0.5) / fps) <= 5.001, (fps, frame)
    assert [W.mfcc_start(k) for k in (0, 4, 5, 100)] == [-16, 0, 4, 384]  # four rows a frame


def test_cepstra_outside_of_the_sound_are_silent():
    rows = np.arange(1.0, 61.0, dtype=np.float32)[:, None].repeat(12, axis=1)
    first, inside, last, beyond = W.frame_mfccs(rows, np.array([0, 6, 12, 40]))
    assert first.shape == (1, 12, 35)
    assert first[0, 0].tolist() == [0] * 16 + list(range(1, 20))
    assert inside[0, 7].tolist() == list(range(9, 44))  # 24 - 16 = row 8, which is 9 here
    assert last[0, 11].tolist() == list(range(33, 61)) + [0] * 7
    assert (beyond == 0).all()


def test_digital_silence_has_no_cepstra():
    assert np.abs(lipgan_mfcc(np.zeros(16000, np.float32))).max() < 1e-9


def test_negatives_keep_their_distance_and_reach_everywhere():
    rng = np.random.default_rng(0)
    drawn = {W.draw_apart(rng, 20, 8, 5) for _ in range(500)}
    assert drawn == {0, 1, 2, 3, *range(13, 20)}
    assert W.draw_apart(rng, 5, 2, 5) is None


def test_lower_half():
    assert W.lower_half(np.arange(10).reshape(1, 5, 2))[0, 0, 0] == 4
