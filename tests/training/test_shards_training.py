"""Training from shards in a bucket: two processes with two loader workers each."""

import os
import random
import signal
import subprocess
import time

import pytest
from test_resume import assert_same_weights
from test_run import ENVIRONMENT, REPOSITORY, command, tiny

from data_prep.convert import convert


@pytest.fixture(scope="module")
def bucket(prepared, s3) -> str:
    convert(prepared, "s3://open/training", "shards", clips=2, workers=0, progress=False)
    return "s3://open/training"


@pytest.mark.slow
def test_a_run_that_is_killed_within_an_epoch_comes_to_the_same_weights(bucket, s3, tmp_path):
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    options = ["model=wav2lip", "trainer.processes=2", "data.batch_size=2"]
    options += ["size.generator.width=0.1", "size.generator.depth=0", "model.discriminator=null"]
    options += ["trainer.batches=12", "trainer.val_every=4", "data.eval_batch_size=2"]
    options += ["callbacks.pictures=null", "callbacks.video=null"]
    options += [f"data.shards.cache={tmp_path / 'node'}"]

    def start(output, *more) -> subprocess.Popen:
        line = [*tiny(bucket, output), *options, "data.workers=2", *more]
        return subprocess.Popen(
            command(*line), env=ENVIRONMENT | s3, cwd=REPOSITORY, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def finish(run: subprocess.Popen) -> None:
        _, errors = run.communicate(timeout=900)
        assert run.returncode == 0, errors

    finish(start(undisturbed))
    last = killed / "checkpoints" / "last.ckpt"
    run = start(killed)
    while not last.is_file():  # wait for the end of the first epoch
        assert run.poll() is None, run.communicate()[1]
        time.sleep(0.02)
    time.sleep(random.Random(1).uniform(0.3, 0.8))  # kill it in the second
    assert run.poll() is None
    os.killpg(run.pid, signal.SIGKILL)  # both processes, and their workers
    run.communicate()
    finish(start(killed, "ckpt_path=last"))
    for log in (*undisturbed.glob("*.log"), *killed.glob("*.log")):
        assert "is taken" not in log.read_text(), log.read_text()
    assert_same_weights(undisturbed, killed)
    assert list((tmp_path / "node").rglob("*-*"))
    assert not list(killed.glob("earlier-*"))
