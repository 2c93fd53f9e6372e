import pytest
import torch
import torch.nn.functional as F

from lipsync.metrics.lags import LagReport, lag_scores


def walk(n: int, seed: int) -> torch.Tensor:
    """Unit embeddings that change slowly, like those of neighbouring windows."""
    steps = torch.randn(n, 64, generator=torch.Generator().manual_seed(seed))
    return F.normalize(steps.cumsum(0), dim=1)


def test_lag_scores_are_the_diagonals():
    audio, face = walk(20, 0), walk(20, 1)
    scores = lag_scores(audio, face, max_lag=3)
    full = face @ audio.T
    for column, lag in enumerate(range(-3, 4)):
        got = scores[:, column]
        torch.testing.assert_close(got[~got.isnan()], full.diagonal(lag))
        assert got.isnan().sum() == abs(lag)


def test_clips_shorter_than_the_lag():
    scores = lag_scores(walk(2, 0), walk(2, 0), max_lag=5)
    assert scores.isnan().sum() == 2 * 11 - 4


@pytest.mark.parametrize("shift", [0, 1, 4, -4])
def test_offsets_of_clips(shift):
    report = LagReport(max_lag=8)
    for seed in range(4):
        long = walk(70, seed)
        report.update(long[10 + shift : 60 + shift], long[10:60])
    assert report.compute()["offset_within_1"] == (1.0 if abs(shift) <= 1 else 0.0)
    assert report.compute()["profile"].argmax() - 8 == -shift


def test_accuracy_by_hand():
    # A face matches the sounds up to two frames away perfectly, and the others not at all.
    n = 40
    band = (torch.arange(n)[:, None] - torch.arange(n)[None]).abs() <= 2
    report = LagReport(min_gap=5, max_lag=8, threshold=0.5)
    report.update(torch.eye(n), band.float())
    results = report.compute()
    assert results["accuracy"] == 1.0
    assert results["gaps"] == {1: 0.5, 2: 0.5, 3: 1.0, 5: 1.0, 8: 1.0}
    assert results["auc"] == 1.0


def test_any_split_into_updates_gives_the_same():
    together, first, second = LagReport(), LagReport(), LagReport()
    for seed in range(6):
        audio, face = walk(50, seed), walk(50, seed + 3)
        together.update(audio, face)
        (first if seed % 2 else second).update(audio, face)
    first.merge_state(second)
    a, b = together.compute(), first.compute()
    assert a["accuracy"] == pytest.approx(b["accuracy"], abs=1e-6)
    assert a["auc"] == pytest.approx(b["auc"], abs=1e-6)
