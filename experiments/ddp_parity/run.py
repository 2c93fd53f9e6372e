"""Does training in two processes give the loss curve of one?

    python experiments/ddp_parity/run.py data/sample/prepared -o experiments/ddp_parity

Every model trains on the generated sample corpus (created by any run with data=sample), for several
seeds, in one process and in two (gloo). Each of two processes gets half of the batch, so together
they see the same clips. Batch-norm statistics are per process. The validation curves are compared;
the spread over seeds is the measure of noise.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt

REPOSITORY = Path(__file__).parents[2]
MODELS = {  # options, batch size in one process, and the metric to compare
    "syncnet": (["size.expert.width=0.25", "model.loss.bce=0.5"], 8, "val/bce"),
    "wav2lip": (
        ["size.discriminator.width=0.1", "model.terms.sync.threshold=null"],
        4,
        "val/l1_generated",
    ),
    "lipgan": (["size.discriminator.width=0.1"], 4, "val/l1_generated"),
}
COMMON = [
    "data=folder",
    "size.expert.depth=0",
    "size.generator.width=0.1",
    "size.generator.depth=0",
    "model.augment=null",
    "model.schedule.warmup=20",
    "trainer.threads=1",
    "callbacks.progress=null",
    "callbacks.pictures=null",
    "logger.tensorboard=null",
]


def curve(root: Path, model: str, processes: int, seed: int, batches: int) -> list[float]:
    """Values of the model's metric at every validation of a run."""
    options, batch, number = MODELS[model]
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(sys.executable, str(REPOSITORY / "train.py"), f"model={model}", *COMMON, *options),
            *["callbacks.video=null"] * (model != "syncnet"),
            f"data.root={root}",
            f"data.batch_size={batch // processes}",
            f"trainer.processes={processes}",
            f"trainer.batches={batches}",
            f"trainer.val_every={batches // 6}",
            f"seed={seed}",
            f"hydra.run.dir={folder}",
        ]
        subprocess.run(command, check=True, cwd=REPOSITORY, stdout=subprocess.DEVNULL)
        with (Path(folder) / "csv" / "version_0" / "metrics.csv").open(newline="") as file:
            return [float(row[number]) for row in csv.DictReader(file) if row.get(number)]


def row(model: str, curves: dict[str, list[list[float]]]) -> str:
    """A table row over the second half of the curves: means, difference, and spread over seeds."""
    late = {n: np.mean(np.array(c)[:, len(c[0]) // 2 :], axis=1) for n, c in curves.items()}
    one, two = late["1"], late["2"]
    cells = [f"{one.mean():.4f}", f"{two.mean():.4f}", f"{abs(one.mean() - two.mean()):.4f}"]
    cells += [f"{np.ptp(one):.4f}"]
    return f"| {model}, {MODELS[model][2]} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path, help="a set prepared at 96 px")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--batches", type=int, default=240)
    parser.add_argument("-o", "--output", type=Path, default=Path())
    args = parser.parse_args()
    root = args.root.resolve()

    found: dict[str, dict[str, list[list[float]]]] = {}
    for model in MODELS:
        found[model] = {
            str(processes): [
                curve(root, model, processes, seed, args.batches) for seed in range(args.seeds)
            ]
            for processes in (1, 2)
        }
        print(row(model, found[model]), flush=True)
    args.output.mkdir(parents=True, exist_ok=True)
    (args.output / "curves.json").write_text(json.dumps(found) + "\n")

    figure, panels = plt.subplots(1, len(MODELS), figsize=(11, 3.2), layout="constrained")
    for axes, (model, curves) in zip(panels, found.items(), strict=True):
        for processes, style in (("1", "C0-"), ("2", "C1--")):
            for number, values in enumerate(curves[processes]):
                batches = np.arange(1, len(values) + 1) * args.batches / len(values)
                label = f"{processes} process{'es' * (processes == '2')}" if not number else None
                axes.plot(batches, values, style, label=label)
        axes.set(title=model, xlabel="batches", ylabel=MODELS[model][2])
        axes.legend()
    figure.savefig(args.output / "curves.png", dpi=110)


if __name__ == "__main__":
    main()
