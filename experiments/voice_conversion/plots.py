"""Plot the losses of a voice conversion training run.

python experiments/voice_conversion/plots.py runs/grid_voice -o experiments/voice_conversion
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

PANELS = {
    "what the generators pay": ["train/cycle", "train/identity", "train/adversarial"],
    "discriminators": ["train/discriminator", "train/discriminator_accuracy"],
    "change, in deviations of a coefficient": ["train/change"],
    "rows taken for the target's, val": [
        "val/as_target_converted",
        "val/as_target_statistics",
        "val/as_target_real",
    ],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="folder of a training run")
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    log = max(args.run.glob("csv/**/metrics.csv"), key=lambda path: path.stat().st_mtime)
    values: dict[str, list[tuple[int, float]]] = {}
    with log.open(newline="") as file:
        for row in csv.DictReader(file):
            for name, value in row.items():
                if value:
                    values.setdefault(name, []).append((int(row["step"]) + 1, float(value)))
    panels = {title: [name for name in names if name in values] for title, names in PANELS.items()}
    panels = {title: names for title, names in panels.items() if names}
    figure, axes = plt.subplots(
        1, len(panels), figsize=(3.6 * len(panels), 3), layout="constrained"
    )
    for axis, (title, names) in zip(axes, panels.items(), strict=True):
        for name in names:
            axis.plot(*zip(*values[name], strict=True), label=name.split("/")[1], marker=".")
        axis.set(title=title, xlabel="batches")
        axis.legend(fontsize=7)
    args.output.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.output / "losses.png", dpi=100)


if __name__ == "__main__":
    main()
