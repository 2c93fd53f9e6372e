"""How fast is training with its loader, compared with the plain form? On a GPU if there is one.

    python -m experiments.training_speed.loop             # published sizes
    python -m experiments.training_speed.loop --small

Clips of three seconds are generated first. Ours is the data module's loader with channels-last
networks and bfloat16. Plain is float32 in PyTorch's default layout, with the usual loader, which
lists and decodes JPEGs and computes a clip's whole mel spectrogram for every item. Both have the
same number of loader processes, and alternate in rounds.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import librosa
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from experiments.loader_speed.benchmark import make_set, publish
from experiments.training_speed.benchmark import PlainTraining, Step
from lipsync.audio import melspectrogram
from lipsync.data.datasets import Clips, Windows
from lipsync.data.module import ClipDataModule
from lipsync.data.store import PreparedFolder, read_split
from lipsync.training import GeneratorTraining
from lipsync.training.settings import resolve_precision

CLIPS, FRAMES, SIZE = 40, 75, 96  # clips in the set, frames per clip, pixels


def naive_item(folders: list[Path]) -> dict[str, Any]:
    """One generator sample, computed from scratch from the published layout."""
    folder = random.choice(folders)
    names = list(folder.glob("*.jpg"))
    start, other = (random.randrange(1, len(names) - 5) for _ in range(2))

    def window(first: int) -> np.ndarray:
        read = (cv2.imread(str(folder / f"{first + i}.jpg")) for i in range(5))
        return np.stack([cv2.resize(face, (SIZE, SIZE)) for face in read])

    wave, _ = librosa.load(folder / "audio.wav", sr=16000)
    mel = melspectrogram(wave)
    column = min(int(3.2 * start), mel.shape[1] - 32)
    mels = np.stack([mel[None, :, column + i : column + i + 16] for i in range(5)])
    return {
        "faces": window(start)[None],
        "reference": window(other)[None, :1],
        "sound": mels[None],
        "sound_sync": mels[:1],
    }


class NaiveItems(IterableDataset):
    """An endless stream of generator samples computed from scratch."""

    def __init__(self, folders: list[Path]) -> None:
        self.folders = folders

    def __iter__(self) -> Iterator[dict[str, Any]]:
        torch.set_num_threads(1)
        cv2.setNumThreads(1)
        while True:
            yield naive_item(self.folders)


class Form:
    """A training step, and the loader that feeds it."""

    def __init__(self, step: Step, loader: DataLoader) -> None:
        self.step, self.batches = step, iter(loader)
        self.rates: list[float] = []
        self.waits: list[float] = []

    def train(self, steps: int) -> float:
        """Take steps; returns samples per second, and stores the share of time spent waiting."""
        device, waited = self.step.device, 0.0
        begin = time.perf_counter()
        for _ in range(steps):
            asked = time.perf_counter()
            batch = next(self.batches)
            waited += time.perf_counter() - asked
            batch = {k: v.to(device, non_blocking=True) for k, v in batch.items() if k != "key"}
            windows = self._step(batch)
        if device == "cuda":
            torch.cuda.synchronize()
        seconds = time.perf_counter() - begin
        self.rates.append(steps * windows / seconds)
        self.waits.append(waited / seconds)
        return self.rates[-1]

    def _step(self, batch: dict[str, Tensor]) -> int:
        self.step(self.step.module.prepare(batch))
        return len(batch["faces"])


def ours(root: Path, small: bool, batch: int, workers: int, device: str) -> Form:
    data = ClipDataModule(
        root,
        Windows,
        Clips,
        image_size=SIZE,
        batch_size=batch,
        eval_batch_size=1,
        batches_per_epoch=10**6,
        workers=workers,
    )
    fast = resolve_precision("auto", device == "cuda") == "bf16-mixed"
    step = Step(GeneratorTraining, small, fast, device)
    data.train = data.make_train(PreparedFolder(root, SIZE), "train", step.module.inputs())
    return Form(step, data.train_dataloader())


def plain(folders: list[Path], small: bool, batch: int, workers: int, device: str) -> Form:
    loader = DataLoader(NaiveItems(folders), batch, num_workers=workers)
    return Form(Step(PlainTraining, small, False, device), loader)


def main() -> None:
    gpu = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="use the networks of size=small")
    parser.add_argument("--batch", type=int, default=64 if gpu else 4, help="windows of 5 frames")
    parser.add_argument("--workers", type=int, default=8 if gpu else 1)
    parser.add_argument("--steps", type=int, default=20 if gpu else 4, help="steps per round")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    device = "cuda" if gpu else "cpu"

    with tempfile.TemporaryDirectory() as folder:
        root, published = Path(folder, "set"), Path(folder, "set-published")
        make_set(root, CLIPS, SIZE, CLIPS, FRAMES)
        publish(root, CLIPS)
        folders = [published / key for key in read_split(root, "train")]
        settings = (args.small, args.batch, args.workers, device)
        forms = {
            "plain": plain(folders, *settings),
            "ours": ours(root, *settings),
        }
        memory = {}
        for name, form in forms.items():  # warm up
            if gpu:
                torch.cuda.reset_peak_memory_stats()
            form.train(2)
            form.rates.clear()
            form.waits.clear()
            memory[name] = torch.cuda.max_memory_allocated() / 2**30 if gpu else 0.0
        for _ in range(args.rounds):
            for form in forms.values():
                form.train(args.steps)

    where = torch.cuda.get_device_name() if gpu else f"{torch.get_num_threads()} threads"
    size = "small" if args.small else "published"
    print(f"{size} sizes, batch {args.batch} x 5, {args.workers} loader processes, {where}")
    print(f"{'form':8} {'samples/s':>10} {'waiting':>8} {'memory':>9}")
    for name, form in forms.items():
        rate, wait = statistics.median(form.rates), statistics.median(form.waits)
        print(f"{name:8} {rate:10.2f} {wait:8.1%} {memory[name]:6.1f} GB")
    pairs = zip(forms["ours"].rates, forms["plain"].rates, strict=True)
    print(f"ours / plain: {statistics.median(a / b for a, b in pairs):.2f}")


if __name__ == "__main__":
    main()
