"""The command line of training: what users type, in processes of its own."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from lipsync.checkpoints import save_model
from lipsync.models import SyncNet
from lipsync.training.folder import set_aside
from lipsync.training.settings import resolve_precision, split_batches

REPOSITORY = Path(__file__).parents[2]


ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def command(*options: object) -> list[str]:
    return [sys.executable, str(REPOSITORY / "train.py"), *map(str, options)]


def train(*options: object, cwd: Path = REPOSITORY) -> subprocess.CompletedProcess:
    return subprocess.run(
        command(*options), cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True
    )


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


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ("model.loss.snyc=1", "Could not override 'model.loss.snyc'"),
        ("model=wavlip", "Could not find 'model/wavlip'"),
        ("trainer.batches=many", "trainer.batches=many: must be a whole number"),
    ],
)
def test_misspelt_options_are_one_line(tmp_path, option, problem):
    done = train(option, "data=folder", "data.root=/nowhere", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert problem in done.stderr


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

    assert_same_weights(undisturbed, tmp_path)


def assert_same_weights(*runs: Path) -> None:
    one, other = (
        torch.load(path / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for path in runs
    )
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


@pytest.mark.slow
def test_ten_kills_at_random_moments_change_nothing(prepared, tmp_path):
    """Generator, discriminator, moving average, accumulation: all of it comes back."""
    options = [*tiny(prepared, tmp_path), "model=wav2lip", "data.batch_size=2"]
    options += ["size.generator.width=0.1", "size.generator.depth=0"]
    options += ["size.discriminator.width=0.1", "model.sync_threshold=null"]
    options += ["trainer.batches=240", "trainer.val_every=4", "data.eval_batch_size=8"]
    options += ["trainer.ema=0.9", "trainer.accumulate=2", "trainer.clip=1.0"]
    options += ["callbacks.pictures=null", "callbacks.video=null"]
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    whole = train(*options, f"hydra.run.dir={undisturbed}")
    assert whole.returncode == 0, whole.stderr

    last, chance, kills = killed / "checkpoints" / "last.ckpt", random.Random(0), 0
    while kills < 10:
        resume = ["ckpt_path=last"] if last.is_file() else []
        before = last.stat().st_mtime_ns if resume else 0
        run = subprocess.Popen(
            command(*options, f"hydra.run.dir={killed}", *resume),
            env=ENVIRONMENT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while run.poll() is None and (not last.is_file() or last.stat().st_mtime_ns == before):
            time.sleep(0.01)  # until it has come further than the one before
        time.sleep(chance.uniform(0, 0.5))
        if run.poll() is not None:
            break  # it has come to its end before it could be killed
        run.send_signal(signal.SIGKILL)
        run.wait()
        kills += 1
    assert kills == 10
    end = train(*options, f"hydra.run.dir={killed}", "ckpt_path=last")
    assert end.returncode == 0, end.stderr
    assert_same_weights(undisturbed, killed)


def test_a_checkpoint_of_another_run_is_not_continued(prepared, tmp_path):
    assert train(*tiny(prepared, tmp_path), "model=syncnet", "trainer.batches=1").returncode == 0
    checkpoint = f"ckpt_path={tmp_path / 'checkpoints' / 'last.ckpt'}"
    done = train(
        *tiny(prepared, tmp_path / "next"), "model=syncnet", "size.expert.width=0.2", checkpoint
    )
    assert done.returncode == 2
    assert "the run there was of another config" in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_to_continue_is_one_line(prepared, tmp_path):
    done = train(*tiny(prepared, tmp_path), "model=syncnet", "ckpt_path=last")
    assert done.returncode == 2
    assert "there is no checkpoint" in done.stderr


def test_batches_are_split_into_equal_epochs():
    assert split_batches(1000, 1000) == (1, 1000)
    assert split_batches(1200, 500) == (3, 400)
    assert split_batches(10, 1000) == (1, 10)


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
