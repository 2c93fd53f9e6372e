"""Training from clips in the published layout, and from the store they are converted to."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from skimage import data
from tiny import ADAM, CONSTANT, state, trainer

from data_prep.options import Options
from data_prep.run import prepare
from lipsync.data.datasets import Clips, Windows
from lipsync.data.module import ClipDataModule
from lipsync.data.store import write_split
from lipsync.media import write_audio
from lipsync.models import SyncNet
from lipsync.training import ExpertTraining, terms

FACE = data.astronaut()[50:220, 140:310]
SPLITS = {"train": ["v1/00001", "v1/00002", "v2/00001"], "val": ["v2/00002"]}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``0.jpg 1.jpg ... audio.wav``; crops of changing sizes."""
    root = tmp_path_factory.mktemp("published")
    for number, key in enumerate(key for keys in SPLITS.values() for key in keys):
        (root / key).mkdir(parents=True)
        rng = np.random.default_rng(number)
        for i in range(30):
            face = cv2.resize(np.roll(FACE, int(rng.integers(9)), 1), (96 + i % 7, 110 - i % 5))
            cv2.imwrite(str(root / key / f"{i}.jpg"), face[..., ::-1])
        write_audio(root / key / "audio.wav", 0.1 * rng.standard_normal(30 * 640))
    for split, keys in SPLITS.items():
        write_split(root, split, keys)
    return root


def trained(root: Path, folder: Path) -> tuple[list[float], dict[str, torch.Tensor]]:
    """Losses of a few steps of a tiny expert, and its weights after them."""
    pl.seed_everything(0, verbose=False)
    module = ExpertTraining(
        expert=SyncNet(96, width=0.1, depth=0),
        optimizer=ADAM,
        schedule=CONSTANT,
        loss={"bce": 1.0, "contrastive": 1.0},
        terms={"bce": terms.PairsBCE(), "contrastive": terms.ClipInfoNCE()},
    )
    losses: list[float] = []
    for term in module.terms.values():
        term.register_forward_hook(lambda _, __, value: losses.append(value.item()))
    clips = ClipDataModule(
        root,
        partial(Windows, windows=4),
        Clips,
        image_size=96,
        batch_size=2,
        eval_batch_size=1,
        batches_per_epoch=4,
    )
    trainer(folder).fit(module, clips)
    return losses, state(module)


def test_the_expert_learns_the_same_from_both(published: Path, tmp_path: Path) -> None:
    options = Options(min_seconds=0.4, judge=None)
    summary = prepare(published, tmp_path / "store", options, workers=0, progress=False)
    assert len(summary.kept) == 4
    losses, weights = trained(published, tmp_path)
    again, same = trained(tmp_path / "store", tmp_path)
    assert len(losses) >= 8
    assert losses == again
    assert len({round(loss, 6) for loss in losses}) > 4  # it learns something
    assert all(torch.equal(value, same[name]) for name, value in weights.items())
