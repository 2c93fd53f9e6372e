"""Peak memory of validating and scoring one clip of ten minutes.

    python experiments/validation_memory/memory.py
    python experiments/validation_memory/memory.py --size published --minutes 10

Each case runs in its own process, whose peak memory the operating system reports: training for one
batch (on a clip of two seconds) with validation on the long clip, and scoring with
``lipsync.evaluation``, with an untrained network of the same size. Faces are noise at 96 px.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from lipsync.data.store import open_clip, write_clip, write_split
from lipsync.evaluation import Judge, evaluate_expert
from lipsync.models.folding import folded

REPOSITORY = Path(__file__).resolve().parents[2]
FPS, SIDE = 25, 96
NETWORKS = {
    "expert, window 5": ["model=syncnet"],
    "expert, window 15": ["model=syncnet", "model.expert.window=15"],
    "judge": ["model=judge"],
}
SCORES = ("evaluate_expert", "score")


def write_set(root: Path, minutes: float) -> None:
    """Write a short clip to train on, and a long one to validate on."""
    rng = np.random.default_rng(0)
    for key, split, seconds in (("short/a", "train", 2), ("long/a", "val", round(60 * minutes))):
        faces = np.lib.format.open_memmap(
            root / "faces.npy", "w+", np.uint8, (seconds * FPS, SIDE, SIDE, 3)
        )
        for frame in faces:
            frame[:] = rng.integers(0, 256, frame.shape, np.uint8)
        wave = (0.1 * rng.standard_normal(seconds * 16000)).astype(np.float32)
        write_clip(root, key, faces=faces, wave=wave, info={"framing": "box"})
        write_split(root, split, [key])


def training(root: Path, options: list[str]) -> list[str]:
    """The command that trains for one batch."""
    return [
        sys.executable, str(REPOSITORY / "train.py"), *options, "data=folder", f"data.root={root}",
        f"hydra.run.dir={root / 'run'}", "data.workers=0", "data.batch_size=1",
        "trainer.batches=1", "trainer.val_every=1",
    ]  # fmt: skip


def scored(root: Path, options: list[str], way: str) -> None:
    """Score the long clip in one way with an untrained network; run in its own process."""
    with initialize_config_dir(str(REPOSITORY / "conf"), version_base=None):
        network = compose("train", [*options, f"data.root={root}"]).model.expert
    judge = Judge(instantiate(network, _convert_="all").eval())
    judge.network = folded(judge.model)  # as for a judge that is loaded by name
    if way == "evaluate_expert":
        evaluate_expert(judge, root, ["long/a"])
    else:
        clip = open_clip(root, "long/a")
        judge.score(judge.faces(clip), [clip.wave])


def peak(command: list[str]) -> tuple[float, float]:
    """Peak memory of a command in MB, and its duration in seconds."""
    begin = time.perf_counter()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=REPOSITORY)
        _, status, used = os.wait4(process.pid, 0)
        if status:
            log.seek(0)
            raise SystemExit(f"{' '.join(command)}\n{log.read().decode()}")
    return used.ru_maxrss / 1024, time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="small", help="small or published")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument(
        "--one", nargs=3, metavar=("ROOT", "NETWORK", "WAY"), help="run only this case"
    )
    parser.add_argument("--write", metavar="ROOT", help="only write the set")
    args = parser.parse_args()
    size = [f"size={args.size}"]
    if args.one:
        root, network, way = args.one
        scored(Path(root), [*NETWORKS[network], *size, "data=folder"], way)
        return
    if args.write:
        write_set(Path(args.write), args.minutes)
        return
    print("| network | what | peak, MB | seconds |\n| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        # In another process: memory of this one would count for the processes that it starts.
        peak([sys.executable, __file__, "--minutes", str(args.minutes), "--write", folder])
        for network, options in NETWORKS.items():
            cases = {"validation": training(Path(folder), [*options, *size])}
            for way in SCORES:
                one = ["--size", args.size, "--one", folder, network, way]
                cases[way] = [sys.executable, __file__, *one]
            for what, command in cases.items():
                memory, seconds = peak(command)
                print(f"| {network} | {what} | {memory:.0f} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
