"""How good is an expert on GRID? Off-sync accuracy, and estimated offsets of shifted sound.

    python experiments/open_weights/expert.py runs/grid_expert/checkpoints/best.ckpt data/grid

The threshold is fixed on ``val``. Off-sync pairs are five to fifteen frames apart ("near", as
everywhere in this project), or five or more frames apart in the same clip ("anywhere"). In the
recordings of s26 the sound is a frame late, which is corrected first. The sound of every clip is
shifted by each of -10 to +10 frames (padded with silence), and the offset is searched for as in the
published evaluation.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from lipsync.audio import SAMPLE_RATE
from lipsync.checkpoints import load_model
from lipsync.data.store import open_clip, read_split
from lipsync.evaluation import Judge
from lipsync.metrics.functional import sync_score
from lipsync.metrics.lags import MAX_LAG, LagReport
from lipsync.windows import FPS

SHIFTS = range(-10, 11)
LATE = {"s26": 1}  # delay of a speaker's sound in the recordings, in frames
LAGS = {"near": MAX_LAG, "anywhere": 3 * FPS}  # largest gap, in frames; clips last 3 seconds
FRAME = SAMPLE_RATE // FPS


def move(wave: np.ndarray, frames: int) -> np.ndarray:
    """Delay the sound by ``frames`` (advance it if negative); the length stays the same."""
    moved = np.zeros_like(wave)
    samples = frames * FRAME
    if samples >= 0:
        moved[samples:] = wave[: len(wave) - samples]
    else:
        moved[:samples] = wave[-samples:]
    return moved


def off_sync(
    judge: Judge, root: Path, split: str, thresholds: dict[str, float | None]
) -> dict[str, dict]:
    """Off-sync accuracy for each of ``LAGS``."""
    reports = {
        name: LagReport(min_gap=5, max_lag=lag, threshold=thresholds[name])
        for name, lag in LAGS.items()
    }
    for key in read_split(root, split):
        clip = open_clip(root, key)
        face, audio = judge.embed(judge.faces(clip), move(clip.wave, -LATE.get(clip.speaker, 0)))
        for report in reports.values():
            report.update(audio, face)
    return {name: report.compute() for name, report in reports.items()}


def offsets(judge: Judge, root: Path, split: str) -> dict:
    """Share of (clip, shift) pairs whose offset is found within a frame, overall and by speaker."""
    hits: dict[str, list[bool]] = {}
    for key in read_split(root, split):
        clip = open_clip(root, key)
        video = judge.embed_faces(judge.faces(clip))
        natural = LATE.get(clip.speaker, 0)
        for shift in SHIFTS:
            wave = move(clip.wave, shift)
            count = min(len(video), judge.count(len(clip), len(wave)))
            found = sync_score(video[:count], judge.embed_sound(wave, count)).offset
            # sound that is late has a negative offset, as published
            hits.setdefault(clip.speaker, []).append(abs(found + shift + natural) <= 1)
    shares = {speaker: float(np.mean(values)) for speaker, values in sorted(hits.items())}
    everything = [hit for values in hits.values() for hit in values]
    return {"all": float(np.mean(everything)), "pairs": len(everything), **shares}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("expert", help="checkpoint, or name of a bundled expert")
    parser.add_argument("root", type=Path, help="prepared GRID")
    parser.add_argument("-o", "--output", type=Path, help="JSON file for the results")
    args = parser.parse_args()
    torch.set_grad_enabled(False)
    judge = Judge(load_model(args.expert))

    on_val = off_sync(judge, args.root, "val", dict.fromkeys(LAGS))
    thresholds = {name: report["threshold"] for name, report in on_val.items()}
    numbers: dict = {"threshold": thresholds}
    print("thresholds, fixed on val:", ", ".join(f"{n} {t:.3f}" for n, t in thresholds.items()))
    for split in ("val", "test", "unseen"):
        reports = off_sync(judge, args.root, split, thresholds)
        found = offsets(judge, args.root, split)
        for name, report in reports.items():
            report.pop("profile")
            print(f"{split:7s} {name:9s} accuracy {report['accuracy']:.3f} AUC {report['auc']:.3f}")
        numbers[split] = reports | {"moved": found}
        speakers = ", ".join(f"{k} {v:.1%}" for k, v in found.items() if k.startswith("s"))
        gaps = "  ".join(f"{g}: {a:.3f}" for g, a in reports["near"]["gaps"].items())
        print(
            f"        moved sound found within a frame {found['all']:.1%} of {found['pairs']} "
            f"({speakers})\n        by gap {gaps}"
        )
    if args.output:
        args.output.write_text(json.dumps(numbers, indent=1) + "\n")


if __name__ == "__main__":
    main()
