"""The speed that real runs log: waiting for data, and two processes compared with one.

    python experiments/training_speed/runs.py waiting data/grid
    python experiments/training_speed/runs.py scaling data/grid
    python experiments/training_speed/runs.py gpu data/grid          # published sizes, one GPU

These are short runs of ``train.py``. The numbers are those that every run logs,
``train/samples_per_second`` and ``train/waiting_for_data``, after the first hundred batches.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
LOGGED = ("train/samples_per_second", "train/waiting_for_data")
QUIET = ["logger.tensorboard=null", "callbacks.progress=null", "callbacks.pictures=null"]
SMALL = {
    "grid_expert": ["experiment=grid_expert"],
    "grid_wav2lip": [
        "experiment=grid_wav2lip",
        "model.expert=syncnet-open",
        "callbacks.video=null",
    ],
    "grid_lipgan": ["experiment=grid_lipgan", "callbacks.video=null"],
}


def measure(root: Path, batches: int, *options: str) -> dict[str, float]:
    """Medians of the values logged by a run of so many batches."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(sys.executable, str(REPOSITORY / "train.py")),
            *options,
            *QUIET,
            f"data.root={root.resolve()}",
            f"trainer.batches={batches}",
            f"trainer.val_every={batches}",
            "test=false",
            f"hydra.run.dir={folder}",
        ]
        subprocess.run(command, check=True, cwd=REPOSITORY, stdout=subprocess.DEVNULL)
        with (Path(folder) / "csv" / "version_0" / "metrics.csv").open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if row.get(LOGGED[0])]
    rows = rows[2:] or rows[-1:]  # skip the first hundred batches, which fill caches
    return {name: statistics.median(float(row[name]) for row in rows) for name in LOGGED}


def waiting(root: Path, batches: int) -> None:
    for name, options in SMALL.items():
        got = measure(root, batches, *options)
        print(f"{name:14} {got[LOGGED[0]]:8.1f} samples/s, {got[LOGGED[1]]:.1%} waiting")


def scaling(root: Path, batches: int) -> None:
    for name, options in SMALL.items():
        one, two = (
            measure(root, batches, *options, f"trainer.processes={n}", "trainer.threads=1")
            for n in (1, 2)
        )
        rates = [got[LOGGED[0]] for got in (one, two)]
        print(
            f"{name:14} one process {rates[0]:8.1f} samples/s, two {rates[1]:8.1f}, "
            f"efficiency {rates[1] / rates[0] / 2:.0%}"
        )


def gpu(root: Path, batches: int) -> None:
    for model, batch in (("syncnet", 64), ("wav2lip", 64), ("lipgan", 64)):
        options = [f"model={model}", "data=grid", "size=published", "trainer.gpus=1"]
        options += [f"data.batch_size={batch}", "data.workers=8"]
        options += ["callbacks.video=null"] * (model != "syncnet")
        got = measure(root, batches, *options)
        print(f"{model:14} {got[LOGGED[0]]:8.1f} samples/s, {got[LOGGED[1]]:.1%} waiting")


def main() -> None:
    questions = {function.__name__: function for function in (waiting, scaling, gpu)}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("question", choices=questions)
    parser.add_argument("root", type=Path, help="prepared GRID")
    parser.add_argument("--batches", type=int, default=250)
    args = parser.parse_args()
    questions[args.question](args.root, args.batches)


if __name__ == "__main__":
    main()
