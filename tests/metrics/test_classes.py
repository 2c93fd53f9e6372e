"""The accumulating metrics: any split into batches, two processes, and refusals."""

import doctest

import forked
import numpy as np
import pytest
import torch
from test_functional import OFFSETS, random_walk_pair
from torch import nn

from lipsync.metrics import (
    FrechetDistance,
    LowerHalfPSNR,
    OffSyncAccuracy,
    PictureQuality,
    SyncScore,
    frechet,
    picture,
    sync,
)
from lipsync.metrics import functional as MF


def clips(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Clips of 40 windows whose sound is shifted by 0, 1, 2, ... windows."""
    video = torch.randn(count, 40, 16, generator=torch.Generator().manual_seed(0))
    return video, torch.stack([clip.roll(i, dims=0) for i, clip in enumerate(video)])


def scores() -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(0)
    return (
        torch.tensor(rng.normal(0.6, 0.3, 60)).float(),
        torch.tensor(rng.normal(0.2, 0.3, 60)).float(),
    )


def pictures(side: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.rand(2, 6, 3, side, side, generator=torch.Generator().manual_seed(1)).unbind()


def flat(value) -> list[float]:
    values = value.values() if isinstance(value, dict) else [value]
    return [float(v) for v in values if not isinstance(v, str)]


class Frechet(FrechetDistance):
    """Takes both inputs at once, like the other metrics here."""

    def update(self, generated: torch.Tensor, real: torch.Tensor) -> None:
        super().update(generated, real=False)
        super().update(real, real=True)


SETTINGS = {
    "sync": (SyncScore, {}, lambda: clips(6)),
    "off_sync": (OffSyncAccuracy, {"threshold": 0.4}, scores),
    "off_sync_best": (OffSyncAccuracy, {}, scores),
    "psnr": (LowerHalfPSNR, {}, pictures),
    "quality": (PictureQuality, {}, lambda: pictures(32)),
    "frechet": (
        Frechet,
        {"network": None, "name": "noise", "features": 4},
        lambda: torch.randn(2, 60, 4, generator=torch.Generator().manual_seed(2)).unbind(),
    ),
}


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("sizes", [(6,), (1, 5), (2, 2, 2), (3, 1, 2)], ids=str)
def test_any_split_of_batches_gives_the_same(setting, sizes):
    make, options, data = SETTINGS[setting]
    first, second = data()
    whole, split = make(**options), make(**options)
    whole.update(first, second)
    unit = len(first) // 6
    chunks = [size * unit for size in sizes]
    for a, b in zip(first.split(chunks), second.split(chunks), strict=True):
        split.update(a, b)
    assert flat(split.compute()) == pytest.approx(flat(whole.compute()), rel=1e-6)
    split.reset()
    split.update(first, second)
    assert flat(split.compute()) == pytest.approx(flat(whole.compute()), rel=1e-6)


def test_sync_score_is_the_mean_of_the_pure_function():
    video, audio = clips(5)
    metric = SyncScore()
    metric.update(video, audio)
    found = metric.compute()
    single = [MF.sync_score(v, a) for v, a in zip(video, audio, strict=True)]
    assert float(found["distance"]) == pytest.approx(np.mean([s.distance for s in single]))
    assert float(found["confidence"]) == pytest.approx(np.mean([s.confidence for s in single]))
    assert float(found["within_one"]) == pytest.approx(2 / 5)  # shifted by 0 and 1, of 0..4
    assert int(found["clips"]) == 5


def test_an_injected_judge_is_asked_and_not_saved():
    judge = nn.Linear(16, 4)
    metric = SyncScore(judge=lambda video, audio: (judge(video), judge(audio)))
    owned = SyncScore(judge=judge)
    video, audio = clips(1)
    metric.update(video[0], audio[0])
    expected = MF.sync_score(judge(video[0]), judge(audio[0]))
    assert float(metric.compute()["distance"]) == pytest.approx(expected.distance)
    assert not owned.state_dict()
    assert not list(owned.parameters())


def golden_clips() -> tuple[list[tuple[torch.Tensor, torch.Tensor]], dict[str, float]]:
    """The recorded cases of 15 frames to either side, and the means of what was recorded."""
    cases = [case for case in OFFSETS if case["vshift"] == MF.VSHIFT]
    pairs = [random_walk_pair(case["name"], case["n"], case["injected"]) for case in cases]
    recorded = {"distance": "min_dist", "confidence": "conf"}
    means = {name: np.mean([case[key] for case in cases]) for name, key in recorded.items()}
    means["within_one"] = np.mean([abs(case["offset"]) <= 1 for case in cases])
    means["clips"] = len(cases)
    return [(torch.tensor(v), torch.tensor(a)) for v, a in pairs], means


def test_the_class_reproduces_the_recorded_numbers():
    pairs, means = golden_clips()
    metric = SyncScore()
    for video, audio in pairs:
        metric.update(video, audio)
    found = {name: float(value) for name, value in metric.compute().items()}
    assert len(pairs) >= 3
    assert found == pytest.approx(means, abs=1e-4)


def _worker(rank: int, port: int, out) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2
    )
    for setting, (make, options, data) in SETTINGS.items():
        first, second = data()
        cut = len(first) // 3  # the two processes see unequal shares
        part = slice(None, cut) if rank == 0 else slice(cut, None)
        metric = make(**options)
        metric.update(first[part], second[part])
        out[setting, rank] = flat(metric.compute())
    metric = SyncScore()
    for video, audio in golden_clips()[0][rank::2]:
        metric.update(video, audio)
    out["golden", rank] = {name: float(value) for name, value in metric.compute().items()}
    torch.distributed.destroy_process_group()


def test_two_processes_agree_with_one():
    found = forked.two_ranks(_worker)
    for setting, (make, options, data) in SETTINGS.items():
        whole = make(**options)
        whole.update(*data())
        assert found[setting, 0] == pytest.approx(flat(whole.compute()), rel=1e-6), setting
        assert found[setting, 1] == found[setting, 0]
    assert found["golden", 0] == pytest.approx(golden_clips()[1], abs=1e-4)
    assert found["golden", 1] == found["golden", 0]


@pytest.mark.filterwarnings("ignore:The ``compute`` method")
def test_nothing_to_average_is_an_error():
    with pytest.raises(ValueError, match="SyncScore: no clip was given"):
        SyncScore().compute()
    with pytest.raises(ValueError, match="OffSyncAccuracy: no scores were given"):
        OffSyncAccuracy().compute()
    with pytest.raises(ValueError, match="LowerHalfPSNR: no picture was given"):
        LowerHalfPSNR().compute()


def test_one_sided_scores_are_an_error():
    metric = OffSyncAccuracy()
    metric.update(torch.tensor([0.3]), torch.tensor([]))
    with pytest.raises(ValueError, match="off-sync scores must be"):
        metric.compute()


def test_the_upper_half_does_not_count():
    pred, target = pictures()
    changed = target.clone()
    changed[..., :4, :] = 0
    a, b = LowerHalfPSNR(), LowerHalfPSNR()
    a.update(pred, target)
    b.update(pred, changed)
    assert float(a.compute()) == float(b.compute())
    lower = float((pred - target)[..., 4:, :].square().mean())
    assert float(a.compute()) == pytest.approx(-10 * np.log10(lower), abs=1e-4)


def test_pictures_that_cannot_be_compared_are_an_error():
    metric, one = LowerHalfPSNR(), torch.zeros(1, 3, 4, 4)
    with pytest.raises(ValueError, match=r"shapes differ: \(1, 3, 4, 4\) and \(2, 3, 4, 4\)"):
        metric.update(one, torch.zeros(2, 3, 4, 4))
    with pytest.raises(ValueError, match=r"must be float in .* torch.float32, torch.uint8"):
        metric.update(one, one.byte())


@pytest.mark.parametrize("module", [sync, picture, frechet])
def test_the_examples_in_the_docstrings_run(module):
    failures, count = doctest.testmod(module, extraglobs={"torch": torch})
    assert failures == 0
    assert count >= 1
