"""Samples a second of the loader, beside the naive way on the same clips, one process each.

    python experiments/loader_speed/benchmark.py data/grid --sizes 96 256

The naive way is the usual one: a folder of JPEGs a clip, listed for every item; ten pictures read
and resized; the WAV loaded and its whole mel spectrogram computed for every item. Clips of the set
are resized to each size first, for both ways.
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
from lipsync.data.store import open_clip, read_split, write_clip, write_split
from lipsync.media import write_audio

TARGET_RATE, TARGET_RATIO = 1500, 20  # at 96 px, in one process


def write_both(root: Path, keys: list[str], size: int, target: Path) -> list[Path]:
    """The clips at one size, as a prepared set and in the published layout; folders of these."""
    folders = []
    for key in keys:
        clip, folder = open_clip(root, key), target / "published" / key
        folder.mkdir(parents=True)
        faces = [
            cv2.resize(face, (size, size), interpolation=cv2.INTER_AREA) for face in clip.faces
        ]
        for i, face in enumerate(faces):
            cv2.imwrite(str(folder / f"{i}.jpg"), cv2.cvtColor(face, cv2.COLOR_RGB2BGR))
        write_audio(folder / "audio.wav", clip.wave)
        write_clip(target / "store", key, faces=np.stack(faces), wave=clip.wave, info={})
        folders.append(folder)
    write_split(target / "store", "train", keys)
    return folders


def naive_item(folders: list[Path], size: int) -> dict[str, np.ndarray]:
    """One generator sample, made from scratch."""
    folder = random.choice(folders)
    names = list(folder.glob("*.jpg"))
    start, other = (random.randrange(1, len(names) - 5) for _ in range(2))

    def window(first: int) -> np.ndarray:
        paths = [folder / f"{first + i}.jpg" for i in range(5)]
        return np.stack([cv2.resize(cv2.imread(str(path)), (size, size)) for path in paths])

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


def measure(root: Path, keys: list[str], size: int, seconds: float, runs: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        folders = write_both(root, keys, size, Path(folder))
        generator = GeneratorWindows(Path(folder) / "store", "train", size)
        expert = ExpertWindows(Path(folder) / "store", "train", size)
        draw = iter(range(10**9))
        ways = {
            "naive, generator sample": (lambda: naive_item(folders, size), 1),
            "ours, generator sample": (lambda: generator[next(draw)], 1),
            "ours, expert window": (lambda: expert[next(draw)], expert.windows),
        }
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(runs):  # in turns, so that a slow moment of the machine hits all
            for name, (item, windows) in ways.items():
                rates[name].append(windows * rate(item, seconds))
    for name, values in rates.items():
        middle = statistics.median(values)
        print(f"| {size} | {name} | {middle:,.0f} | {min(values):,.0f}-{max(values):,.0f} |")
    pairs = zip(rates["ours, generator sample"], rates["naive, generator sample"], strict=True)
    ratio = statistics.median(a / b for a, b in pairs)
    windows = statistics.median(rates["ours, expert window"])
    samples = statistics.median(rates["ours, generator sample"])
    verdict = ""
    if size == 96:
        held = ratio >= TARGET_RATIO and min(windows, samples) > TARGET_RATE
        verdict = (
            f" ({'as' if held else 'NOT as'} wanted: {TARGET_RATIO} times, {TARGET_RATE} a second)"
        )
    print(
        f"| {size} | generator samples, ours to naive | {ratio:.1f} times{verdict} | |", flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path, help="a prepared set")
    parser.add_argument("--sizes", type=int, nargs="+", default=[96, 256])
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    keys = read_split(args.root, "train")
    keys = keys[:: max(1, len(keys) // args.clips)][: args.clips]
    print(f"one process, {len(keys)} clips, median of {args.runs} measurements\n")
    print("| size | what | samples a second | lowest-highest |")
    print("| ---: | --- | ---: | ---: |")
    for size in args.sizes:
        measure(args.root, keys, size, args.seconds, args.runs)


if __name__ == "__main__":
    main()
