"""Incompatible or unavailable options: refused in one line, before any data are read."""

import re
import shutil

import pytest
import torch
from omegaconf import open_dict
from test_configs import composed

from lipsync.errors import LipsyncError
from lipsync.training import run as training
from lipsync.training import settings
from lipsync.training.weights import architecture

TINY = [
    "data=folder",
    "data.workers=0",
    "size.expert.width=0.1",
    "size.expert.depth=0",
    "callbacks.progress=null",
    "callbacks.pictures=null",
    "logger.tensorboard=null",
]


def refused(tmp_path, *options: str) -> str:
    """The last line of output of a run with these options."""
    config = composed(*TINY, *options, f"hydra.runtime.output_dir={tmp_path / 'run'}")
    with open_dict(config):
        del config["hydra"]  # as Hydra does before it calls the program
    with pytest.raises(LipsyncError) as caught:
        training.run(config)
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_an_expert_of_another_image_size(tmp_path):
    line = refused(tmp_path, "model=wav2lip", "data.root=/nowhere", "data.image_size=128")
    assert "networks differ in image_size: generator 128, expert 96" in line
    assert "model.expert" in line


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ("trainer.clip=high", "trainer.clip=high: must be a number, or null"),
        ("trainer.ema=2", "trainer.ema=2: must be between 0 and 1, or null"),
        ("trainer.threads=many", "trainer.threads=many: must be a number, or null"),
        ("trainer.threads=0", "trainer.threads=0: must be 1 or more, or null"),
        ("seed=abc", "seed=abc: must be a whole number, 0 to 4294967295"),
        ("seed=-1", "seed=-1: must be a whole number, 0 to 4294967295"),
        ("seed=4294967296", "must be a whole number, 0 to 4294967295"),
        ("trainer.val_every=0", "trainer.val_every=0: must be a whole number, 1 or more"),
        ("trainer.clip=true", "trainer.clip=True: must be a number, or null"),
        ("trainer.clip=nan", "trainer.clip=nan: must be above 0, or null"),
        ("data.train.windows=0", "data.train.windows=0: must be a whole number, 1 or more"),
        ("data.workers=-1", "data.workers=-1: must be a whole number, 0 or more"),
        ("trainer.schedule_batches=0", "must be a whole number, 1 or more"),
        ("trainer.batches=true", "trainer.batches=True: must be a whole number, 1 or more"),
        ("callbacks.best=null", "callbacks.best=null: must be set"),
        ("model.min_gap=16", "model.min_gap=16: must be a whole number, 1 to 15"),
    ],
)
def test_values_that_cannot_be(tmp_path, option, problem):
    assert problem in refused(tmp_path, "model=syncnet", "data.root=/nowhere", option)


def test_bfloat16_where_there_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "computes_in_bfloat16", lambda on_gpu: False)
    options = ["model=syncnet", "data.root=/nowhere"]
    line = refused(tmp_path, *options, "trainer.precision=bf16-mixed")
    assert "this processor does not support bfloat16; use 32-true or auto" in line
    assert settings.resolve_precision("auto", on_gpu=False) == "32-true"


def test_recomputing_and_compiling(tmp_path):
    options = ["model=syncnet", "data.root=/nowhere", "trainer.compile=true"]
    line = refused(tmp_path, *options, "trainer.recompute=true")
    assert "leave one of them false" in line


def test_synchronised_norms_without_gpus(tmp_path):
    options = ["model=syncnet", "data.root=/nowhere", "trainer.processes=2"]
    line = refused(tmp_path, *options, "trainer.sync_batchnorm=true")
    assert "trainer.sync_batchnorm=true needs GPUs" in line


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("another model", "that run used another class: LipGAN"),
        ("weights only", "holds weights only, without the training state"),
        ("not a checkpoint", "is damaged, cut short, or not a checkpoint"),
    ],
)
def test_checkpoints_that_cannot_be_continued(tmp_path, content, problem):
    path = tmp_path / "other.ckpt"
    if content == "not a checkpoint":
        path.write_bytes(b"nothing")
    else:
        network = torch.nn.Linear(1, 1)
        network.config = {}
        about = {**architecture(network, "expert."), "class": "LipGAN"}
        torch.save({"lipsync": about} if content == "another model" else {"state_dict": {}}, path)
    line = refused(tmp_path, "model=syncnet", "data.root=/nowhere", f"ckpt_path={path}")
    assert problem in line


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_split_lists_that_are_empty_or_missing(prepared, tmp_path, split):
    root = tmp_path / "set"
    shutil.copytree(prepared / "filelists", root / "filelists")
    (root / "filelists" / f"{split}.txt").write_text("\n")
    options = ["model=syncnet", f"data.root={root}", "test=true"]
    assert f"{split}.txt: the split list is empty" in refused(tmp_path, *options)
    (root / "filelists" / f"{split}.txt").unlink()
    assert f"{split}.txt: no such split list" in refused(tmp_path, *options)


def test_a_damaged_clip_is_one_line_also_from_a_worker(prepared, tmp_path):
    root = tmp_path / "set"
    shutil.copytree(prepared, root)
    for key in ("anna/2", "anna/3", "ben/1"):
        (root / key / "faces.npy").write_bytes(b"cut short")
    options = ["model=syncnet", f"data.root={root}", "data.workers=1", "trainer.batches=2"]
    line = refused(tmp_path, *options)
    assert re.fullmatch(r"\w+/\d: faces.npy cannot be read .*data_prep`", line)
