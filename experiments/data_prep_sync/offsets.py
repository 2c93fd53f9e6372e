"""Are known offsets found, and is the sound in sync after the correction?

    python experiments/data_prep_sync/offsets.py data/grid test unseen --judge syncnet-open

Shifts the sound of every clip by -15 to +15 frames (padding one end with silence and cutting off
the other, as in a trimmed video), estimates the offset, corrects it as data_prep does, and
estimates it again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib
import numpy as np
from tqdm import tqdm

from data_prep.active_speaker import correct_sync
from data_prep.pieces import Piece
from lipsync.data.store import Clip, open_clip, read_split
from lipsync.evaluation import Judge, as_judge
from lipsync.metrics.functional import sync_score

matplotlib.use("Agg")
import matplotlib.pyplot as plt

_FRAME = 640  # samples per frame


def moved(wave: np.ndarray, frames: int) -> np.ndarray:
    """Delay the sound by so many frames; advance it if negative."""
    silence = np.zeros(abs(frames) * _FRAME, np.float32)
    if frames >= 0:
        return np.concatenate([silence, wave])[: len(wave)]
    return np.concatenate([wave[-frames * _FRAME :], silence])


def trial(clip: Clip, shifts: list[int], judge: Judge) -> np.ndarray:
    """(shifts, 2): error of the estimated offset, and offset left after the correction."""
    video = judge.embed_faces(judge.faces(clip))

    def offset(wave: np.ndarray, start: int = 0, end: int | None = None) -> int:
        end = len(clip) if end is None else end
        count = judge.count(end - start, len(wave))
        return sync_score(video[start : start + count], judge.embed_sound(wave, count)).offset

    own = offset(clip.wave)  # the recording's own offset, such as one frame in s26
    errors = []
    for shift in shifts:
        wave = moved(clip.wave, shift)
        found = offset(wave)
        start, end, placed = correct_sync(Piece(0, len(clip)), found, wave)
        errors.append((found - (own - shift), offset(placed, start, end)))
    return np.array(errors)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", help="a prepared set")
    parser.add_argument("splits", nargs="+")
    parser.add_argument("--judge", default="syncnet-open")
    parser.add_argument("--step", type=int, default=1, help="step between shifts, in frames")
    parser.add_argument("--clips", type=int, help="maximum per split; all by default")
    arguments = parser.parse_args()

    judge = as_judge(arguments.judge)
    shifts = list(range(-15, 16, arguments.step))
    print(
        "| split | clips | found within a frame | at the worst shift | in sync after correction |"
    )
    print("| --- | --- | --- | --- | --- |")
    figure, axes = plt.subplots(figsize=(7, 3.5))
    for split in arguments.splits:
        keys = read_split(arguments.root, split)[: arguments.clips]
        clips = tqdm([open_clip(arguments.root, key) for key in keys], desc=split, unit="clip")
        errors = np.abs(np.stack([trial(clip, shifts, judge) for clip in clips]))
        share = (errors[..., 0] <= 1).mean(axis=0)
        worst = int(share.argmin())
        print(
            f"| {split} | {len(keys)} | {share.mean():.1%} "
            f"| {share[worst]:.0%} at {shifts[worst]:+d} "
            f"| {(errors[..., 1] <= 1).mean():.1%} |"
        )
        axes.plot(shifts, 100 * share, marker="o", markersize=3, label=split)
    axes.set(xlabel="frames that the sound was moved by", ylabel="found within a frame, %")
    axes.set_ylim(0, 102)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(Path(__file__).with_name("offsets.png"), dpi=110)


if __name__ == "__main__":
    main()
