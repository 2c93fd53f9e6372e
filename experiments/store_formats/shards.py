"""Shards compared with folders: windows per second, start-up with a million clips, cost of JPEG.

    python experiments/store_formats/shards.py ROOT --sizes 96 256

``ROOT`` is a prepared set; its clips are resized to each size first. One process, one thread.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from data_prep.convert import convert
from data_prep.shard_writer import encode_pictures
from lipsync.data.datasets import Windows
from lipsync.data.inputs import Inputs, Span
from lipsync.data.shard_index import Index
from lipsync.data.shards import PreparedShards
from lipsync.data.store import PreparedFolder, open_set, write_clip, write_split
from lipsync.features import Mel
from lipsync.windows import FPS

T = 5  # frames per window
EXPERT, WINDOWS = Span(Mel(), T), 12


def resized(root: Path, output: Path, size: int, clips: int) -> list[str]:
    """Write some clips of a set at another size; returns their keys."""
    reader = open_set(root)
    keys = reader.keys("train")
    keys = keys[:: max(1, len(keys) // clips)][:clips]
    for key in keys:
        clip = reader.open(key)
        faces = clip.faces
        if clip.size != size:
            faces = np.stack(
                [cv2.resize(f, (size, size), interpolation=cv2.INTER_CUBIC) for f in faces]
            )
        arrays = {file: clip.array(file) for file in clip.files}
        write_clip(output, key, faces=faces, wave=clip.wave, info=clip.info, features=arrays)
    write_split(output, "train", keys)
    return keys


def held(folder: Path) -> int:
    """Total size of a folder's files in bytes."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def drop_pages(folder: Path) -> None:
    """Drop a folder's files from the page cache."""
    for path in folder.rglob("*"):
        if path.is_file():
            file = os.open(path, os.O_RDONLY)
            os.fsync(file)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)


def read_rate(reader: PreparedFolder | PreparedShards, keys: list[str], seconds: float) -> float:
    """Five-frame windows per second of CPU time, each from a random clip that is opened for it."""
    rng, count, begin = np.random.default_rng(0), 0, time.process_time()
    while (spent := time.process_time() - begin) < seconds:
        clip = reader.open(keys[int(rng.integers(len(keys)))])
        first = int(rng.integers(len(clip) - T + 1))
        clip.read(range(first, first + T))
        count += 1
    return count / spent


def sample_rate(
    reader: PreparedFolder | PreparedShards, size: int, windows: int, seconds: float
) -> float:
    """Windows per second of CPU time in an expert's samples, ``windows`` each, with their mel."""
    inputs = Inputs(
        size, reader.open(reader.keys("train")[0]).framing or "box", spans={"a": EXPERT}
    )
    dataset, draw = Windows(reader, "train", inputs, windows=windows), 0
    begin = time.process_time()
    while (spent := time.process_time() - begin) < seconds:
        dataset[draw]
        draw += 1
    return draw * windows / spent


def cold_rate(make: Callable, folder: Path, keys: list[str], count: int) -> float:
    """Windows per second of wall time, each from a clip that is not in the page cache."""
    reader, spent, rng = make(), 0.0, np.random.default_rng(1)
    for _ in range(count):
        drop_pages(folder)
        key = keys[int(rng.integers(len(keys)))]
        begin = time.perf_counter()
        clip = reader.open(key)
        first = int(rng.integers(len(clip) - T + 1))
        clip.read(range(first, first + T))
        spent += time.perf_counter() - begin
    return count / spent


def shown(values: list[float]) -> str:
    return f"{statistics.median(values):,.0f} ({min(values):,.0f}-{max(values):,.0f})"


def compare_forms(root: Path, size: int, clips: int, seconds: float, runs: int, work: Path) -> None:
    """Print the table rows for one size."""
    folder, shards, cache = (work / f"{name}-{size}" for name in ("folders", "shards", "cache"))
    keys = resized(root, folder, size, clips)
    convert(folder, shards, "shards", workers=0, progress=False)
    hours = sum(len(PreparedFolder(folder).open(key)) for key in keys) / FPS / 3600
    forms: dict[str, tuple[Callable, Path]] = {
        "folders": (lambda: PreparedFolder(folder), folder),
        "shards": (lambda: PreparedShards(shards), shards),
        "shards, `cached=pixels`": (
            lambda: PreparedShards(shards, cache=cache, cached="pixels"), cache,
        ),
    }  # fmt: skip
    rates: dict[str, list[list[float]]] = {name: [[], [], [], []] for name in forms}
    for name, (make, where) in forms.items():
        for key in keys:
            make().open(key).read([0])  # fill the page cache
        rates[name][3].append(held(where) / hours / 1e9)
    for _ in range(runs):  # alternate, so other load slows all alike
        for name, (make, where) in forms.items():
            reader = make()
            rates[name][0].append(read_rate(reader, keys, seconds))
            rates[name][1].append(sample_rate(reader, size, WINDOWS, seconds))
            rates[name][2].append(cold_rate(make, where, keys, len(keys)))
    for name, (windows, samples, cold, size_gb) in rates.items():
        row = [str(size), name, shown(windows), shown(samples), shown(cold), f"{size_gb[0]:.2f}"]
        print(f"| {' | '.join(row)} |", flush=True)


def compare_qualities(root: Path, sizes: list[int], clips: int, work: Path) -> None:
    """Print PSNR, disk space and decoding time for each JPEG quality."""
    for size in sizes:
        reader = PreparedFolder(work / f"folders-{size}")
        faces = np.concatenate([reader.open(key).faces[::15] for key in reader.keys("train")])
        for quality in (75, 85, 90, 95, 98):
            coded = encode_pictures(faces, quality)
            begin = time.process_time()
            there = [cv2.imdecode(np.frombuffer(c, np.uint8), cv2.IMREAD_COLOR_RGB) for c in coded]
            spent = (time.process_time() - begin) / len(coded)
            squares = np.square(np.stack(there).astype(np.float32) - faces)
            mouth = squares[:, size // 2 : size * 15 // 16, size // 5 : size * 4 // 5]
            whole, lips = (10 * np.log10(255**2 / part.mean()) for part in (squares, mouth))
            gb = np.mean([len(c) for c in coded]) * FPS * 3600 / 1e9
            print(
                f"| {size} | {quality} | {whole:.1f} | {lips:.1f} | {gb:.2f} | {spent * 1e6:.0f} |"
            )


def start(clips: int, shards: Path, work: Path) -> None:
    """Print how long training takes to start with an index of so many clips.

    The entries are those of real clips, but all except the first have random sizes and checksums,
    so that the index compresses no better than a real one.
    """
    one, rng = open_set(shards).index, np.random.default_rng(0)
    keys = [f"speaker{i % 5000:04d}/video{i // 40:06d}-{i:07d}" for i in range(clips)]
    rows = np.arange(clips) % len(one)
    members = one.members[rows]
    members[1:, :, 1] += rng.integers(0, 2000, members[1:, :, 1].shape, dtype=np.uint32)
    members[1:, :, 2] = rng.integers(0, 1 << 32, members[1:, :, 2].shape, dtype=np.uint32)
    names = np.array([key.encode() for key in keys])
    index = Index(
        keys=np.sort(names),
        shard=one.shard[rows],
        begin=one.begin[rows],
        length=one.length[rows],
        frames=one.frames[rows],
        size=one.size[rows],
        members=members,
        kinds=one.kinds,
        shards=one.shards,
    )
    root = work / "million"
    root.mkdir()
    (root / "index.npz").write_bytes(index.to_bytes())
    for shard in one.shards:
        os.link(shards / str(shard), root / str(shard))
    write_split(root, "train", keys)
    first = open_set(shards).open(one.keys[0].decode())
    inputs = Inputs(first.size, first.framing or "box", spans={"a": EXPERT})
    begin, busy = time.perf_counter(), time.process_time()
    Windows(PreparedShards(root), "train", inputs, windows=WINDOWS)
    spent, busy = time.perf_counter() - begin, time.process_time() - busy
    size = (root / "index.npz").stat().st_size / 1e6
    print(f"\n{clips:,} clips: {spent:.1f} s to the training set ({busy:.1f} s of the processor), ")
    print(f"an index of {size:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[96, 256])
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of each measurement")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument(
        "--million", type=int, default=1_000_000, help="clips in the simulated index"
    )
    args = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory(dir=args.root.parent) as folder:
        work = Path(folder)
        print("| px | stored as | windows/s | windows with mel/s | cold windows/s | GB per hour |")
        print("| ---: | --- | ---: | ---: | ---: | ---: |")
        for size in args.sizes:
            compare_forms(args.root, size, args.clips, args.seconds, args.runs, work)
        print("\n| px | quality | PSNR, dB | of the mouth | GB per hour | us to decode |")
        print("| ---: | ---: | ---: | ---: | ---: | ---: |")
        compare_qualities(args.root, args.sizes, args.clips, work)
        start(args.million, work / f"shards-{args.sizes[0]}", work)


if __name__ == "__main__":
    main()
