"""Samples a second of the loader, beside the naive way on the same clips, one process each.

    python experiments/loader_speed/benchmark.py data/grid

The naive way is the usual one: a folder of JPEGs a clip, listed for every item; ten pictures read
and resized; the WAV loaded and its whole mel spectrogram computed for every item.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import librosa
import numpy as np
import torch
from torch.utils.data import default_collate

from lipsync.audio import melspectrogram
from lipsync.data.datasets import ExpertWindows, GeneratorWindows
from lipsync.data.store import open_clip, read_split
from lipsync.media import write_audio


def write_jpegs(root: Path, keys: list[str], target: Path) -> list[Path]:
    """The clips in the published layout: 0.jpg 1.jpg ... audio.wav."""
    folders = []
    for key in keys:
        clip, folder = open_clip(root, key), target / key
        folder.mkdir(parents=True)
        for i, face in enumerate(clip.faces):
            cv2.imwrite(str(folder / f"{i}.jpg"), cv2.cvtColor(face, cv2.COLOR_RGB2BGR))
        write_audio(folder / "audio.wav", clip.wave)
        folders.append(folder)
    return folders


def naive_item(folders: list[Path]) -> dict[str, np.ndarray]:
    """One generator sample, made from scratch."""
    folder = random.choice(folders)
    names = list(folder.glob("*.jpg"))
    start, other = (random.randrange(1, len(names) - 5) for _ in range(2))

    def window(first: int) -> np.ndarray:
        paths = [folder / f"{first + i}.jpg" for i in range(5)]
        return np.stack([cv2.resize(cv2.imread(str(path)), (96, 96)) for path in paths])

    wave, _ = librosa.load(folder / "audio.wav", sr=16000)
    mel = melspectrogram(wave)
    column = min(int(3.2 * start), mel.shape[1] - 32)
    mels = np.stack([mel[:, column + i : column + i + 16] for i in range(5)])
    return {"target": window(start), "reference": window(other), "mel": mels[:, None]}


def rate(item: Callable[[], object], seconds: float, batch: int = 16) -> float:
    """Items a second, batches collated."""
    default_collate([item() for _ in range(batch)])  # warm
    begin, count = time.perf_counter(), 0
    while time.perf_counter() - begin < seconds:
        default_collate([item() for _ in range(batch)])
        count += batch
    return count / (time.perf_counter() - begin)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path, help="a prepared set")
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)

    size = open_clip(args.root, read_split(args.root, "train")[0]).size
    generator = GeneratorWindows(args.root, "train", size)
    expert = ExpertWindows(args.root, "train", size)
    generator.draws = expert.draws = lambda draw: draw % args.clips  # the clips of the naive way
    draw = iter(range(10**9))
    with tempfile.TemporaryDirectory() as folder:
        folders = write_jpegs(args.root, generator.keys[: args.clips], Path(folder))
        ways = {
            "naive, generator sample": (lambda: naive_item(folders), 1),
            "ours, generator sample": (lambda: generator[next(draw)], 1),
            "ours, expert window": (lambda: expert[next(draw)], expert.windows),
        }
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(args.runs):  # in turns, so that a slow moment of the machine hits all
            for name, (item, windows) in ways.items():
                rates[name].append(windows * rate(item, args.seconds))
    print(f"samples a second in one process, {size} px, median of {args.runs} (lowest-highest)")
    for name, values in rates.items():
        print(
            f"  {name:25s} {statistics.median(values):8.0f}  ({min(values):.0f}-{max(values):.0f})"
        )
    pairs = zip(rates["ours, generator sample"], rates["naive, generator sample"], strict=True)
    print(f"ratio of the generator samples: {statistics.median(a / b for a, b in pairs):.1f}")


if __name__ == "__main__":
    main()
