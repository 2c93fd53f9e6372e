"""Samples for a judge in SyncNet v2's form."""

import numpy as np

from lipsync.audio import mfcc
from lipsync.data.datasets import JudgeClips, JudgeWindows
from lipsync.windows import T


def test_windows_hold_faces_and_their_cepstra(prepared):
    sample = JudgeWindows(prepared, "train", windows=4, seed=3)[17]
    clip = JudgeWindows(prepared, "train").clip(sample["key"])
    assert sample["faces"].shape == (4, T, 96, 96, 3)
    assert sample["mfcc"].shape == (4, 1, 13, 20)
    first = int(sample["start"][1])
    np.testing.assert_array_equal(sample["faces"][1], clip.faces[first : first + T])
    rows = mfcc(clip.wave)[4 * first : 4 * first + 20]
    np.testing.assert_array_equal(sample["mfcc"][1, 0], rows.T)


def test_every_window_of_a_clip_is_evaluated(prepared):
    whole = JudgeClips(prepared, "val")[0]
    clip = JudgeClips(prepared, "val").clip(whole["key"])
    assert len(whole["mfcc"]) == clip.windows()
    assert (np.diff(whole["start"])[:-1] == 1).all()
