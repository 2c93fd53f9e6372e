"""The command line of training, as separate processes."""

import os
import subprocess
import sys
from pathlib import Path
from subprocess import CompletedProcess

import forked
import pytest

from lipsync.checkpoints import save_model
from lipsync.models import SyncNet
from lipsync.training.settings import resolve_precision, split_batches

REPOSITORY = Path(__file__).parents[2]


ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def command(*options: object) -> list[str]:
    return [sys.executable, str(REPOSITORY / "train.py"), *map(str, options)]


def train(
    *options: object, cwd: Path = REPOSITORY, env: dict[str, str] = ENVIRONMENT
) -> CompletedProcess[str]:
    return forked.run(REPOSITORY / "train.py", *options, cwd=cwd, env=env)


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
    line = command("model=wav2lip", "trainer.gpus=4", "data=folder", "data.root=/nowhere")
    done = subprocess.run(line, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "4 CUDA devices asked for, 0 found" in done.stderr


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ("model.loss.snyc=1", "no option model.loss.snyc; did you mean model.loss.sync?"),
        ("~model.loss.snyc", "no option model.loss.snyc; did you mean model.loss.sync?"),
        ("hydra.run.dirr=x", "no option hydra.run.dirr; did you mean hydra.run.dir?"),
        ("experimant=first_expert", "no option experimant; did you mean experiment?"),
        ("lr=1e-3", "no option lr; did you mean model.optimizer.lr?"),
        ("feature=mel", "no option feature; did you mean feature@model.generator.feature?"),
        ("model=wavlip", "syncnet, wav2lip; did you mean wav2lip?\n"),
        ("experiment=nope", "experiment=nope: must be one of adapt, "),
        ("trainer.batches=many", "trainer.batches=many: must be a whole number"),
    ],
)
def test_misspelt_options_are_one_line(tmp_path, option, problem):
    done = train(option, "data=folder", "data.root=/nowhere", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert problem in done.stderr


@pytest.mark.parametrize(
    ("option", "line"),
    [
        (
            "+model.los.sync=1",  # which is passed on to a base class
            "no option model.los, as lipsync.training.ExpertTraining has no such argument; "
            "did you mean model.loss?",
        ),
        (
            "+model.expert.widht=1",
            "no option model.expert.widht, as lipsync.models.SyncNet has no such argument; "
            "did you mean model.expert.width?",
        ),
        (
            "+data.train.windws=1",  # which is called only later
            "no option data.train.windws, as lipsync.data.datasets.Windows has no such argument; "
            "did you mean data.train.windows?",
        ),
    ],
)
def test_arguments_that_a_part_does_not_have_are_one_line(tmp_path, option, line):
    run = f"hydra.run.dir={tmp_path / 'run'}"
    done = train("model=syncnet", option, "data=folder", "data.root=/no", run)
    assert done.stderr == f"error: {line}\n"
    assert done.returncode == 2
    assert not (tmp_path / "run").exists()


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
    assert "expert.safetensors: holds a SyncNet, but this training needs a LipGAN" in done.stderr


def test_batches_are_split_into_equal_epochs():
    assert split_batches(1000, 1000) == (1, 1000)
    assert split_batches(1200, 500) == (3, 400)
    assert split_batches(10, 1000) == (1, 10)
    assert split_batches(1200, 500, accumulate=3) == (3, 402)  # no step is interrupted


def test_precision_is_left_alone_when_given():
    assert resolve_precision("32-true", on_gpu=False) == "32-true"
    assert resolve_precision("auto", on_gpu=False) in ("bf16-mixed", "32-true")
