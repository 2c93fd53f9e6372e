"""How accurate is an expert, by speaker and by gap? With intervals, on prepared clips.

    python experiments/scores_expert/report.py syncnet-open data/grid -o experiments/scores_expert

The threshold is fixed on ``val``. Writes ``expert.json`` and ``expert.png``: accuracy against the
gap of the off-sync pairs, and the offsets of the clips, with one colour per speaker.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib
import numpy as np

from lipsync.data.store import read_split
from lipsync.evaluation import ExpertReport, as_judge, evaluate_expert

matplotlib.use("Agg")
import matplotlib.pyplot as plt

_LEAST_CLIPS = 5  # for an interval in the plot


def plot(reports: dict[str, ExpertReport], output: Path) -> None:
    figure, axes = plt.subplots(
        2, len(reports), figsize=(4.6 * len(reports), 5.6), squeeze=False, layout="constrained"
    )
    for (top, bottom), (split, report) in zip(axes.T, reports.items(), strict=True):
        for number, speaker in enumerate(sorted(set(report.accuracy) - {"all"})):
            gaps = report.by_gap[speaker]
            means = [gap.mean for gap in gaps.values()]
            spread = [
                [g.mean - g.low for g in gaps.values()],
                [g.high - g.mean for g in gaps.values()],
            ]
            if report.accuracy[speaker].n < _LEAST_CLIPS:
                spread = None
            colour = f"C{number}"
            top.errorbar(
                list(gaps), means, yerr=spread, color=colour, marker="o", capsize=3, label=speaker
            )
            counts = report.offsets[speaker]
            bottom.bar(
                np.array(list(counts)) + 0.2 * (number - 0.5),
                list(counts.values()),
                width=0.2,
                color=colour,
                label=speaker,
            )
        top.set(xlabel="gap (frames)", ylabel="off-sync accuracy", title=split, ylim=(0.45, 1.0))
        bottom.set(xlabel="offset (frames)", ylabel="clips", xlim=(-15.5, 15.5))
        top.legend(loc="lower right", ncols=2)
    figure.savefig(output, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("expert", help="checkpoint, or name of a bundled expert")
    parser.add_argument("root", type=Path, help="a prepared set with val, test and other splits")
    parser.add_argument("--splits", nargs="+", default=["test", "unseen"])
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()

    judge = as_judge(args.expert)
    threshold = evaluate_expert(judge, args.root, read_split(args.root, "val")).threshold
    reports = {
        split: evaluate_expert(judge, args.root, read_split(args.root, split), threshold=threshold)
        for split in args.splits
    }
    for split, report in reports.items():
        print(f"\n{split}\n{report.table()}")
        for key, problem in report.problems.items():
            print(f"left out: {key}: {problem}")
    args.output.mkdir(parents=True, exist_ok=True)
    numbers = {split: report.as_dict() for split, report in reports.items()}
    (args.output / "expert.json").write_text(json.dumps(numbers, indent=1) + "\n")
    plot(reports, args.output / "expert.png")


if __name__ == "__main__":
    main()
