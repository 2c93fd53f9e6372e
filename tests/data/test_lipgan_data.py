import numpy as np
import pytest

from lipsync.audio import lipgan_mfcc
from lipsync.data import store
from lipsync.data.datasets import GeneratorClips
from lipsync.data.lipgan import LipGANClips, LipGANFrames
from lipsync.data.store import open_clip
from lipsync.errors import ClipError


def shown(pictures: np.ndarray) -> list[int]:
    """Which frames these are: the fixture writes their number into the first pixel."""
    return pictures[:, 0, 0, 0].astype(int).tolist()


def heard(mfcc: np.ndarray, clip: store.Clip) -> list[int]:
    """Which frames these sounds belong to: row 16 of 35 is the first of the frame's own four."""
    rows = [np.flatnonzero((clip.mfcc == window[0, :, 16]).all(axis=1)) for window in mfcc]
    return [int(row[0]) // 4 for row in rows]


def test_training_samples(prepared):
    dataset = LipGANFrames(prepared, "train", frames=4, min_gap=6, seed=2)
    seen = set()
    for draw in range(60):
        sample = dataset[draw]
        clip = open_clip(prepared, sample["key"])
        frames = sample["frame"].tolist()
        assert frames == sorted(set(frames))
        assert shown(sample["target"]) == heard(sample["mfcc"], clip) == frames
        for frame, reference in zip(frames, shown(sample["reference"]), strict=True):
            assert abs(frame - reference) >= 5
        for frame, other in zip(frames, heard(sample["shifted_mfcc"], clip), strict=True):
            assert abs(frame - other) >= 6
        seen.update(frames)
    assert seen == set(range(30))  # to the clip's ends
    assert sample["mfcc"].shape == sample["shifted_mfcc"].shape == (4, 1, 12, 35)
    assert sample["target"].shape == (4, 96, 96, 3)
    again = LipGANFrames(prepared, "train", frames=4, min_gap=6, seed=2)[59]
    assert all(np.array_equal(again[name], sample[name]) for name in sample)


def test_evaluation_windows_are_those_of_other_generators(prepared):
    dataset, others = LipGANClips(prepared, "val", per_clip=3), GeneratorClips(prepared, per_clip=3)
    assert len(dataset) == len(others) == 6
    for index in range(6):
        sample, other = dataset[index], others[index]
        assert np.array_equal(sample["target"], other["target"])
        assert np.array_equal(sample["reference"], other["reference"])
        clip = open_clip(prepared, sample["key"])
        start = other["start"]
        assert heard(sample["mfcc"], clip) == list(range(start, start + 5))
        away = np.subtract(heard(sample["shifted_mfcc"], clip), sample["frame"])
        assert (np.abs(away) >= 5).all()
        other = open_clip(prepared, {"anna/4": "ben/4", "ben/4": "anna/4"}[sample["key"]])
        moved = (start + 13) % 26  # of 26 windows, half a clip away
        assert heard(sample["swapped_mfcc"], other) == list(range(moved, moved + 5))


def test_cepstra_are_computed_once_a_clip(prepared, monkeypatch):
    computed = []
    monkeypatch.setattr(store, "lipgan_mfcc", lambda wave: computed.append(1) or lipgan_mfcc(wave))
    dataset = LipGANFrames(prepared, "train")
    for draw in range(20):
        dataset[draw]
    assert len(computed) == len(dataset.keys) == 4


def test_clips_without_shifted_sound_are_named(make_prepared, tmp_path):
    root = make_prepared(tmp_path, {"train": ["a/short"], "val": ["a/longer"]}, frames=9)
    with pytest.raises(ClipError, match=r"a/short: 9 frames, sound 5 frames away needs 10"):
        LipGANFrames(root, "train")[0]
    with pytest.raises(ClipError, match=r"a/longer: 5 windows, sound 5 frames away needs 10"):
        LipGANClips(root, "val")[0]
