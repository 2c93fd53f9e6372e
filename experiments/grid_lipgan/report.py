"""What did a LipGAN training run on GRID reach? Losses, faces, and discriminator accuracy.

    python experiments/grid_lipgan/report.py runs/grid_lipgan data/grid -o experiments/grid_lipgan

On every frame of ``val``, ``test`` and ``unseen``, the discriminator has to tell the frame's own
sound from another of the same clip, at least 5 frames away; its threshold is fixed on ``val``.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import matplotlib
import numpy as np
import torch
from PIL import Image

from lipsync.checkpoints import load_model
from lipsync.data.store import open_clip, read_split
from lipsync.features import feature_of
from lipsync.metrics.lags import LagReport
from lipsync.models import LipGANDiscriminator

matplotlib.use("Agg")
import matplotlib.pyplot as plt

PANELS = {
    "generator": ["train/reconstruction", "train/lower"],
    "adversarial term": ["train/adversarial"],
    "discriminator's loss": ["train/discriminator"],
    "distances": ["train/distance_real", "train/distance_shifted", "train/distance_generated"],
    "L1 of the lower half, val": ["val/l1_generated", "val/l1_swapped_audio"],
    "discriminator, val": ["val/discriminator_auc", "val/discriminator_accuracy"],
}


def curves(run: Path) -> dict[str, list[tuple[float, float]]]:
    """Logged values of a run, by name: (batch, value)."""
    log = max(run.glob("csv/**/metrics.csv"), key=lambda path: path.stat().st_mtime)
    values: dict[str, list[tuple[float, float]]] = {}
    with log.open(newline="") as file:
        for row in csv.DictReader(file):
            for name, value in row.items():
                if value and name not in ("step", "epoch"):
                    values.setdefault(name, []).append((int(row["step"]) + 1, float(value)))
    return values


def plot(values: dict[str, list[tuple[float, float]]], path: Path) -> None:
    figure, axes = plt.subplots(2, 3, figsize=(11, 5.5), layout="constrained")
    for axis, (title, names) in zip(axes.flat, PANELS.items(), strict=True):
        for name in names:
            if name in values:
                axis.plot(*zip(*values[name], strict=True), label=name.split("/")[1], marker=".")
        axis.set(title=title, xlabel="batches")
        axis.legend(fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)


@torch.inference_mode()
def separation(
    discriminator: LipGANDiscriminator, root: Path, split: str, threshold: float | None
) -> dict:
    """How well the discriminator separates a frame's own sound from others of its clip."""
    report, feature = LagReport(min_gap=5, threshold=threshold), feature_of(discriminator)
    for key in read_split(root, split):
        clip = open_clip(root, key)
        faces = torch.from_numpy(np.array(clip.faces)).movedim(-1, 1).float() / 255
        mfcc = torch.from_numpy(feature.cut(clip.feature(feature), range(len(faces))))
        report.update(discriminator.embed_audio(mfcc), discriminator.embed_face(faces))
    result = report.compute()
    result.pop("profile")
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="folder of a training run")
    parser.add_argument("root", type=Path, help="prepared GRID")
    parser.add_argument("-o", "--output", type=Path, required=True, help="output folder")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)

    plot(curves(args.run), args.output / "losses.png")
    newest = max(args.run.glob("pictures/sheet-*.png"))
    Image.open(newest).save(args.output / "faces.jpg", quality=90)

    discriminator = load_model(args.run / "checkpoints" / "best.ckpt", part="discriminator")
    numbers: dict = {"test": json.loads((args.run / "test.json").read_text())}
    threshold = None
    for split in ("val", "test", "unseen"):
        found = separation(discriminator, args.root, split, threshold)
        threshold = found["threshold"]
        numbers[f"discriminator on {split}"] = found
        by_gap = "  ".join(f"{gap}: {share:.3f}" for gap, share in found["gaps"].items())
        print(f"{split:7s} AUC {found['auc']:.3f}  accuracy {found['accuracy']:.3f}")
        print(f"        accuracy by gap  {by_gap}")
    (args.output / "numbers.json").write_text(json.dumps(numbers, indent=1) + "\n")


if __name__ == "__main__":
    main()
