"""Samples per second of the loader on one core, from more clips than a process can keep open.

    python experiments/loader_speed/benchmark.py --before CHECKOUT

The set has many clips of ten seconds, each in a folder of its own, as hard links to a few real
ones. So no clip is already open or parsed, and little disk space is used. With ``--cold`` the clips
are few but real copies, and the pages of a clip are dropped from the page cache before it is
sampled, so every sample waits for the disk.

``--before`` also measures another checkout of this repository, in alternating runs. It may be as
old as 638dd8e, which had a dataset class for every kind of sample.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

HERE = Path(__file__).resolve().parents[2]
KINDS = ("generator", "expert", "lipgan", "judge")
FRAMES = 250


def make_set(root: Path, clips: int, size: int, real: int, frames: int = FRAMES) -> None:
    """Write ``clips`` clips of ten seconds; all but the first ``real`` are hard links to those."""
    from lipsync.data.store import clip_path, write_clip, write_split

    rng = np.random.default_rng(0)
    keys = [f"speaker{i % 100:02d}/{i:06d}" for i in range(clips)]
    for i, key in enumerate(keys):
        if i < real:
            small = rng.integers(0, 256, (frames, size // 8, size // 8, 3), dtype=np.uint8)
            faces = np.stack([cv2.resize(face, (size, size)) for face in small])
            wave = (0.1 * rng.standard_normal(frames * 640)).astype(np.float32)
            write_clip(root, key, faces=faces, wave=wave, info={"boxes": [[1, 2, 3, 4]] * frames})
            continue
        folder, source = clip_path(root, key), clip_path(root, keys[i % real])
        folder.mkdir(parents=True, exist_ok=True)
        for path in source.iterdir():
            os.link(path, folder / path.name)
    write_split(root, "train", keys)


def publish(root: Path, clips: int) -> None:
    """Copy the first clips of a set to the published layout, in a folder beside it."""
    from lipsync.data.store import open_clip, read_split, write_split

    keys = read_split(root, "train")[:clips]
    for key in keys:
        clip, folder = open_clip(root, key), Path(f"{root}-published", key)
        folder.mkdir(parents=True)
        for i, face in enumerate(clip.faces):
            cv2.imwrite(str(folder / f"{i}.jpg"), np.ascontiguousarray(face[..., ::-1]))
        shutil.copy(clip.path / "audio.wav", folder)
    write_split(f"{root}-published", "train", keys)


def dataset(root: Path, kind: str, size: int) -> Any:
    """The training set for a kind of network, as in its recipe."""
    try:
        from lipsync.data.inputs import Inputs, Span
    except ImportError:
        return dataset_before(root, kind, size)
    from lipsync.data.datasets import Windows
    from lipsync.data.store import PreparedFolder
    from lipsync.features import LipGANMFCC, Mel, SyncNetMFCC

    expert, judge = Span(Mel(), 5), Span(SyncNetMFCC(), 5)
    # older checkouts had a flag instead of a number of references
    looks = {"references": 1} if hasattr(Inputs, "references") else {"reference": True}
    asked, windows = {
        "generator": ({"sound": Mel(lead=2), "spans": {"sync": expert}, **looks}, 1),
        "lipgan": ({"sound": LipGANMFCC(), "shifted": 5, **looks}, 5),
        "expert": ({"spans": {"expert": expert}, "lower_half": True}, 12),
        "judge": ({"spans": {"expert": judge}}, 12),
    }[kind]
    frames = 5 if kind == "generator" else 1
    inputs = Inputs(image_size=size, framing="box", frames=frames, **asked)
    return Windows(PreparedFolder(root, size), "train", inputs, windows=windows)


def dataset_before(root: Path, kind: str, size: int) -> Any:
    """The same for checkouts in which every kind had its own class."""
    from lipsync.data.lipgan import LipGANFrames

    from lipsync.data.datasets import ExpertWindows, GeneratorWindows, JudgeWindows

    kinds = {
        "generator": GeneratorWindows,
        "lipgan": LipGANFrames,
        "expert": ExpertWindows,
        "judge": JudgeWindows,
    }
    return kinds[kind](root, "train", size)


def drop_pages(folder: Path) -> None:
    """Drop the pages of a clip's files from the page cache."""
    for path in folder.iterdir():
        file = os.open(path, os.O_RDONLY)
        os.fsync(file)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(file)


def rate(
    take: Callable[[int], dict[str, Any]], first: int, seconds: float, root: Path | None
) -> float:
    """Samples per second for draws from ``first`` on; of the set ``root`` with a cold cache.

    With ``root``, the pages of each sample's clip are dropped first (not timed), and wall time is
    measured. Without it, CPU time is measured, whatever else the machine is doing.
    """
    spent, count, clock = 0.0, 0, time.perf_counter if root else time.process_time
    while spent < seconds:
        draw = first + count
        if root is not None:
            drop_pages(root / take(draw)["key"])
        begin = clock()
        take(draw)
        spent += clock() - begin
        count += 1
    return count / spent


def measure(root: Path, size: int, first: int, seconds: float, cold: bool) -> dict[str, float]:
    """Samples per second of each kind, in this process."""
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    rates = {}
    for kind in KINDS:
        samples = dataset(root, kind, size)
        samples[first]  # warm up: imports and tables
        if cold and hasattr(samples, "_open"):  # else clips stay mapped, and their pages cached
            samples.clip = samples._open
        rates[kind] = rate(samples.__getitem__, first + 1, seconds, root if cold else None)
    return rates


def measured(checkout: Path, *arguments: Any) -> dict[str, float]:
    """:func:`measure` in a new process, with the package of another checkout."""
    environment = os.environ | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "--measure", json.dumps([str(a) for a in arguments])]
    ran = subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True, cwd=checkout
    )
    return json.loads(ran.stdout)


def report(root: Path, checkouts: dict[str, Path], args: argparse.Namespace, what: str) -> None:
    """Print the table rows of every kind of sample, for all checkouts."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in checkouts}
    for run in range(args.runs):  # alternate, so other load slows all alike
        for name, checkout in checkouts.items():
            first = run * 1_000_000
            found[name].append(
                measured(checkout, root, args.size, first, args.seconds, int(args.cold))
            )
    for kind in KINDS:
        line = f"| {args.size} | {what}, {kind} |"
        for values in found.values():
            rates = [value[kind] for value in values]
            line += f" {statistics.median(rates):,.0f} ({min(rates):,.0f}-{max(rates):,.0f}) |"
        if len(found) == 2:
            pairs = zip(found["after"], found["before"], strict=True)
            line += f" {statistics.median(a[kind] / b[kind] for a, b in pairs):.1f} |"
        print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, help="another checkout to compare with")
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--clips", type=int, default=20_000)
    parser.add_argument(
        "--real", type=int, default=40, help="real clips; the others are links to them"
    )
    parser.add_argument("--published", type=int, default=40, help="clips in the published layout")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of each measurement")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--cold", action="store_true", help="drop a clip's pages before sampling")
    parser.add_argument("--folder", type=Path, help="folder for the set; reused if it exists")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        root, size, first, seconds, cold = json.loads(args.measure)
        numbers = measure(Path(root), int(size), int(first), float(seconds), cold == "1")
        print(json.dumps(numbers))
        return
    checkouts = {"before": args.before.resolve()} if args.before else {}
    checkouts["after"] = HERE
    with tempfile.TemporaryDirectory() as made:
        root = (args.folder or Path(made)) / "set"
        if not root.exists():
            make_set(root, args.clips, args.size, args.clips if args.cold else args.real)
            publish(root, args.published)
        print(f"one core, median of {args.runs} measurements (lowest-highest), samples a second\n")
        print(f"| px | what | {' | '.join(checkouts)} | ratio |")
        print("| ---: | --- |" + " ---: |" * (len(checkouts) + 1))
        report(root, checkouts, args, f"{args.clips:,} {'cold ' if args.cold else ''}clips")
        if args.published:
            report(Path(f"{root}-published"), checkouts, args, "published layout")


if __name__ == "__main__":
    main()
