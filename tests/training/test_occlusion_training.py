"""Training of occlusion networks, and the synthetic objects for it."""

from functools import partial

import numpy as np
import pytest
import torch
from test_run import tiny, train
from tiny import CONSTANT, trainer

from lipsync.checkpoints import load_model
from lipsync.data.datasets import Clips, Windows
from lipsync.data.module import ClipDataModule
from lipsync.data.store import write_clip, write_split
from lipsync.models import OcclusionNet
from lipsync.training import OcclusionTraining, occluders


def test_each_kind_covers_some_of_a_face_and_is_of_full_scale():
    rng = np.random.default_rng(0)
    face, other = rng.random((2, 64, 64, 3)).astype(np.float32)
    for kind, draw in occluders.KINDS.items():
        shares = []
        for _ in range(30):
            colour, opacity = draw(rng, face, other)
            colour = np.broadcast_to(colour, face.shape)
            assert np.isfinite(colour).all(), kind
            assert opacity.shape == (64, 64)
            assert 0 <= opacity.min() <= opacity.max() <= 1, kind
            shares.append(opacity.mean())
        assert 0.01 < np.mean(shares) < 0.6, kind
    colour, opacity = occluders.occluder(rng, face, other)
    assert colour.dtype == opacity.dtype == np.float32
    assert 0 <= colour.min() <= colour.max() <= 1


def test_the_same_seed_draws_the_same():
    face = np.random.default_rng(0).random((64, 64, 3)).astype(np.float32)
    one, two = (occluders.occluder(np.random.default_rng(5), face, face) for _ in range(2))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture
def faces(tmp_path):
    """Six clips of a soft, bright oval that flickers slightly."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:96, :96] / 96 - 0.5
    keys = [f"p{k}/0" for k in range(6)]
    for key in keys:
        oval = np.exp(-6 * (x**2 + y**2))[..., None] * rng.uniform(120, 220, 3)
        film = oval + rng.normal(0, 3, (12, 1, 1, 1)) + 20
        silence = np.zeros(12 * 640, np.float32)
        write_clip(
            tmp_path, key, faces=np.clip(film, 0, 255).astype(np.uint8), wave=silence, info={}
        )
    write_split(tmp_path, "train", keys[2:])
    write_split(tmp_path, "val", keys[:2])
    return tmp_path


def test_a_network_learns_what_is_in_front_of_faces(faces, tmp_path):
    torch.manual_seed(0)
    model = OcclusionTraining(
        OcclusionNet(96, "box", width=0.5),
        loss={"hidden": 1.0},
        also=0.0,
        varied=0.0,
        optimizer=partial(torch.optim.AdamW, lr=4e-3),
        schedule=CONSTANT,
    )
    data = ClipDataModule(
        faces,
        partial(Windows, windows=2),
        partial(Clips, windows=4),
        image_size=96,
        batch_size=8,
        eval_batch_size=1,
        batches_per_epoch=80,
    )
    run = trainer(tmp_path, inference_mode=False)
    run.fit(model, data)
    after = {name: float(value) for name, value in run.callback_metrics.items()}
    assert after["train/hidden"] < 0.28  # predicting the mean share gives about 0.45
    assert 0 <= after["val/iou"] <= 1
    assert 0 <= after["val/false_share"] <= 1
    run.save_checkpoint(tmp_path / "seen.ckpt")
    again = load_model(tmp_path / "seen.ckpt")
    assert isinstance(again, OcclusionNet)


def test_the_recipe_trains(faces, tmp_path):
    done = train(
        "model=occlusion",
        *tiny(faces, tmp_path / "run"),
        "model.network.width=0.5",
        "data.image_size=96",
        "trainer.ema=0.9",
        "data.batch_size=2",
        "trainer.batches=2",
        "trainer.val_every=1",
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "checkpoints" / "best.ckpt").exists()
