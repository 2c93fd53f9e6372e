"""The command line of training: what users type, in processes of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lipsync.checkpoints import save_model
from lipsync.errors import ConfigError
from lipsync.models import SyncNet
from lipsync.training.run import resolve_precision, set_aside, split_batches

REPOSITORY = Path(__file__).parents[2]


def train(*options: object, cwd: Path = REPOSITORY) -> subprocess.CompletedProcess:
    command = [sys.executable, str(REPOSITORY / "train.py"), *map(str, options)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


def tiny(prepared: Path, output: Path) -> list[str]:
    return [
        "data=folder",
        f"data.root={prepared}",
        "data.workers=0",
        "size.expert.width=0.1",
        "size.expert.depth=0",
        f"hydra.run.dir={output}",
        "callbacks.progress=null",
    ]


def test_more_gpus_than_present_is_one_line_before_any_data(tmp_path):
    done = train(
        "model=wav2lip", "trainer.gpus=4", "data=folder", "data.root=/nowhere", cwd=tmp_path
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "4 CUDA devices asked for, 0 found" in done.stderr


def test_missing_data_root_is_one_line(tmp_path):
    done = train("model=syncnet", "data=folder", f"hydra.run.dir={tmp_path}")
    assert done.returncode == 2
    assert "data.root" in done.stderr
    assert "Traceback" not in done.stderr


def test_data_that_are_not_there_are_named(tmp_path):
    done = train("model=syncnet", "data=folder", "data.root=/nowhere", f"hydra.run.dir={tmp_path}")
    assert done.returncode == 2
    assert "/nowhere/filelists/train.txt: no such split list" in done.stderr


def test_weights_of_another_network_are_one_line_before_any_data(tmp_path):
    save_model(SyncNet(96, 0.1, 0), tmp_path / "expert.safetensors")
    weights = f"model.init_from={tmp_path / 'expert.safetensors'}"
    options = ["data=folder", "data.root=/nowhere", f"hydra.run.dir={tmp_path}"]
    done = train("model=lipgan", weights, *options)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "expert.safetensors: holds a SyncNet, training begins from a LipGAN" in done.stderr


@pytest.mark.slow
def test_training_can_be_continued(prepared, tmp_path):
    constant = "model.schedule._target_=lipsync.training.optim.constant"
    options = [*tiny(prepared, tmp_path), "model=syncnet", "trainer.val_every=2", constant]
    undisturbed = tmp_path / "whole"
    assert train(*options, f"hydra.run.dir={undisturbed}", "trainer.batches=4").returncode == 0

    first = train(*options, "trainer.batches=2")
    assert first.returncode == 0, first.stderr
    second = train(*options, "trainer.batches=4", "ckpt_path=last")
    assert second.returncode == 0, second.stderr

    states = [
        torch.load(path / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for path in (undisturbed, tmp_path)
    ]
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name


def test_nothing_to_continue_is_one_line(prepared, tmp_path):
    done = train(*tiny(prepared, tmp_path), "model=syncnet", "ckpt_path=last")
    assert done.returncode == 2
    assert "there is no checkpoint" in done.stderr


def test_batches_are_split_into_equal_epochs():
    assert split_batches(1000, 1000) == (1, 1000)
    assert split_batches(1200, 500) == (3, 400)
    assert split_batches(10, 1000) == (1, 10)
    with pytest.raises(ConfigError, match="must be at least 1"):
        split_batches(0, 5)


def test_precision_is_left_alone_when_given():
    assert resolve_precision("32-true", on_gpu=False) == "32-true"
    assert resolve_precision("auto", on_gpu=False) in ("bf16-mixed", "32-true")


def test_an_earlier_run_is_kept(tmp_path):
    for take in ("first", "second"):
        set_aside(tmp_path)
        (tmp_path / "checkpoints").mkdir()
        (tmp_path / "checkpoints" / "last.ckpt").write_text(take)
    set_aside(tmp_path)
    kept = [tmp_path / f"earlier-{i}" / "checkpoints" / "last.ckpt" for i in (1, 2)]
    assert [path.read_text() for path in kept] == ["first", "second"]
