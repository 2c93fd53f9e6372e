"""Two processes under DDP (gloo) do what one does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from test_run import tiny, train

from lipsync.data.datasets import GeneratorClips
from lipsync.data.module import ClipDataModule
from lipsync.errors import ConfigError

SCRIPT = Path(__file__).with_name("two_processes.py")


def run_script(*arguments: object) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_gradients_and_numbers_of_two_processes_are_those_of_one(make_prepared, tmp_path):
    splits = {"train": ["a/1", "a/2", "b/1", "b/2"], "val": ["a/3", "b/3", "b/4"]}  # val is odd
    root = make_prepared(tmp_path / "set", splits)
    run_script(root, tmp_path / "one.pt", 1, 4)
    run_script(root, tmp_path / "two.pt", 2, 2)
    one, two = (torch.load(tmp_path / f"{n}.pt", weights_only=True) for n in ("one", "two"))
    assert (one["gradient"] - two["gradient"]).abs().max() < 1e-5
    assert one["gradient"].abs().max() > 1e-3
    assert one["numbers"].keys() == two["numbers"].keys()
    for name, value in one["numbers"].items():
        assert two["numbers"][name] == pytest.approx(value, abs=1e-4), name


@pytest.mark.slow
@pytest.mark.parametrize("model", ["syncnet", "wav2lip", "lipgan"])
def test_every_model_trains_in_two_processes(prepared, tmp_path, model):
    options = [*tiny(prepared, tmp_path), f"model={model}", "trainer.processes=2"]
    options += ["trainer.batches=2", "trainer.val_every=2", "data.batch_size=2"]
    options += ["size.generator.width=0.1", "size.generator.depth=0"]
    options += ["size.discriminator.width=0.1"]
    done = train(*options)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "checkpoints" / "last.ckpt").is_file()
    assert not list(tmp_path.glob("earlier-*"))


def test_evaluation_sets_are_shared_out_whole(prepared):
    class Place:
        def __init__(self, rank, world):
            self.global_rank, self.world_size = rank, world

    def keys(rank, world):
        data = ClipDataModule(
            prepared, None, GeneratorClips, image_size=96, batch_size=1, eval_batch_size=2,
            batches_per_epoch=1,
        )  # fmt: skip
        data.trainer = Place(rank, world)
        data.setup("validate")
        return [
            (key, int(start))
            for batch in data.val_dataloader()
            for key, start in zip(batch["key"], batch["start"], strict=True)
        ]

    alone = keys(0, 1)
    shared = [window for rank in range(3) for window in keys(rank, 3)]
    assert sorted(shared) == sorted(alone)
    assert len(set(alone)) == len(alone) == 8
    with pytest.raises(ConfigError, match="8 samples to evaluate on cannot be shared out among 9"):
        keys(0, 9)
