"""Evaluation samples: identical in every run, and complete."""

import logging

import numpy as np
import pytest
from asked import (
    EXPERT,
    GENERATOR,
    JUDGE,
    LIPGAN,
    LONG_EXPERT,
    asked,
    columns,
    evaluation,
    shown,
    spans,
)

from lipsync.data.store import open_clip, write_split
from lipsync.errors import ConfigError
from lipsync.features import Mel


def test_whole_clips_hold_every_window(prepared):
    dataset = evaluation(prepared, EXPERT)
    assert len(dataset) == 2
    sample = dataset[1]
    assert sample["key"] == "ben/4"
    # 30 frames have 97 mel columns: the last window is at frame 25, where int(3.2 * 25) + 16 = 96.
    assert sample["start"].tolist() == list(range(26))
    assert shown(sample["faces"]) == list(range(30))
    assert sample["faces"].shape == (30, 48, 96, 3)
    clip = open_clip(prepared, "ben/4")
    for start, sound in zip(sample["start"], sample["sound_expert"], strict=True):
        assert np.array_equal(sound[0], columns(clip, "mel", int(3.2 * start), 16, -4))


def test_whole_clips_of_windows_of_fifteen_and_of_a_judge(prepared):
    sample = evaluation(prepared, LONG_EXPERT)[0]
    assert sample["start"].tolist() == list(range(16))
    assert sample["sound_expert"].shape == (16, 1, 80, 48)
    sample = evaluation(prepared, JUDGE)[0]
    # 118 columns of 25 ms: the last window is at frame 24, where 96 + 20 = 116.
    assert sample["start"].tolist() == list(range(25))
    assert shown(sample["faces"]) == list(range(29))


@pytest.mark.parametrize("inputs", [EXPERT, LONG_EXPERT])
def test_long_clips_are_cut_into_equal_parts_without_loss(make_prepared, tmp_path, inputs):
    root = make_prepared(tmp_path, {"val": ["a/1", "a/2"]}, frames=101)
    dataset = evaluation(root, inputs, seconds=2.0)
    assert len(dataset) == 6  # 2.02 s are two parts and a frame; parts are at least a second long
    parts = [dataset[i] for i in range(6)]
    assert [part["key"] for part in parts] == ["a/1"] * 3 + ["a/2"] * 3
    windows = 101 - inputs.window + 1
    assert np.concatenate([part["start"] for part in parts[:3]]).tolist() == list(range(windows))
    assert min(len(part["start"]) for part in parts) >= windows // 3
    clip = open_clip(root, "a/2")
    for part in parts[3:]:
        first, last = part["start"][[0, -1]]
        assert shown(part["faces"]) == list(range(first, last + inputs.window))
        length = part["sound_expert"].shape[-1]
        there = columns(clip, "mel", int(3.2 * last), length, -4)
        assert np.array_equal(part["sound_expert"][-1, 0], there)


def test_windows_are_spread_over_the_clip_and_look_farthest_away(prepared):
    for inputs, count in ((GENERATOR, 26), (LIPGAN, 30)):
        dataset = evaluation(prepared, inputs, windows=3)
        assert len(dataset) == 2
        sample = dataset[0]
        starts = sample["start"]
        assert starts.tolist() == [count // 6, count // 2, count * 5 // 6]
        window = np.arange(inputs.window)
        assert shown(sample["faces"]) == (starts[:, None] + window).tolist()
        assert sample["reference"].shape == (3, 1, 96, 96, 3)
        after = np.subtract(shown(sample["reference"]), starts[:, None] + inputs.window - 1) % 30
        before = np.subtract(starts[:, None], shown(sample["reference"])) % 30
        assert (np.abs(after - before) <= 1).all()  # the clip wraps around
        assert all(np.array_equal(dataset[0][name], sample[name]) for name in sample)


def test_swapped_sound_is_of_another_clip_and_moment(prepared):
    dataset = evaluation(prepared, GENERATOR, windows=3)
    for index, other in enumerate(("ben/4", "anna/4")):
        sample = dataset[index]
        for k, start in enumerate(sample["start"].tolist()):
            moved = (start + 13) % 26  # half a clip away, of 26 windows
            first = 16 * (moved - 2) // 5
            there = columns(open_clip(prepared, other), "mel", first, 16, -4)
            assert np.array_equal(sample["swapped_sound"][k, 0, 0], there)


def test_shifted_sound_is_half_a_clip_away(prepared):
    sample = evaluation(prepared, LIPGAN, windows=4)[0]
    clip = open_clip(prepared, sample["key"])
    for k, start in enumerate(sample["start"].tolist()):
        there = columns(clip, "lipgan_mfcc", 4 * ((start + 15) % 30) - 16, 35, 0)
        assert np.array_equal(sample["shifted_sound"][k, 0, 0], there)


def test_judges_of_validation_hear_beside_the_generator(prepared):
    inputs = asked(
        frames=5, sound=Mel(lead=2), spans=spans(sync=5) | {"judge": JUDGE.spans["expert"]}
    )
    sample = evaluation(prepared, inputs, windows=2)[0]
    assert sample["sound_sync"].shape == (2, 1, 80, 16)
    assert sample["sound_judge"].shape == (2, 1, 13, 20)


def test_a_ceiling_is_drawn_once_and_stated(make_prepared, tmp_path, caplog):
    root = make_prepared(tmp_path, {"val": ["a/00"]})
    write_split(root, "val", [f"a/{i:02}" for i in range(40)])
    caplog.set_level(logging.INFO, "lipsync")
    dataset = evaluation(root, EXPERT, windows=2, most=5)
    assert len(dataset) == 5
    # literal values: every process and run must draw the same
    assert dataset.keys == ["a/00", "a/13", "a/17", "a/21", "a/39"]
    assert "val: evaluated on a fixed random subset, 5 of 40 clips" in caplog.text
    caplog.clear()
    assert len(evaluation(root, EXPERT, windows=2, most=40)) == 40
    assert not caplog.text


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"windows": 0}, "data.evaluation.windows=0: must be a whole number, 1 or more"),
        ({"windows": 2.5}, "data.evaluation.windows=2.5: must be a whole number, 1 or more"),
        ({"seconds": 0}, "data.evaluation.seconds=0: must be above 0"),
    ],
)
def test_options_that_cannot_work(prepared, options, problem):
    with pytest.raises(ConfigError) as error:
        evaluation(prepared, EXPERT, **options)
    assert str(error.value) == problem


def test_indices_end(prepared):
    assert len(list(evaluation(prepared, EXPERT))) == 2
    with pytest.raises(IndexError):
        evaluation(prepared, GENERATOR, windows=1)[2]
