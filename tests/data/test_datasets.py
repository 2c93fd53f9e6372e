import pickle
import time
from collections import Counter

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from lipsync.data.datasets import ExpertClips, ExpertWindows, GeneratorClips, GeneratorWindows
from lipsync.data.draws import ClipDraws, DrawSampler, shuffled
from lipsync.data.store import open_clip
from lipsync.errors import ClipError, ConfigError
from lipsync.windows import frame_mels


def test_speakers_have_equal_shares_and_no_clip_repeats_early():
    speakers = ["a"] * 8 + ["b"] * 2
    draws = ClipDraws(speakers, seed=3)
    seen = [draws(i) for i in range(32)]
    assert Counter(speakers[i] for i in seen) == {"a": 16, "b": 16}
    of_a = [i for i in seen if i < 8]
    assert sorted(of_a[:8]) == sorted(of_a[8:]) == list(range(8))
    assert [draws(i) for i in range(32)] == seen
    assert [ClipDraws(speakers, seed=4)(i) for i in range(32)] != seen


@pytest.mark.parametrize("clips", [[8, 2], [3, 4], [1, 1, 7]])
def test_unbalanced_draws_see_every_clip_equally_often(clips):
    speakers = np.repeat(np.arange(len(clips)), clips)
    draws = ClipDraws([str(s) for s in speakers], balance=0)
    total = sum(clips)
    assert Counter(draws(i) for i in range(3 * total)) == dict.fromkeys(range(total), 3)


@pytest.mark.parametrize("balance", [0.1, 0.5, 0.9])
def test_shares_are_exact_to_one_draw_after_every_round(balance):
    clips = np.array([1, 2, 3, 5, 30, 100])
    speakers = np.repeat(np.arange(len(clips)), clips)
    draws = ClipDraws([str(s) for s in speakers], seed=1, balance=balance)
    shares = clips ** (1 - balance) / (clips ** (1 - balance)).sum()
    seen = np.zeros(len(clips), int)
    for number in range(30):
        for draw in range(number * draws.length, (number + 1) * draws.length):
            seen[speakers[draws(draw)]] += 1
        assert np.abs(seen - seen.sum() * shares).max() < 1


@pytest.mark.parametrize("balance", [-0.1, 1.1, float("nan")])
def test_a_balance_out_of_range(balance):
    with pytest.raises(ConfigError, match=r"data\.train\.balance=.*: must be 0 to 1"):
        ClipDraws(["a"], balance=balance)


def test_half_balanced_draws_follow_the_square_root_of_the_clips():
    speakers = ["a"] * 36 + ["b"] * 4  # 6 to 2, so three turns to one
    draws = ClipDraws(speakers, balance=0.5)
    seen = [draws(i) for i in range(48)]
    assert Counter(speakers[i] for i in seen) == {"a": 36, "b": 12}
    assert sorted(i for i in seen if i < 36) == list(range(36))


def test_a_million_clips_cost_little():
    speakers = [f"speaker{i % 50_000}" for i in range(1_000_000)]
    started = time.process_time()
    draws = ClipDraws(speakers, balance=0)
    assert time.process_time() - started < 3
    started = time.process_time()
    seen = [draws(i) for i in range(10**9, 10**9 + 2000)]
    assert time.process_time() - started < 1
    assert len(set(seen)) == 2000
    assert len(pickle.dumps(draws)) < 16e6  # what a worker is sent


@pytest.mark.parametrize("size", [1, 2, 5, 64, 1000])
def test_shuffled_places_are_a_permutation_of_any_size(size):
    orders = {tuple(shuffled(p, size, key) for p in range(size)) for key in range(100)}
    assert {tuple(sorted(order)) for order in orders} == {tuple(range(size))}
    assert len(orders) >= min(2, size)


def test_processes_share_the_draws_of_an_epoch():
    shares = []
    for rank in range(2):
        sampler = DrawSampler(12, rank, 2)
        sampler.set_epoch(3)
        shares.append(list(sampler))
        assert len(sampler) == 6
    assert sorted(shares[0] + shares[1]) == list(range(36, 48))
    with pytest.raises(ValueError, match="cannot be shared by 5"):
        DrawSampler(12, 0, 5)


def test_expert_windows_fit_their_sound(prepared):
    dataset = ExpertWindows(prepared, "train", windows=6)
    sample = dataset[5]
    assert sample["faces"].shape == (6, 5, 48, 96, 3)
    assert sample["faces"].dtype == np.uint8
    assert sample["mel"].shape == (6, 1, 80, 16)
    clip = open_clip(prepared, sample["key"])
    for faces, mel, start in zip(sample["faces"], sample["mel"], sample["start"], strict=True):
        # The fixture writes a frame's number into the first pixel of its lower half.
        assert faces[:, 0, 0, 0].tolist() == list(range(start, start + 5))
        column = int(start * 80 / 25)
        np.testing.assert_array_equal(mel[0], clip.mel[:, column : column + 16])
    assert len(set(sample["start"].tolist())) == 6


def test_expert_clips_hold_every_window(prepared):
    sample = ExpertClips(prepared, "val")[1]
    # 30 frames have 97 mel columns: the last window is at frame 25, where int(3.2 * 25) + 16 = 96.
    assert sample["start"].tolist() == list(range(26))
    assert sample["key"] == "ben/4"


def test_generator_windows(prepared):
    dataset = GeneratorWindows(prepared, "train", lead=1)
    starts = set()
    for draw in range(60):
        sample = dataset[draw]
        target, reference = (sample[k][:, 0, 0, 0].astype(int) for k in ("target", "reference"))
        assert target.tolist() == list(range(sample["start"], sample["start"] + 5))
        assert abs(target[0] - reference[0]) >= 5
        starts.add(sample["start"])
        mel = open_clip(prepared, sample["key"]).mel
        window = sample["start"] + np.arange(5)
        np.testing.assert_array_equal(sample["mel"], frame_mels(mel, window, lead=1))
    assert min(starts) <= 2
    assert max(starts) >= 23


def test_swapped_sound_is_another_clip_s(prepared):
    dataset = GeneratorClips(prepared, "val", lead=0, per_clip=3)
    assert len(dataset) == 6
    sample = dataset[1]
    other = open_clip(prepared, "ben/4").mel
    window = (sample["start"] + 13) % 26 + np.arange(5)  # of 26 windows, half a clip away
    np.testing.assert_array_equal(sample["swapped_mel"], frame_mels(other, window, lead=0))
    assert sample["reference"][0, 0, 0, 0] != sample["target"][0, 0, 0, 0]


def test_samples_do_not_depend_on_workers_or_pickling(prepared):
    dataset = GeneratorWindows(prepared, "train", seed=1)
    alone = list(DataLoader(dataset, 4, sampler=DrawSampler(12)))
    shared = list(DataLoader(dataset, 4, sampler=DrawSampler(12), num_workers=2))
    for a, b in zip(alone, shared, strict=True):
        assert a["key"] == b["key"]
        assert torch.equal(a["target"], b["target"])
    again = pickle.loads(pickle.dumps(dataset))
    assert np.array_equal(again[3]["target"], dataset[3]["target"])


def test_wrong_sizes_are_named_at_once(prepared):
    problem = r"anna/1 is 96 px, data.image_size is 128; prepare the data again with image_size=128"
    with pytest.raises(ConfigError, match=problem):
        ExpertWindows(prepared, "train", image_size=128)


def test_a_clip_of_one_window_has_no_reference(make_prepared, tmp_path):
    root = make_prepared(tmp_path, {"train": ["a/short"]}, frames=5)
    with pytest.raises(ClipError, match=r"a/short: one window only"):
        GeneratorWindows(root, "train")[0]


def test_a_clip_without_a_window_is_an_error_not_a_hang(make_prepared, tmp_path):
    root = make_prepared(tmp_path, {"train": ["a/short"]}, frames=4)
    with pytest.raises(ClipError, match=r"a/short: 4 frames and 13 mel columns, a window needs 5"):
        ExpertWindows(root, "train")[0]
