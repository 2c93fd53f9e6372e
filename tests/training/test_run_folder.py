"""What a run leaves in its folder: its own config and log, and those of earlier runs."""

import logging
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from test_run import tiny, train

from lipsync.run_log import RunLog, open_run_logs
from lipsync.training.sweep import read_sweep

QUICK = ["model=syncnet", "data.batch_size=2", "trainer.batches=2", "trainer.val_every=2"]
QUICK += ["callbacks.pictures=null", "logger.tensorboard=null"]


def overrides(run: Path) -> list[str]:
    return [str(text) for text in OmegaConf.load(run / ".hydra" / "overrides.yaml")]


def contents(run: Path) -> dict[str, bytes]:
    return {str(path.relative_to(run)): path.read_bytes() for path in files(run)}


def files(run: Path) -> list[Path]:
    return sorted(path for path in run.rglob("*") if path.is_file())


def test_every_run_of_a_name_keeps_its_config_and_its_log(prepared, tmp_path):
    options = [*tiny(prepared, tmp_path), *QUICK]
    for seed in (11, 22):
        done = train(*options, f"seed={seed}")
        assert done.returncode == 0, done.stderr
    earlier = tmp_path / "earlier-1"
    for run, seed, mine in ((earlier, 11, "was moved"), (tmp_path, 22, "")):
        assert f"seed={seed}" in overrides(run)
        assert OmegaConf.load(run / ".hydra" / "config.yaml").seed == seed
        assert OmegaConf.load(run / ".hydra" / "hydra.yaml").hydra.job.name == "train"
        text = (run / "train.log").read_text()
        assert text.count("M parameters") == text.count("INFO best ") == 1
        assert not mine or mine not in text
    assert "was moved to earlier-1" in (tmp_path / "train.log").read_text()
    assert [run.path for run in read_sweep(tmp_path)] == [tmp_path]


def test_a_run_that_is_refused_changes_nothing(prepared, tmp_path):
    options = [*tiny(prepared, tmp_path / "run"), *QUICK]
    done = train(*options)
    assert done.returncode == 0, done.stderr
    before = contents(tmp_path / "run")
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    new = f"hydra.run.dir={tmp_path / 'new'}"
    for refused in (
        ["trainer.batches=0"],
        ["ckpt_path=last", "size.expert.width=0.2"],
        ["+callbacks.best.monitr=val/score"],
        ["+logger.csv.folder=x"],
        [new, "trainer.batches=0"],
        [new, "ckpt_path=last"],
        [new, f"ckpt_path={last}"],  # which is complete
        [new, "data.root=/nowhere"],
    ):
        done = train(*options, *refused)
        assert done.returncode == 2, done.stderr
        assert contents(tmp_path / "run") == before, refused
        assert not (tmp_path / "new").exists(), refused
    done = train("-m", *options, f"hydra.sweep.dir={tmp_path / 'sweep'}", "trainer.batches=0,2")
    assert done.returncode == 2
    assert not (tmp_path / "sweep" / "0").exists()
    assert "trainer.batches=2" in overrides(tmp_path / "sweep" / "1")


def test_a_resumed_run_goes_on_in_its_log_and_keeps_other_options_of_before(prepared, tmp_path):
    options = [*tiny(prepared, tmp_path), *QUICK]
    longer = ["ckpt_path=last", "trainer.batches=4"]
    for more in ([], ["ckpt_path=last"], longer, longer):
        done = train(*options, *more)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "train.log").read_text().count("M parameters") == 4
    assert not list(tmp_path.glob("earlier-*"))
    assert overrides(tmp_path)[-2:] == longer
    assert [path.name for path in (tmp_path / ".hydra").glob("before-*")] == ["before-1"]
    before = OmegaConf.load(tmp_path / ".hydra" / "before-1" / "config.yaml")
    assert (before.trainer.batches, before.ckpt_path) == (2, None)


def test_a_run_resumed_from_an_earlier_one_does_not_write_over_the_latest(prepared, tmp_path):
    options = [*tiny(prepared, tmp_path), *QUICK]
    for more in (["seed=1"], ["seed=2"]):
        assert train(*options, *more).returncode == 0
    latest = (tmp_path / "checkpoints" / "last.ckpt").read_bytes()
    first = tmp_path / "earlier-1" / "checkpoints" / "last.ckpt"
    done = train(*options, "seed=1", "trainer.batches=4", f"ckpt_path={first}")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "earlier-2" / "checkpoints" / "last.ckpt").read_bytes() == latest


@pytest.fixture
def handler(tmp_path):
    handler = RunLog(str(tmp_path / "train.log"), mode="a")
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)
    handler.close()


def test_the_log_is_opened_when_the_run_begins(tmp_path, handler):
    logging.getLogger("lipsync").warning("before")
    assert not (tmp_path / "train.log").exists()
    open_run_logs()
    logging.getLogger("lipsync").warning("after")
    assert (tmp_path / "train.log").read_text() == "before\nafter\n"
