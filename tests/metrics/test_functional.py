"""The pure metrics against an independent numpy reference and against recorded numbers."""

import doctest
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.signal import medfilt

from lipsync.metrics import functional as MF

GOLDEN = Path(__file__).parents[1] / "golden"
OFFSETS = json.loads((GOLDEN / "public_offsets.json").read_text())


def random_walk_pair(name: str, n: int, injected: int) -> tuple[np.ndarray, np.ndarray]:
    """The recipe of public_offsets.json: slices of a random walk, ``injected`` windows apart."""
    rng = np.random.RandomState(zlib.crc32(f"feat:{name}".encode()) & 0xFFFFFFFF)
    walk = np.cumsum(rng.standard_normal((n + 40, 32)), 0) * 0.5
    noise = 0.3 * rng.standard_normal((n, 32))
    return walk[20 : 20 + n], walk[20 + injected : 20 + injected + n] + noise


def reference_score(video: np.ndarray, audio: np.ndarray, vshift: int) -> tuple[dict, np.ndarray]:
    """The offset search window by window, in float64 and without torch."""
    n, d = video.shape
    table = np.zeros((n, 2 * vshift + 1))
    for i in range(n):
        for c in range(2 * vshift + 1):
            j = i + c - vshift
            sound = audio[j] if 0 <= j < n else np.zeros(d)
            table[i, c] = np.sqrt(((video[i] - sound + 1e-6) ** 2).sum())
    curve = table.mean(0)
    median, best = np.median(curve), curve.argmin()
    return {
        "distance": curve.min(),
        "confidence": median - curve.min(),
        "offset": vshift - best,
        "frame_confidence": medfilt(np.pad(median - table[:, best], 9), 9)[9:-9],
    }, curve


@pytest.mark.parametrize("case", OFFSETS, ids=lambda case: case["name"])
def test_offset_search_reproduces_the_recorded_numbers(case):
    video, audio = random_walk_pair(case["name"], case["n"], case["injected"])
    result = MF.sync_score(torch.tensor(video), torch.tensor(audio), case["vshift"])
    assert result.offset == case["offset"] == case["injected"]
    assert result.distance == pytest.approx(case["min_dist"], abs=1e-4)
    assert result.confidence == pytest.approx(case["conf"], abs=1e-4)


@pytest.mark.parametrize(
    ("n", "d", "vshift"), [(1, 4, 3), (7, 16, 15), (60, 32, 15), (40, 8, 2), (1100, 4, 15)]
)
def test_sync_score_equals_the_numpy_reference(n, d, vshift):
    rng = np.random.default_rng(n)
    video, audio = rng.standard_normal((2, n, d))
    result = MF.sync_score(torch.tensor(video), torch.tensor(audio), vshift)
    numbers, curve = reference_score(video, audio, vshift)
    for name, expected in numbers.items():
        np.testing.assert_allclose(getattr(result, name), expected, atol=1e-5, err_msg=name)
    assert result.frame_confidence.shape == (n,)
    np.testing.assert_allclose(MF.offset_curve(video, audio, vshift), curve, atol=1e-5)


def test_a_window_next_to_nothing_is_compared_with_zeros():
    # One window, all audio rows but the middle are padding: distance 5 there, 0 in the middle.
    one = torch.tensor([[3.0, 4.0]])
    result = MF.sync_score(one, one, vshift=2)
    assert MF.offset_curve(one, one, vshift=2).tolist() == pytest.approx([5, 5, 0, 5, 5], abs=1e-5)
    assert (result.offset, result.confidence) == (0, pytest.approx(5, abs=1e-5))


@pytest.mark.parametrize("shift", [-3.5, -0.4, 0.0, 0.1, 2.3])
def test_the_fine_offset_is_that_between_frames(shift):
    """Embeddings that rotate smoothly over time; the sound's are late by a fraction of a frame."""
    rng = np.random.default_rng(0)
    speed, phase = rng.uniform(0.05, 0.6, 16), rng.uniform(0, 6, 16)
    at = np.arange(120)[:, None]
    video, audio = (
        np.concatenate([np.sin(speed * t + phase), np.cos(speed * t + phase)], axis=1)
        for t in (at, at + shift)
    )
    result = MF.sync_score(video, audio)
    assert result.fine_offset == pytest.approx(shift, abs=0.05)
    assert abs(result.fine_offset - result.offset) <= 0.5


def test_the_fine_offset_is_the_vertex_of_the_squares():
    squares = np.array([9.0, 5.0, 2.0, 1.0, 4.0, 8.0, 9.0])
    x = np.arange(2, 5)
    a, b, _ = np.polyfit(x, squares[x], 2)
    distances = torch.tensor(np.sqrt(squares))[None]
    assert MF.best_offset(distances).fine_offset == pytest.approx(3 + b / (2 * a))
    # at an end, and where three are equal, there is no vertex
    assert MF.best_offset(torch.tensor([[3.0, 2.0, 1.0]])).fine_offset == -1
    assert MF.best_offset(torch.tensor([[1.0, 1.0, 1.0]])).fine_offset == 1
    assert MF.fine_offset(torch.tensor([[1.0, 1.0, 1.0]]), 1) == 0


def test_half_precision_embeddings_are_scored_in_float32():
    video = torch.randn(50, 64, dtype=torch.bfloat16, generator=torch.Generator().manual_seed(0))
    result = MF.sync_score(video, video)
    assert result.frame_confidence.dtype == torch.float32
    assert result.distance == pytest.approx(8e-6, rel=1e-3)  # eps * sqrt(64)


@pytest.mark.parametrize(
    ("video", "audio", "vshift", "message"),
    [
        (torch.zeros(5, 8), torch.zeros(6, 8), 15, r"one shape .*\(5, 8\) and \(6, 8\)"),
        (torch.zeros(8), torch.zeros(8), 15, r"\(windows, dimensions\), got \(8,\)"),
        (torch.zeros(0, 8), torch.zeros(0, 8), 15, "at least one window, got none"),
        (torch.zeros(5, 8), torch.zeros(5, 8), 0, "vshift must be at least 1, got 0"),
        (torch.full((5, 8), torch.nan), torch.zeros(5, 8), 15, "contain NaN or infinity"),
    ],
)
def test_sync_score_refuses(video, audio, vshift, message):
    with pytest.raises(ValueError, match=message):
        MF.sync_score(video, audio, vshift)


def test_off_sync_accuracy_weighs_the_two_sides_alike():
    pos, neg = torch.tensor([0.9, 0.8, 0.7, 0.1]), torch.tensor([0.6, 0.2])
    assert float(MF.off_sync_accuracy(pos, neg, 0.5)) == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert float(MF.off_sync_accuracy(pos, neg, 0.7)) == pytest.approx((3 / 4 + 1) / 2)


def test_best_threshold_is_the_best_of_all_thresholds():
    rng = np.random.default_rng(1)
    pos, neg = torch.tensor(rng.normal(0.6, 0.3, 57)), torch.tensor(rng.normal(0.2, 0.3, 31))
    found = MF.best_threshold(pos, neg)
    tried = [
        ((pos.numpy() >= t).mean() + (neg.numpy() < t).mean()) / 2 for t in np.linspace(-1, 2, 3001)
    ]
    assert float(MF.off_sync_accuracy(pos, neg, found)) >= max(tried) - 1e-6


def test_best_threshold_where_the_scores_say_nothing():
    same = torch.tensor([0.3, 0.3])
    assert float(MF.off_sync_accuracy(same, same, MF.best_threshold(same, same))) == 0.5


def test_auc_counts_every_pair():
    rng = np.random.default_rng(2)
    pos, neg = rng.integers(3, 12, 40) / 10, rng.integers(0, 9, 23) / 10  # with many ties
    wins = [(p > q) + 0.5 * (p == q) for p in pos for q in neg]
    assert float(MF.auc(torch.tensor(pos), torch.tensor(neg))) == pytest.approx(np.mean(wins))


@pytest.mark.parametrize("function", [MF.auc, MF.best_threshold])
def test_scores_refused(function):
    good = torch.tensor([0.5])
    with pytest.raises(ValueError, match=r"in-sync scores must be \(n,\) with n > 0, got \(0,\)"):
        function(torch.tensor([]), good)
    with pytest.raises(ValueError, match=r"off-sync scores must be .* got \(1, 1\)"):
        function(good, good[None])
    with pytest.raises(ValueError, match="off-sync scores contain NaN"):
        function(good, torch.tensor([torch.nan]))


def test_the_examples_in_the_docstrings_run():
    failures, count = doctest.testmod(MF, extraglobs={"torch": torch})
    assert failures == 0
    assert count >= 4
