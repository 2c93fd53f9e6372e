"""The least confidence of a judge's sync check, from clips that are known to be in sync.

    python experiments/data_prep_sync/calibrate.py data/grid --judge expert-grid --check test unseen

In-sync clips are those of the split; off-sync ones the same faces with the sound of another clip of
the list. The threshold is the least one that at most one in a hundred of the latter reaches.
"""

from __future__ import annotations

import argparse

import numpy as np
from tqdm import tqdm

from lipsync.data.store import open_clip, read_split
from lipsync.evaluation import Judge, as_judge
from lipsync.metrics.functional import sync_score

_APART = 7  # places in the list; neighbours are often of one speaker and begin with one word
_FALSE = 0.01  # share of off-sync clips that may pass


def confidences(root: str, split: str, judge: Judge) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Confidence of each clip with its own and with another sound, and its own offset."""
    keys = read_split(root, split)
    clips = [open_clip(root, key) for key in keys]
    pairs = [
        judge.embed(judge.faces(clip), clip.wave) for clip in tqdm(clips, desc=split, unit="clip")
    ]
    own = [sync_score(video, audio) for video, audio in pairs]
    other = []
    for i, (video, _) in enumerate(pairs):
        audio = pairs[(i + _APART) % len(pairs)][1]
        count = min(len(video), len(audio))
        other.append(sync_score(video[:count], audio[:count]).confidence)
    return (
        np.array([score.confidence for score in own]),
        np.array(other),
        np.array([score.offset for score in own]),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", help="a prepared set whose clips are in sync")
    parser.add_argument("--judge", default="expert-grid", help="a path or name for load_model")
    parser.add_argument("--split", default="val", help="what the threshold is chosen on")
    parser.add_argument("--check", nargs="*", default=[], help="other splits to report on")
    arguments = parser.parse_args()

    judge = as_judge(arguments.judge)
    found = {
        split: confidences(arguments.root, split, judge)
        for split in (arguments.split, *arguments.check)
    }
    threshold = float(np.quantile(found[arguments.split][1], 1 - _FALSE))
    print(f"min_confidence={threshold:.2f}\n")
    print("| split | clips | own sound, median (5 %) | other sound, median (95 %) | in sync, kept "
          "| other sound, kept | own offset within a frame |")  # fmt: skip
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for split, (own, other, offsets) in found.items():
        print(
            f"| {split} | {len(own)} | {np.median(own):.2f} ({np.quantile(own, 0.05):.2f}) "
            f"| {np.median(other):.2f} ({np.quantile(other, 0.95):.2f}) "
            f"| {(own >= threshold).mean():.0%} | {(other >= threshold).mean():.0%} "
            f"| {(np.abs(offsets) <= 1).mean():.0%} |"
        )


if __name__ == "__main__":
    main()
