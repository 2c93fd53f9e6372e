"""Samples a second of the training loader on one core, of more clips than a process can keep open.

    python experiments/loader_speed/benchmark.py --before CHECKOUT

A set of many ten-second clips is made of a few: every clip has a folder of its own, whose files are
hard links, so that nothing is found open or parsed from an earlier sample and little disk is
taken. With ``--cold`` the clips are few but real copies, whose pages are dropped before they are
asked for: every sample then waits for the disk.

``--before`` measures another checkout of this repository beside this one, in turn. It may be one
in which every kind of sample had a dataset class of its own (638dd8e).
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
    """A set of ``clips`` clips of ten seconds; more than ``real`` are hard links of those."""
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
    """The first clips of a set once more, in the published layout beside it."""
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
    """The training set of a kind of network, as its recipe makes it."""
    try:
        from lipsync.data.inputs import Inputs, Span
    except ImportError:
        return dataset_before(root, kind, size)
    from lipsync.data.datasets import Windows
    from lipsync.data.store import PreparedFolder
    from lipsync.features import LipGANMFCC, Mel, SyncNetMFCC

    expert, judge = Span(Mel(), 5), Span(SyncNetMFCC(), 5)
    # a window of frames before it was a number of frames
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
    """The same where every kind had a class of its own."""
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
    """Samples a second of draws from ``first`` on; cold ones of the set ``root`` if that is given.

    The pages of a cold sample's clip are dropped first, which is not timed. Where no sample waits
    for the disk, seconds are the processor's, whatever else the machine is doing.
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
    """Samples a second of each kind, in this process."""
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    rates = {}
    for kind in KINDS:
        samples = dataset(root, kind, size)
        samples[first]  # imports and tables
        if cold and hasattr(samples, "_open"):  # kept open and mapped before: no page could go
            samples.clip = samples._open
        rates[kind] = rate(samples.__getitem__, first + 1, seconds, root if cold else None)
    return rates


def measured(checkout: Path, *arguments: Any) -> dict[str, float]:
    """:func:`measure` in a new process, with the package of a checkout."""
    environment = os.environ | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "--measure", json.dumps([str(a) for a in arguments])]
    ran = subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True, cwd=checkout
    )
    return json.loads(ran.stdout)


def report(root: Path, checkouts: dict[str, Path], args: argparse.Namespace, what: str) -> None:
    """Print rows of the table, every kind of sample from every checkout."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in checkouts}
    for run in range(args.runs):  # in turn, so that a slow moment of the machine hits all
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
    parser.add_argument("--before", type=Path, help="another checkout, to be measured beside this")
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--clips", type=int, default=20_000)
    parser.add_argument("--real", type=int, default=40, help="real clips, to which others link")
    parser.add_argument("--published", type=int, default=40, help="clips in the published layout")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--cold", action="store_true", help="drop the pages of a clip first")
    parser.add_argument("--folder", type=Path, help="folder of the set, reused if it exists")
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
