"""Training of experts and judges with tiny networks and data."""

from functools import partial

import numpy as np
import pytest
import torch
from tiny import ADAM, CONSTANT, changed, state, trainer

from lipsync.data.datasets import Clips, Windows
from lipsync.data.module import ClipDataModule
from lipsync.data.store import PreparedFolder, write_clip, write_split
from lipsync.errors import ConfigError
from lipsync.evaluation.judge import Judge
from lipsync.models import LongSyncNet, SyncNet, SyncNetV2
from lipsync.training import ExpertTraining, LongExpertTraining, terms
from lipsync.training.augment import Augment
from lipsync.training.batches import to_float
from lipsync.training.optim import warmup_cosine


def planted(root) -> None:
    """A set in which the mouth's brightness follows the loudness."""
    keys = {"train": ["a/0", "a/1", "b/2", "b/3"], "val": ["c/4", "c/5"]}
    for seed, key in enumerate(keys["train"] + keys["val"]):
        rng = np.random.default_rng(seed)
        level = np.repeat(rng.uniform(0, 1, 60), 1)
        faces = np.full((60, 96, 96, 3), 90, np.uint8)
        faces[:, 56:88, 24:72] = (level * 255).astype(np.uint8)[:, None, None, None]
        wave = np.repeat(level, 640) * 0.3 * rng.standard_normal(60 * 640)
        write_clip(root, key, faces=faces, wave=wave.astype(np.float32), info={})
    for split, names in keys.items():
        write_split(root, split, names)


def learner(kind: str) -> ExpertTraining:
    learning = {
        "optimizer": partial(torch.optim.AdamW, lr=2e-3),
        "schedule": partial(warmup_cosine, warmup=5),
    }
    if kind == "window by window":
        return ExpertTraining(
            SyncNet(96, width=0.1, depth=0),
            loss={"contrastive": 1.0},
            terms={"contrastive": terms.ClipInfoNCE()},
            **learning,
        )
    return LongExpertTraining(
        LongSyncNet(96, width=0.25, window=9),
        loss={"contrastive": 0.5, "sigmoid": 0.5},
        terms={"contrastive": terms.ClipInfoNCE(), "sigmoid": terms.PairsSigmoid()},
        frames=30,
        windows=(5, 9),
        **learning,
    )


@pytest.mark.parametrize(
    "kind", ["window by window", pytest.param("moment by moment", marks=pytest.mark.slow)]
)
def test_an_expert_learns_a_planted_correspondence(kind, tmp_path):
    """A few dozen steps must learn the relation."""
    planted(tmp_path)
    torch.manual_seed(0)
    module = learner(kind)
    data = ClipDataModule(
        tmp_path,
        partial(Windows, windows=8 if kind == "window by window" else 1),
        Clips,
        image_size=96,
        batch_size=4,
        eval_batch_size=1,
        batches_per_epoch=60,
    )
    run = trainer(tmp_path)
    run.fit(module, data)
    assert run.callback_metrics["val/off_sync_accuracy"] > 0.85  # seeds: 0.88 to 0.94
    assert run.callback_metrics["val/offset_within_1"] == 1.0
    assert module.results["profile"].argmax() == 15
    assert float(module.threshold) == pytest.approx(float(run.callback_metrics["val/threshold"]))


@pytest.mark.parametrize("window", [5, 15])
@pytest.mark.parametrize("kind", ["expert", "judge"])
def test_experts_and_judges_train_with_windows_of_any_length(prepared, tmp_path, kind, window):
    torch.manual_seed(0)
    network = {
        "expert": lambda: SyncNet(96, width=0.1, depth=0, window=window),
        "judge": lambda: SyncNetV2(96, width=0.1, framing="box", unit=True, window=window),
    }[kind]()
    augment = Augment(sound={"syncnet_mfcc": {"offset": 2.0, "noise": 0.5}})
    module = expert_training(network, augment=augment)
    data = expert_data(prepared)
    before = state(module.expert)
    trainer(tmp_path).fit(module, data)
    assert changed(module.expert, before)
    assert 0 <= module.results["accuracy"] <= 1
    assert data.train[0]["faces"].shape == (6, window, 48 if kind == "expert" else 96, 96, 3)


def test_a_clip_in_portions_is_the_clip_as_a_whole(prepared):
    module = ExpertTraining(
        SyncNet(96, width=0.1, depth=0).eval(),
        optimizer=ADAM,
        schedule=CONSTANT,
        loss={"bce": 1.0},
        terms={"bce": terms.PairsBCE()},
    ).eval()
    clip = Clips(PreparedFolder(prepared), "val", module.inputs())[0]
    faces, sound = torch.from_numpy(clip["faces"]), torch.from_numpy(clip["sound_expert"])
    windows = torch.stack([faces[s : s + 5] for s in clip["start"]])
    whole = module.embed(to_float(windows)[None], sound[None])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lipsync.training.expert._CHUNK", 7)
        parts = module.embed_clip(faces, sound)
    for a, b in zip(whole, parts, strict=True):
        torch.testing.assert_close(a[0], b)


def test_one_window_a_clip_teaches_nothing_and_is_refused(prepared, tmp_path):
    module = ExpertTraining(
        SyncNet(96, width=0.1, depth=0),
        optimizer=ADAM,
        schedule=CONSTANT,
        loss={"contrastive": 1.0},
        terms={"contrastive": terms.ClipInfoNCE()},
    )
    with pytest.raises(ConfigError, match=r"data.train.windows=1: .* set it to 2 or more"):
        trainer(tmp_path).fit(module, expert_data(prepared, windows=1))


def expert_training(network, **options) -> ExpertTraining:
    return ExpertTraining(
        network,
        optimizer=ADAM,
        schedule=CONSTANT,
        loss={"bce": 0.5, "contrastive": 1.0},
        terms={"bce": terms.PairsBCE(), "contrastive": terms.ClipInfoNCE()},
        **options,
    )


def expert_data(root, windows: int = 6) -> ClipDataModule:
    return ClipDataModule(
        root,
        partial(Windows, windows=windows),
        Clips,
        image_size=96,
        batch_size=2,
        eval_batch_size=1,
        batches_per_epoch=2,
    )


def test_a_clip_is_embedded_as_a_judge_embeds_it(prepared):
    torch.manual_seed(0)
    module = long_training(LongSyncNet(width=0.25, window=9).eval(), windows=(5,)).eval()
    reader = PreparedFolder(prepared)
    sample = Clips(reader, "val", module.inputs(evaluation=True))[0]
    faces, sound = torch.from_numpy(sample["faces"]), torch.from_numpy(sample["sound_expert"])
    with torch.no_grad():
        audio, face = module.embed_clip(faces, sound)
    clip = reader.open(sample["key"])
    video, heard = Judge(module.expert).embed(clip.faces, clip.wave)
    torch.testing.assert_close(face, video, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(audio, heard[: len(audio)], atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("windows", [(), (4,), (5, 26)])
def test_lengths_that_leave_no_negatives_are_refused(windows):
    with pytest.raises(ConfigError, match=r"model.windows=.* 5 to 25 frames"):
        long_training(LongSyncNet(width=0.25), windows=windows)


def long_training(network, **options) -> LongExpertTraining:
    return LongExpertTraining(
        network,
        optimizer=ADAM,
        schedule=CONSTANT,
        loss={"sigmoid": 1.0},
        terms={"sigmoid": terms.PairsSigmoid()},
        frames=30,
        **options,
    )
