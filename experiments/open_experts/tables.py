"""Compare expert recipes: train each with several seeds, and score it with several windows.

    python -m experiments.open_experts.tables experiment=open_expert trainer.batches=400 -o OUT \
        --seeds 3 --recipe "box:data.root=data/box;data.framing=box" --recipe tight:

Thresholds are fixed on ``val``. Intervals are over clips within speakers; the noise floor is the
standard deviation over one recipe's seeds. A recipe with ``leave_out`` is tested on the speakers
that it leaves out. Finished runs are not repeated.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import yaml

from lipsync.checkpoints import load_model
from lipsync.data.leave_out import WithoutSpeakers
from lipsync.data.store import PreparedFolder
from lipsync.evaluation import Judge, evaluate_expert

WINDOWS = (5, 9, 15, 25)


def train(folder: Path, options: list[str], seed: int) -> None:
    """Train once, unless the run exists; its log is stored beside it."""
    if (folder / "checkpoints" / "best.ckpt").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "train.py", *options, f"seed={seed}", f"hydra.run.dir={folder}"]
    with (folder / "log.txt").open("w") as log:
        subprocess.run(command, stdout=log, stderr=log, check=True)


def score(folder: Path, lists: list[str]) -> list[dict]:
    """Scores of one run: a row per window, list and speaker."""
    config = yaml.safe_load((folder / ".hydra" / "config.yaml").read_text())
    root, left_out = config["data"]["root"], config["data"]["leave_out"]
    reader = PreparedFolder(root)
    if left_out:
        reader, lists = WithoutSpeakers(reader, left_out), ["test"]
    network = load_model(folder / "checkpoints" / "best.ckpt")
    rows = []
    for window in WINDOWS:
        if not hasattr(network, "with_window") and window != network.config["window"]:
            continue
        judge = Judge(network.with_window(window) if hasattr(network, "with_window") else network)
        threshold = evaluate_expert(judge, root, reader.keys("val")).threshold
        for name in lists:
            report = evaluate_expert(judge, root, reader.keys(name), threshold=threshold)
            rows += [
                {
                    "window": window,
                    "list": name,
                    "speaker": speaker,
                    "clips": report.accuracy[speaker].n,
                    "accuracy": report.accuracy[speaker].mean,
                    "interval": [report.accuracy[speaker].low, report.accuracy[speaker].high],
                    "within_one": report.within_one[speaker].mean,
                }
                for speaker in report.accuracy
            ]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("options", nargs="*", help="train.py options for all recipes")
    parser.add_argument("--recipe", action="append", default=[], help="NAME:OPTION;OPTION;...")
    parser.add_argument("--lists", nargs="+", default=["test"])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    found = {}
    for recipe in args.recipe:
        name, _, more = recipe.partition(":")
        options = [*args.options, *filter(None, more.split(";"))]
        for seed in range(args.seeds):
            folder = (args.output / f"{name}-{seed}").resolve()
            train(folder, options, seed)
            found.setdefault(name, []).append(score(folder, args.lists))
            (args.output / "tables.json").write_text(json.dumps(found, indent=1))
    print(table(found))


def table(found: dict[str, list[list[dict]]]) -> str:
    """Off-sync accuracy over all speakers: mean and standard deviation over seeds."""
    lines = []
    for name, runs in found.items():
        for row in runs[0]:
            if row["speaker"] != "all":
                continue
            same = [
                other
                for run in runs
                for other in run
                if all(other[key] == row[key] for key in ("window", "list", "speaker"))
            ]
            values = np.array([other["accuracy"] for other in same])
            spread = f" +- {values.std(ddof=1):.3f}" if len(values) > 1 else ""
            low, high = row["interval"]
            lines.append(
                f"{name:12} {row['window']:3} frames  {row['list']:7} {row['clips']:4} clips  "
                f"{values.mean():.3f}{spread} [{low:.3f}, {high:.3f}]  within a frame "
                f"{np.mean([other['within_one'] for other in same]):.2f}"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
