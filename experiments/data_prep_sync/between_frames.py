"""How accurately are sub-frame offsets found, and which interpolation is best?

    python experiments/data_prep_sync/between_frames.py data/grid test unseen --judge syncnet-open

Shifts the sound of every clip by tenths of a frame, and compares the estimated offsets with the
shifts, after subtracting the clip's own mean offset.
"""

from __future__ import annotations

import argparse

import numpy as np
from tqdm import tqdm

from lipsync.data.store import Clip, open_clip, read_split
from lipsync.evaluation import Judge, as_judge
from lipsync.metrics.functional import best_offset
from lipsync.metrics.search import OffsetSearch

_FRAME = 640  # samples per frame
_SHIFTS = np.arange(-1.5, 1.51, 0.1)


def moved(wave: np.ndarray, samples: int) -> np.ndarray:
    """Delay the sound by so many samples; advance it if negative."""
    silence = np.zeros(abs(samples), np.float32)
    if samples >= 0:
        return np.concatenate([silence, wave])[: len(wave)]
    return np.concatenate([wave[-samples:], silence])


def parabola(curve: np.ndarray, best: int) -> float:
    """Vertex of a parabola through three values, relative to ``best``."""
    before, here, after = curve[best - 1 : best + 2]
    return (before - after) / (2 * (before - 2 * here + after))


def lines(curve: np.ndarray, best: int) -> float:
    """Intersection of two lines of opposite slope through three values, relative to ``best``."""
    before, here, after = curve[best - 1 : best + 2]
    return (before - after) / (2 * max(before - here, after - here))


def errors(clip: Clip, judge: Judge) -> dict[str, np.ndarray]:
    """Errors (shifts,) of each interpolation, relative to their mean."""
    video = judge.embed_faces(judge.faces(clip))
    found: dict[str, list[float]] = {}
    for shift in _SHIFTS:
        wave = moved(clip.wave, round(_FRAME * shift))
        count = judge.count(len(clip), len(wave))
        search = OffsetSearch()
        search.update(video[:count], judge.embed_sound(wave, count))
        distances = search.distances()
        result = best_offset(distances)
        best = int(np.clip(search.vshift - result.offset, 1, 2 * search.vshift - 1))
        mean = distances.mean(dim=0).numpy()
        for name, value in {
            "whole frames": result.offset,
            "parabola, distances": result.offset - parabola(mean, best),
            "parabola, squares (fine_offset)": result.fine_offset,
            "two lines, distances": result.offset - lines(mean, best),
        }.items():
            found.setdefault(name, []).append(value + shift)
    return {name: np.array(values) - np.mean(values) for name, values in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", help="a prepared set")
    parser.add_argument("splits", nargs="+")
    parser.add_argument("--judge", default="syncnet-open")
    parser.add_argument("--clips", type=int, help="maximum per split; all by default")
    arguments = parser.parse_args()
    judge = as_judge(arguments.judge)
    for split in arguments.splits:
        keys = read_split(arguments.root, split)[: arguments.clips]
        clips = [open_clip(arguments.root, key) for key in keys]
        found = [errors(clip, judge) for clip in tqdm(clips, desc=split, unit="clip")]
        for name in found[0]:
            off = np.abs([of_clip[name] for of_clip in found])
            worst = np.quantile(off, 0.95)
            print(f"| {split} | {len(keys)} | {name} | {off.mean():.2f} | {worst:.2f} |")


if __name__ == "__main__":
    main()
