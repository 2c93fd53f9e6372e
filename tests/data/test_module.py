"""The data module: invalid options, and which process loads what."""

import re
from functools import partial
from types import SimpleNamespace

import pytest
from asked import EXPERT, GENERATOR

from lipsync.data.datasets import Clips, Windows
from lipsync.data.module import ClipDataModule
from lipsync.data.store import write_split
from lipsync.errors import ConfigError


def module(root, inputs=EXPERT, evaluation=Clips, rank=0, world=1, **options):
    numbers = {"batch_size": 2, "eval_batch_size": 1, "batches_per_epoch": 3} | options
    data = ClipDataModule(root, partial(Windows, windows=2), evaluation, image_size=96, **numbers)
    networks = SimpleNamespace(inputs=lambda **_: inputs, check_data=lambda train: None)
    data.trainer = SimpleNamespace(global_rank=rank, world_size=world, lightning_module=networks)
    data.setup("fit")
    data.setup("test")
    return data


@pytest.mark.parametrize(
    ("name", "value", "least"),
    [
        ("batch_size", "ten", 1),
        ("batch_size", 0, 1),
        ("eval_batch_size", None, 1),
        ("val_clips", 0, 1),
        ("val_clips", True, 1),
        ("workers", "two", 0),
        ("workers", 1.5, 0),
    ],
)
def test_numbers_that_cannot_work_are_one_line_before_any_data(tmp_path, name, value, least):
    problem = rf"^data\.{name}={value}: must be a whole number, {least} or more$"
    with pytest.raises(ConfigError, match=problem):
        module(tmp_path, **{name: value})


def test_whole_clips_make_no_batch(prepared):
    with pytest.raises(ConfigError) as error:
        module(prepared, eval_batch_size=4).val_dataloader()
    assert str(error.value) == (
        "data.eval_batch_size=4: whole clips differ in length and cannot be batched; set it to "
        "1, or "
        "data.evaluation.windows to a number"
    )
    data = module(prepared, GENERATOR, partial(Clips, windows=3), eval_batch_size=2)
    batch = next(iter(data.val_dataloader()))
    assert batch["faces"].shape == (2, 3, 5, 96, 96, 3)


def test_processes_share_every_split_without_overlap(make_prepared, tmp_path):
    keys = [f"a/{i}" for i in range(7)]
    root = make_prepared(tmp_path, {"train": keys, "val": keys, "test": keys})
    shares = [module(root, rank=rank, world=3, val_clips=5) for rank in range(3)]
    drawn = shares[0].val.keys
    assert len(drawn) == 5
    for data in shares:
        assert data.val.keys == drawn
    for make, whole in (("val_dataloader", drawn), ("test_dataloader", keys)):
        seen = [key for data in shares for b in getattr(data, make)() for key in b["key"]]
        assert sorted(seen) == whole
    starts = [str(b["key"]) + str(b["start"]) for d in shares for b in d.train_dataloader()]
    assert len(set(starts)) == 9


def test_a_run_that_goes_on_begins_with_the_draws_of_its_epoch(prepared):
    data = module(prepared)  # of three batches an epoch
    data.trainer.lightning_module.batches_done = 6
    saved, data = data.state_dict(), module(prepared)
    data.load_state_dict(saved)
    assert list(data.train_dataloader().sampler) == list(range(12, 18))


def test_speakers_left_out_are_the_test(make_prepared, tmp_path):
    splits = {"train": ["a/0", "a/1", "b/2", "c/3"], "val": ["a/4", "b/5"], "test": ["c/6", "a/7"]}
    root = make_prepared(tmp_path, splits)
    data = module(root, leave_out=["b"])
    assert data.train.keys == ["a/0", "a/1", "c/3"]
    assert data.val.keys == ["a/4"]
    assert data.test.keys == ["b/2", "b/5"]
    with pytest.raises(
        ConfigError,
        match=r"data.leave_out=z: .* has no such speaker; its speakers: a, b",
    ):
        module(root, leave_out=["z"])
    with pytest.raises(
        ConfigError,
        match=r"no other speaker is in the split val .* fewer speakers",
    ):
        module(root, leave_out=["a", "b"])


def test_a_clip_in_two_splits_is_an_error_and_shared_speakers_are_logged(
    make_prepared, tmp_path, caplog
):
    splits = {"train": ["a/0", "b/1", "c/2"], "val": ["a/3", "d/4"], "test": ["b/5", "c/6"]}
    data = module(make_prepared(tmp_path, splits))
    with caplog.at_level("INFO", "lipsync.data"):
        data.check_splits(["train", "val"])
    assert caplog.messages == [
        "speakers: train 3; val 2, 1 of them in train; test 2, 2 of them in train"
    ]
    write_split(tmp_path, "test", ["b/5", "b/1", "a/0"])
    problem = f"{tmp_path}: 2 clips are listed in both train and test, the first is a/0; take them"
    with pytest.raises(ConfigError, match=re.escape(problem)):
        data.check_splits(["train", "val"])
    (tmp_path / "filelists/test.txt").unlink()
    data.check_splits(["train", "val"])


def test_more_processes_than_samples(prepared):
    problem = r"1 evaluation samples cannot be divided among 3 processes; use fewer"
    with pytest.raises(ConfigError, match=problem):
        module(prepared, world=3).test_dataloader()


def test_workers_load_the_same_and_stay_for_the_next_validation(prepared):
    alone, helped = module(prepared), module(prepared, workers=2)
    loader = helped.val_dataloader()
    for _ in range(2):
        assert [b["key"] for b in loader] == [b["key"] for b in alone.val_dataloader()]
    assert loader.persistent_workers
