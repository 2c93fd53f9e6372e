"""Windows per second from the same shards, read by WebDataset and by our reader.

    pip install --no-deps webdataset braceexpand
    python experiments/store_formats/libraries.py ROOT

``ROOT`` is a set in shards (``python -m data_prep convert``). A sample is five frames of a clip.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from lipsync.data.shards import PreparedShards

T = 5


def cut(ends: bytes, pictures: bytes, rng: np.random.Generator) -> np.ndarray:
    """Five frames of a clip that was read as a whole."""
    edges = np.concatenate([[0], np.load(io.BytesIO(ends))[:, 0]])
    first = int(rng.integers(len(edges) - T))
    parts = (np.frombuffer(pictures[a:b], np.uint8) for a, b in pairwise(edges[first:][: T + 1]))
    return np.stack([cv2.imdecode(part, cv2.IMREAD_COLOR_RGB) for part in parts])


def ours(root: Path) -> Iterator[np.ndarray]:
    reader, rng = PreparedShards(root), np.random.default_rng(0)
    while True:
        clip = reader.open(reader.index.keys[int(rng.integers(len(reader.index)))].decode())
        first = int(rng.integers(len(clip) - T + 1))
        yield clip.read(range(first, first + T))


def webdataset(root: Path) -> Iterator[np.ndarray]:
    import webdataset as wds

    rng = np.random.default_rng(0)
    shards = [str(path) for path in sorted(root.glob("*.tar"))]
    for sample in wds.WebDataset(shards, shardshuffle=100).shuffle(1000).repeat():
        yield cut(sample["ends.npy"], sample["mjpeg"], rng)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("--seconds", type=float, default=3.0)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    for read in (ours, webdataset):
        windows = read(args.root)
        next(windows)  # warm up: fill the buffers
        begin, count = time.process_time(), 0
        while (spent := time.process_time() - begin) < args.seconds:
            next(windows)
            count += 1
        print(f"| {read.__name__} | {count / spent:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
