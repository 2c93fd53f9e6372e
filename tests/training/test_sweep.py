"""A table and a plot from a sweep's folder."""

import csv

import pytest

from lipsync.errors import ConfigError
from lipsync.training.sweep import read_sweep, table, write

FIELDS = ["step", "train/loss", "val/score", "val/l1_generated", "val/sync_generated"]
CONFIG = "callbacks:\n  best: {monitor: val/score, mode: min}\n"


def a_run(folder, weight, validations):
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "config.yaml").write_text(CONFIG)
    overrides = f"- model.loss.sync={weight}\n- trainer.batches=10\n- ~callbacks.video\n"
    (folder / ".hydra" / "overrides.yaml").write_text(overrides)
    logs = folder / "csv" / "version_0"
    logs.mkdir(parents=True)
    with (logs / "metrics.csv").open("w", newline="") as file:
        out = csv.DictWriter(file, FIELDS)
        out.writeheader()
        out.writerow({"step": 1, "train/loss": 0.5})
        for score, l1, sync in validations:
            row = {"val/score": score, "val/l1_generated": l1, "val/sync_generated": sync}
            out.writerow(row)


def test_the_best_validation_of_every_run_is_a_row(tmp_path):
    a_run(tmp_path / "0", 0.01, [(0.3, 0.03, 0.9), (0.1, 0.01, 0.8), (0.2, 0.02, 0.7)])
    a_run(tmp_path / "10", 0.1, [(0.4, 0.04, 0.2)])
    a_run(tmp_path / "2", 0.03, [(0.25, 0.02, 0.5)])
    (tmp_path / "3" / ".hydra").mkdir(parents=True)  # a run that has not validated yet
    (tmp_path / "3" / ".hydra" / "config.yaml").write_text(CONFIG)
    runs = read_sweep(tmp_path)
    heads, rows = table(runs)
    assert heads == ["run", "model.loss.sync", "val/l1_generated", "val/sync_generated"]
    assert rows == [
        ["0", "0.01", "0.0100", "0.8000"],
        ["2", "0.03", "0.0200", "0.5000"],
        ["10", "0.1", "0.0400", "0.2000"],
    ]
    files = write(tmp_path, runs)
    assert [path.name for path in files] == ["sweep.md", "sweep.csv", "sweep.png"]
    with files[1].open(newline="") as file:
        assert [row["trainer.batches"] for row in csv.DictReader(file)] == ["10"] * 3
    assert files[2].read_bytes().startswith(b"\x89PNG")


def test_a_folder_without_runs_is_named(tmp_path):
    with pytest.raises(ConfigError, match="contains no validated run"):
        read_sweep(tmp_path)
