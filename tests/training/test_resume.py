"""Resumed runs: exactly, in a moved folder, not with other settings; and the files they leave."""

import json
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import forked
import pytest
import torch
from test_modules import generator_data, generator_module
from test_run import ENVIRONMENT, REPOSITORY, command, tiny, train
from tiny import trainer

from lipsync.training import terms
from lipsync.training.folder import move_earlier_run


def test_training_can_be_continued(prepared, tmp_path):
    options = [*tiny(prepared, tmp_path), "model=syncnet", "trainer.val_every=2"]
    options += ["model.schedule.warmup=0", "model.schedule.final=1.0"]  # constant learning rate
    undisturbed = tmp_path / "whole"
    assert train(*options, f"hydra.run.dir={undisturbed}", "trainer.batches=4").returncode == 0

    first = train(*options, "trainer.batches=2")
    assert first.returncode == 0, first.stderr
    # a loader process has its draws before Lightning sets the epoch
    second = train(*options, "trainer.batches=4", "ckpt_path=last", "data.workers=1")
    assert second.returncode == 0, second.stderr

    assert_same_weights(undisturbed, tmp_path)


@pytest.mark.slow
def test_a_schedule_of_another_length_says_what_becomes_of_the_rate(prepared, tmp_path):
    options = [*tiny(prepared, tmp_path), "model=syncnet", "trainer.val_every=2"]
    options += ["++model.schedule.warmup=1", "model.optimizer.lr=0.001", "callbacks.pictures=null"]
    undisturbed = tmp_path / "whole"
    whole = train(*options, f"hydra.run.dir={undisturbed}", "trainer.batches=4")
    assert whole.returncode == 0, whole.stderr
    longer = [*options, "trainer.batches=4", "ckpt_path=last"]

    assert train(*options, "trainer.batches=2").returncode == 0
    shutil.copytree(tmp_path / "checkpoints", tmp_path / "kept")
    changed = train(*longer)
    assert changed.returncode == 0, changed.stderr
    says = "the schedule of this run was"
    (line,) = (line for line in changed.stdout.splitlines() if says in line)
    # 1 of 3 steps along the cosine from 1 to 0.02: 0.02 + 0.98 (1 + cos(pi / 3)) / 2
    assert (
        "was 2 batches long and is now 4: at batch 2 the learning rate changes from 2e-05 to "
        in line
    )

    shutil.copytree(tmp_path / "kept", tmp_path / "checkpoints", dirs_exist_ok=True)
    kept = train(*longer, "trainer.schedule_batches=2")
    assert kept.returncode == 0, kept.stderr
    assert says not in kept.stdout
    last = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["optimizer_states"][0]["param_groups"][0]["lr"] == pytest.approx(2e-5)
    assert last["schedule_batches"] == 2

    planned = [*options, f"hydra.run.dir={tmp_path / 'planned'}", "trainer.schedule_batches=4"]
    assert train(*planned, "trainer.batches=2").returncode == 0
    assert train(*planned, "trainer.batches=4", "ckpt_path=last").returncode == 0
    assert_same_weights(undisturbed, tmp_path / "planned")


def assert_same_weights(*runs: Path) -> None:
    one, other = (
        torch.load(path / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for path in runs
    )
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


@pytest.mark.slow
def test_ten_kills_at_random_moments_change_nothing(prepared, tmp_path):
    """Generator, discriminator, moving average, accumulation: everything is restored."""
    options = [*tiny(prepared, tmp_path), "model=wav2lip", "data.batch_size=2"]
    options += ["size.generator.width=0.1", "size.generator.depth=0"]
    options += ["size.discriminator.width=0.1", "model.terms.sync.threshold=null"]
    options += ["trainer.batches=160", "trainer.val_every=4", "data.eval_batch_size=8"]
    options += ["trainer.ema=0.9", "trainer.accumulate=2", "trainer.clip=1.0"]
    options += ["callbacks.pictures=null", "callbacks.video=null"]
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    whole = train(*options, f"hydra.run.dir={undisturbed}")
    assert whole.returncode == 0, whole.stderr

    last, chance, kills = killed / "checkpoints" / "last.ckpt", random.Random(0), 0
    while kills < 10:
        resume = ["ckpt_path=last"] if last.is_file() else []
        before = last.stat().st_mtime_ns if resume else 0
        line = [*options, f"hydra.run.dir={killed}", *resume]
        run = forked.start(REPOSITORY / "train.py", *line, env=ENVIRONMENT)
        while run.is_alive() and (not last.is_file() or last.stat().st_mtime_ns == before):
            time.sleep(0.01)  # until it is further than the one before
        time.sleep(chance.uniform(0, 0.25))
        if not run.is_alive():
            break  # it finished before it could be killed
        run.kill()
        run.join()
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
    assert "that run used another config: width 0.1 there, 0.2 here; repeat" in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_to_continue_is_one_line(prepared, tmp_path):
    done = train(*tiny(prepared, tmp_path), "model=syncnet", "ckpt_path=last")
    assert done.returncode == 2
    assert "no checkpoint" in done.stderr


def test_a_run_goes_on_in_epochs_as_long_as_they_were(prepared, tmp_path):
    options = [*tiny(prepared, tmp_path), "model=syncnet"]
    assert train(*options, "trainer.batches=2", "trainer.val_every=2").returncode == 0
    longer = [*options, "trainer.batches=6", "ckpt_path=last"]
    done = train(*longer, "trainer.val_every=3")
    assert done.returncode == 2
    assert "every 2 batches, this one every 3; set trainer.val_every=2" in done.stderr
    assert (tmp_path / "checkpoints" / "last.ckpt").is_file()
    assert not list(tmp_path.glob("earlier-*"))


def test_a_moved_run_keeps_its_best_score(prepared, tmp_path):
    options = ["model=syncnet", "trainer.val_every=1"]
    first = train(*tiny(prepared, tmp_path / "a"), *options, "trainer.batches=1")
    assert first.returncode == 0, first.stderr
    (tmp_path / "a").rename(tmp_path / "b")
    unbeatable = edit_best(tmp_path / "b" / "checkpoints" / "last.ckpt")
    second = train(*tiny(prepared, tmp_path / "b"), *options, "trainer.batches=2", "ckpt_path=last")
    assert second.returncode == 0, second.stderr
    assert f"{unbeatable:.4f} in {tmp_path / 'b' / 'checkpoints' / 'best.ckpt'}" in second.stdout

    other = train(
        *tiny(prepared, tmp_path / "c"), *options, "trainer.batches=2",
        f"ckpt_path={tmp_path / 'b' / 'checkpoints' / 'last.ckpt'}",
    )  # fmt: skip
    assert other.returncode == 2
    assert "that run is complete; raise trainer.batches" in other.stderr
    assert "Traceback" not in other.stderr


def edit_best(path: Path) -> float:
    """Set the best score so far to one that no validation can reach."""
    checkpoint = torch.load(path, weights_only=True)
    (state,) = (s for s in checkpoint["callbacks"].values() if s.get("monitor"))
    better = 9.0 if state["monitor"] == "val/off_sync_accuracy" else -9.0
    state["best_model_score"] = torch.tensor(better)
    state["best_k_models"] = dict.fromkeys(state["best_k_models"], state["best_model_score"])
    state["kth_value"] = state["best_model_score"]
    torch.save(checkpoint, path)
    return better


def test_the_sync_weight_can_be_forced_on_in_a_run_that_waits_for_it(prepared, tmp_path):
    run, waiting = trainer(tmp_path), generator_module(sync=terms.Sync(threshold=1e-9))
    run.fit(waiting, generator_data(prepared))
    run.save_checkpoint(tmp_path / "x.ckpt")
    assert waiting.weights(2)["sync"] == 0.0
    forced = generator_module(sync=terms.Sync(threshold=None))
    run = trainer(tmp_path, max_epochs=2)
    run.fit(forced, generator_data(prepared), ckpt_path=tmp_path / "x.ckpt", weights_only=True)
    assert forced.weights(2)["sync"] == 0.3


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_run_that_is_told_to_stop_exits_with_the_signal_s_code(prepared, tmp_path, sent, code):
    options = [*tiny(prepared, tmp_path), "model=syncnet", "trainer.batches=100000"]
    process = subprocess.Popen(
        command(*options, "trainer.val_every=2"),
        env=ENVIRONMENT,
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while not (tmp_path / "checkpoints" / "last.ckpt").is_file():
            assert process.poll() is None
            time.sleep(0.2)
        process.send_signal(sent)
        _, errors = process.communicate(timeout=120)
    finally:
        process.kill()  # leaves no training process if the test fails
    assert process.returncode == code, errors
    assert "Traceback" not in errors


def test_an_earlier_run_is_kept(tmp_path):
    for take in ("first", "second"):
        move_earlier_run(tmp_path)
        (tmp_path / "checkpoints").mkdir()
        (tmp_path / "checkpoints" / "last.ckpt").write_text(take)
    move_earlier_run(tmp_path)
    kept = [tmp_path / f"earlier-{i}" / "checkpoints" / "last.ckpt" for i in (1, 2)]
    assert [path.read_text() for path in kept] == ["first", "second"]


def test_runs_set_aside_are_numbered_on_and_take_their_numbers_along(tmp_path):
    (tmp_path / "earlier-2").mkdir()
    (tmp_path / "test.json").write_text(json.dumps({"test/bce": 0.5}))
    move_earlier_run(tmp_path)
    assert (tmp_path / "earlier-3" / "test.json").is_file()
    assert not (tmp_path / "test.json").exists()
