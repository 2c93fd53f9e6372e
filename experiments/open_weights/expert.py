"""How good is an expert on GRID? Off-sync accuracy, and offsets put in by moving the sound.

    python experiments/open_weights/expert.py runs/grid_expert/checkpoints/best.ckpt data/grid

The threshold of the accuracy is fixed on ``val``. The sound of every clip is moved by each of -10
to +10 whole frames (silence fills the gap) and the offset searched as the published evaluation
does.
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
from lipsync.evaluation import ExpertJudge
from lipsync.metrics.functional import sync_score
from lipsync.metrics.lags import LagReport
from lipsync.windows import FPS

SHIFTS = range(-10, 11)
FRAME = SAMPLE_RATE // FPS


def move(wave: np.ndarray, frames: int) -> np.ndarray:
    """The sound ``frames`` later (earlier where negative), as long as before."""
    moved = np.zeros_like(wave)
    samples = frames * FRAME
    if samples >= 0:
        moved[samples:] = wave[: len(wave) - samples]
    else:
        moved[:samples] = wave[-samples:]
    return moved


def off_sync(judge: ExpertJudge, root: Path, split: str, threshold: float | None) -> dict:
    report = LagReport(min_gap=5, threshold=threshold)
    for key in read_split(root, split):
        clip = open_clip(root, key)
        face, audio = judge.embed(clip.faces, clip.wave)
        report.update(audio, face)
    return report.compute()


def offsets(judge: ExpertJudge, root: Path, split: str, corrections: dict[str, int]) -> dict:
    """Share of (clip, shift) whose offset is found within a frame, overall and by speaker."""
    hits: dict[str, list[bool]] = {}
    for key in read_split(root, split):
        clip = open_clip(root, key)
        video = judge.embed_faces(clip.faces)
        natural = corrections.get(clip.speaker, 0)
        for shift in SHIFTS:
            wave = move(clip.wave, shift)
            count = min(len(video), judge.count(len(clip), len(wave)))
            found = sync_score(video[:count], judge.embed_sound(wave, count)).offset
            # A sound that comes later is found at a negative offset, as published.
            hits.setdefault(clip.speaker, []).append(abs(found + shift + natural) <= 1)
    shares = {speaker: float(np.mean(values)) for speaker, values in sorted(hits.items())}
    everything = [hit for values in hits.values() for hit in values]
    return {"all": float(np.mean(everything)), "pairs": len(everything), **shares}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("expert", help="a checkpoint, or the name of a bundled expert")
    parser.add_argument("root", type=Path, help="prepared GRID")
    parser.add_argument("-o", "--output", type=Path, help="write the numbers here, as JSON")
    args = parser.parse_args()
    torch.set_grad_enabled(False)
    judge = ExpertJudge(load_model(args.expert))

    threshold = off_sync(judge, args.root, "val", None)["threshold"]
    numbers: dict = {"threshold": threshold}
    print(f"threshold {threshold:.3f}, fixed on val; off-sync pairs 5 frames apart and more")
    for split in ("val", "test", "unseen"):
        report = off_sync(judge, args.root, split, threshold)
        # s26's own recording has its sound a frame late.
        found = offsets(judge, args.root, split, {"s26": 1})
        report.pop("profile")
        numbers[split] = report | {"moved": found}
        speakers = ", ".join(f"{k} {v:.1%}" for k, v in found.items() if k.startswith("s"))
        print(
            f"{split:7s} accuracy {report['accuracy']:.3f}  AUC {report['auc']:.3f}  offset of "
            f"moved sound within a frame {found['all']:.1%} of {found['pairs']} ({speakers})"
        )
        print("        by gap " + "  ".join(f"{g}: {a:.3f}" for g, a in report["gaps"].items()))
    if args.output:
        args.output.write_text(json.dumps(numbers, indent=1) + "\n")


if __name__ == "__main__":
    main()
