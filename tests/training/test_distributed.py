"""Two processes under DDP (gloo) give the same results as one."""

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import forked
import pytest
import torch
from test_modules import generator_module
from test_run import ENVIRONMENT, REPOSITORY, command, tiny, train

from lipsync.data.datasets import Clips
from lipsync.data.module import ClipDataModule
from lipsync.errors import ConfigError

SCRIPT = Path(__file__).with_name("two_processes.py")


def run_script(*arguments: object, script: Path = SCRIPT, processes: int = 1) -> None:
    """Run a script, in two processes as torchrun starts it."""
    job = {
        "TORCHELASTIC_RUN_ID": "0",
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": str(forked.free_port()),
        "WORLD_SIZE": str(processes),
        "GROUP_RANK": "0",
    }
    ranks = [{"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(processes)]
    jobs = [job | rank for rank in ranks] if processes > 1 else [{}]
    run_beside(jobs, script, *arguments)


def run_beside(jobs: list[dict[str, str]], *words: object) -> None:
    """Run one command in several environments at the same time."""
    with ThreadPoolExecutor() as pool:
        for done in pool.map(lambda job: forked.run(*words, env=ENVIRONMENT | job), jobs):
            assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("model", "networks"), [("syncnet", 1), ("wav2lip", 2), ("lipgan", 2)])
def test_gradients_and_numbers_of_two_processes_are_those_of_one(
    make_prepared, tmp_path, model, networks
):
    splits = {"train": ["a/1", "a/2", "b/1", "b/2"], "val": ["a/3", "b/3", "b/4"]}  # val is odd
    root = make_prepared(tmp_path / "set", splits)
    run_script(model, root, tmp_path / "one.pt", 1, 4)
    run_script(model, root, tmp_path / "two.pt", 2, 2, processes=2)
    one, two = (torch.load(tmp_path / f"{n}.pt", weights_only=True) for n in ("one", "two"))
    assert len(one["gradients"]) == len(two["gradients"]) == networks
    for alone, shared in zip(one["gradients"], two["gradients"], strict=True):
        assert (alone - shared).abs().max() < 1e-5
        assert alone.abs().max() > 1e-3
    assert one["numbers"].keys() == two["numbers"].keys()
    for name, value in one["numbers"].items():
        assert two["numbers"][name] == pytest.approx(value, abs=1e-4), name


@pytest.mark.slow
def test_accumulated_gradients_are_exchanged_once_a_step(make_prepared, tmp_path):
    splits = {"train": ["a/1", "a/2", "b/1", "b/2"], "val": ["a/3", "b/3", "b/4"]}
    root = make_prepared(tmp_path / "set", splits)
    run_script("wav2lip", root, tmp_path / "one.pt", 1, 4, 2)
    run_script("wav2lip", root, tmp_path / "two.pt", 2, 2, 2, processes=2)
    run_script("wav2lip", root, tmp_path / "plain.pt", 2, 2, 1, processes=2)
    one, two, plain = (
        torch.load(tmp_path / f"{n}.pt", weights_only=True) for n in ("one", "two", "plain")
    )
    for alone, shared in zip(one["gradients"], two["gradients"], strict=True):
        assert (alone - shared).abs().max() < 1e-5
        assert alone.abs().max() > 1e-3
    assert two["exchanges"] == plain["exchanges"] > 0


def test_norms_have_the_same_statistics_in_both_processes(prepared, tmp_path):
    run_script(prepared, tmp_path, script=SCRIPT.with_name("equal_buffers.py"), processes=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    assert [name for name, _ in first].count("validated") == 2
    for (name, one), (_, other) in zip(first, second, strict=True):
        for part, statistics in one.items():
            assert statistics
            same = [torch.equal(value, other[part][key]) for key, value in statistics.items()]
            if name == "trained":
                assert part == "average" or not any(same)
            else:
                assert all(same), (name, part)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["wav2lip", "lipgan"])  # syncnet: below
def test_generators_train_in_two_processes(prepared, tmp_path, model):
    options = [*tiny(prepared, tmp_path), f"model={model}", "trainer.processes=2"]
    options += ["trainer.batches=2", "trainer.val_every=2", "data.batch_size=2"]
    options += ["size.generator.width=0.1", "size.generator.depth=0"]
    options += ["size.discriminator.width=0.1"]
    done = train(*options)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "checkpoints" / "last.ckpt").is_file()
    assert not list(tmp_path.glob("earlier-*"))


def small(prepared: Path, output: Path) -> list[str]:
    """A run of two batches in two processes with an external launcher."""
    options = [*tiny(prepared, output), "model=syncnet", "trainer.processes=2"]
    return [*options, "trainer.batches=2", "trainer.val_every=2", "data.batch_size=2"]


@pytest.mark.slow
def test_torchrun_starts_the_processes(prepared, tmp_path):
    starter = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    starter += ["--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0"]
    line = [*starter, *command(*small(prepared, tmp_path))[1:]]
    done = subprocess.run(line, env=ENVIRONMENT, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "checkpoints" / "last.ckpt").is_file()
    assert not list(tmp_path.glob("earlier-*"))


@pytest.mark.slow
def test_slurm_starts_the_processes(prepared, tmp_path):
    """As ``srun --ntasks 2`` does: one process per task, which gets its rank."""
    job = {
        "SLURM_JOB_ID": "1",
        "SLURM_JOB_NAME": "train",
        "SLURM_NTASKS": "2",
        "SLURM_NTASKS_PER_NODE": "2",
        "SLURM_NODEID": "0",
        "SLURM_NODELIST": "localhost",
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": str(forked.free_port()),
    }
    tasks = [job | {"SLURM_PROCID": str(i), "SLURM_LOCALID": str(i)} for i in range(2)]
    run_beside(tasks, REPOSITORY / "train.py", *small(prepared, tmp_path))
    assert (tmp_path / "checkpoints" / "last.ckpt").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_that_fails_says_why_and_ends_the_other(prepared, tmp_path, rank):
    options = [*small(prepared, tmp_path), "trainer.batches=4", "model.augment=null"]
    options += ["model._target_=planted.SilentProcess"]
    planted = {"PYTHONPATH": str(SCRIPT.parent), "PLANTED_IN": str(rank)}
    done = subprocess.run(
        command(*options),
        env=ENVIRONMENT | planted,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=300,
    )
    # Lightning checks for failed processes every five seconds, and then kills the first one.
    assert done.returncode == 2 or (rank == 1 and done.returncode == -signal.SIGKILL)
    assert "Traceback" not in done.stderr
    assert "error: batch 1: the loss is nan; its clips: " in done.stderr


def test_evaluation_sets_are_shared_out_whole(make_prepared, tmp_path):
    class Place:
        def __init__(self, rank, world):
            self.global_rank, self.world_size = rank, world

    root = make_prepared(tmp_path, {"val": [f"a/{i}" for i in range(8)]})
    module = generator_module()

    def keys(rank, world):
        data = ClipDataModule(
            root, None, partial(Clips, windows=2), image_size=96, batch_size=1, eval_batch_size=2,
            batches_per_epoch=1,
        )  # fmt: skip
        data.trainer = Place(rank, world)
        data.trainer.lightning_module = module
        data.setup("validate")
        return [key for batch in data.val_dataloader() for key in batch["key"]]

    alone = keys(0, 1)
    shared = [window for rank in range(3) for window in keys(rank, 3)]
    assert sorted(shared) == sorted(alone)
    assert len(set(alone)) == len(alone) == 8
    with pytest.raises(ConfigError, match="8 evaluation samples cannot be divided among 9"):
        keys(0, 9)
