"""Sweeps on the command line: many runs from one command, in parallel, and resumed studies."""

import csv
import shutil
import signal
import subprocess
import time
from pathlib import Path

import forked
import pytest
import torch
from test_run import ENVIRONMENT, REPOSITORY, command, tiny

from lipsync.command import _with_remedy

pytestmark = pytest.mark.slow
TINY = [
    "model=wav2lip",
    "model.discriminator=null",
    "size.generator.width=0.1",
    "size.generator.depth=0",
    "data.batch_size=2",
    "trainer.batches=2",
    "trainer.val_every=2",
    "trainer.threads=1",
    "callbacks.pictures=null",
    "callbacks.video=null",
    "logger.tensorboard=null",
]


def train(*options: object) -> subprocess.CompletedProcess[str]:
    """train.py in a separate interpreter, which ends the launchers' workers when it exits."""
    return subprocess.run(
        command(*options), env=ENVIRONMENT, cwd=REPOSITORY, capture_output=True, text=True
    )


def sweep(prepared: Path, folder: Path, *options: str) -> list[str]:
    """The arguments of ``python train.py``."""
    common = tiny(prepared, folder / "run")
    return ["-m", *common, *TINY, f"hydra.sweep.dir={folder}", *options]


def finished(folder: Path) -> list[float]:
    """The score of every finished run below ``folder``."""
    scores = []
    for file in sorted(folder.glob("**/metrics.csv")):
        with file.open(newline="") as text:
            rows = [row["val/score"] for row in csv.DictReader(text) if row.get("val/score")]
        assert len(rows) == 1
        assert (file.parents[2] / "checkpoints" / "last.ckpt").is_file()
        scores.append(float(rows[0]))
    return scores


def test_every_run_of_a_sweep_has_processes_of_its_own(prepared, tmp_path):
    weights = "model.loss.reconstruction=1,2"
    done = train(*sweep(prepared, tmp_path, "trainer.processes=2", weights))
    assert done.returncode == 0, done.stderr
    assert len(finished(tmp_path)) == 2
    first, second = (
        torch.load(tmp_path / f"{n}" / "checkpoints" / "last.ckpt", weights_only=True)
        for n in range(2)
    )
    assert any(
        not torch.equal(value, second["state_dict"][name])
        for name, value in first["state_dict"].items()
    )
    assert not list(tmp_path.glob("**/earlier-*"))


@pytest.mark.parametrize(
    ("launcher", "plugin"),
    [
        ("joblib", "hydra_plugins.hydra_joblib_launcher"),
        ("submitit", "hydra_plugins.hydra_submitit_launcher"),
        ("ray", "hydra_plugins.hydra_ray_launcher"),
    ],
)
def test_launchers(prepared, tmp_path, launcher, plugin):
    pytest.importorskip(plugin, reason=f"launcher={launcher} needs an extra")
    done = train(*sweep(prepared, tmp_path, f"launcher={launcher}", "model.loss.sync=0.01,0.1"))
    assert done.returncode == 0, done.stderr
    assert len(finished(tmp_path)) == 2


@pytest.mark.parametrize("launcher", [[], ["launcher=joblib"]])
def test_points_that_fail_do_not_end_a_sweep(prepared, tmp_path, launcher):
    if launcher:
        pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="needs an extra")
    swept = "model.terms.sync.ramp=0,-5,10"
    done = train(*sweep(prepared, tmp_path, *launcher, swept))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    line = "point 1 (model.terms.sync.ramp=-5): sync ramp=-5: must be"
    assert done.stderr.count(line) == 2  # when it fails, and at the end
    assert len(finished(tmp_path)) == 2


def test_failed_trials_do_not_end_a_study(prepared, tmp_path):
    optuna = pytest.importorskip("optuna", reason="search needs the extra optuna")
    pytest.importorskip(
        "hydra_plugins.hydra_optuna_sweeper", reason="search needs the extra optuna"
    )
    study = ["search=loss_weights", "name=study", "hydra.sweeper.n_trials=2"]
    common = sweep(prepared, tmp_path / "first", *study)
    done = train(*common, "model.terms.sync.ramp=-5")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "point 1 (model.loss.sync=" in done.stderr
    kept = optuna.load_study(study_name="study", storage=f"sqlite:///{tmp_path / 'study.db'}")
    assert [trial.state.name for trial in kept.trials] == ["FAIL", "FAIL"]


def test_a_study_that_is_killed_goes_on(prepared, tmp_path):
    optuna = pytest.importorskip("optuna", reason="search needs the extra optuna")
    pytest.importorskip(
        "hydra_plugins.hydra_optuna_sweeper", reason="search needs the extra optuna"
    )
    study = ["search=loss_weights", "model.loss.adversarial=0", "name=study"]
    line = sweep(prepared, tmp_path / "first", *study)
    run = forked.start(REPOSITORY / "train.py", *line, env=ENVIRONMENT, cwd=REPOSITORY)
    while run.is_alive() and not (tmp_path / "first" / "1").is_dir():
        time.sleep(0.05)
    run.kill()
    run.join()
    assert run.exitcode == -signal.SIGKILL
    shutil.rmtree(tmp_path / "first" / "1")  # which may already have scores of its own

    done = train(*sweep(prepared, tmp_path / "second", *study, "hydra.sweeper.n_trials=1"))
    assert done.returncode == 0, done.stderr
    kept = optuna.load_study(study_name="study", storage=f"sqlite:///{tmp_path / 'study.db'}")
    states = [trial.state.name for trial in kept.trials]
    assert states == ["COMPLETE", "RUNNING", "COMPLETE"]
    values = [trial.value for trial in kept.trials if trial.value is not None]
    assert values == pytest.approx(finished(tmp_path), abs=1e-6)
    assert (tmp_path / "second" / "optimization_results.yaml").is_file()


def test_a_plugin_that_is_not_installed_is_named():
    line = _with_remedy("In 'launcher/slurm': Could not find 'hydra/launcher/submitit_slurm'")
    assert line.endswith(
        "submitit_slurm is not installed; pip install -c constraints.txt -e '.[slurm]'"
    )
    assert _with_remedy("Could not find 'model/wavlip'") == "Could not find 'model/wavlip'"
