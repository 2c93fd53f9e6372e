"""The order in which clips are drawn, and by which process."""

import pickle
import time
from collections import Counter

import numpy as np
import pytest

from lipsync.data.draws import ClipDraws, DrawSampler, permute_index
from lipsync.errors import ConfigError


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
    assert len(pickle.dumps(draws)) < 16e6  # sent to each worker


@pytest.mark.parametrize("size", [1, 2, 5, 64, 1000])
def test_shuffled_places_are_a_permutation_of_any_size(size):
    orders = {tuple(permute_index(p, size, key) for p in range(size)) for key in range(100)}
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
    with pytest.raises(ValueError, match="cannot be divided among 5"):
        DrawSampler(12, 0, 5)
