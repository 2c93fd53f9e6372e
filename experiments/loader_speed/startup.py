"""What does starting on a set of a million clips cost, in seconds and memory, on one core?

    python experiments/loader_speed/startup.py

Only the index is real: a split list with that many names, read as usual. Whichever clip is opened,
the same one is read from disk. Each stage runs in its own process.
"""

from __future__ import annotations

import argparse
import json
import pickle
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

STAGES = ("imports alone", "Windows", "Clips(windows=4, most=1000)", "Clips(most=1000)", "Clips()")


def make_index(root: Path, clips: int, line: str = "") -> None:
    """Write a split list, and one clip of ten seconds in its own folder."""
    from lipsync.data.store import write_clip, write_split

    faces = np.zeros((250, 96, 96, 3), np.uint8)
    write_clip(root / "one", "a/b", faces=faces, wave=np.zeros(160_000, np.float32), info={})
    keys = [f"speaker{i % 5000:04d}/video{i // 40:06d}-{i:07d}{line}" for i in range(clips)]
    write_split(root, "train", keys)


def measure(root: Path, stage: str) -> dict[str, Any]:
    """Construct the dataset of one stage in this process, and measure."""
    import torch

    from lipsync.data.datasets import Clips, Windows
    from lipsync.data.inputs import Inputs, Span
    from lipsync.data.store import PreparedFolder
    from lipsync.features import Mel

    torch.set_num_threads(1)

    class Index(PreparedFolder):
        def open(self, key: str) -> Any:
            clip = PreparedFolder(self.root / "one").open("a/b")
            clip.key = key
            return clip

    expert = Span(Mel(), 5)
    inputs = Inputs(96, "box", 5, sound=Mel(lead=2), spans={"sync": expert}, references=1)
    make = {
        "imports alone": lambda: None,
        "Windows": lambda: Windows(Index(root), "train", inputs),
        "Clips(windows=4, most=1000)": lambda: Clips(
            Index(root), "train", inputs, windows=4, most=1000
        ),
        "Clips(most=1000)": lambda: Clips(Index(root), "train", inputs, most=1000),
        "Clips()": lambda: Clips(Index(root), "train", inputs),
    }[stage]
    begin = time.perf_counter()
    dataset = make()
    found = {"seconds": time.perf_counter() - begin}
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    found |= {"rss": int(status["VmRSS"].split()[0]) / 1e3}
    found |= {"peak": int(status["VmHWM"].split()[0]) / 1e3}
    if stage == "Windows":
        found["pickled"] = len(pickle.dumps((dataset.keys, dataset.draws))) / 1e6
        begin = time.perf_counter()
        for draw in range(1000):
            dataset[draw]
        found["sample"] = time.perf_counter() - begin
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=1_000_000)
    parser.add_argument("--line", default="", help='text after each name, such as " NF:12 MV:3"')
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(Path(args.measure[0]), args.measure[1])))
        return
    with tempfile.TemporaryDirectory() as folder:
        make_index(Path(folder), args.clips, args.line)
        print(f"{args.clips:,} clips\n")
        print("| | s | MB resident | MB at most |")
        print("| --- | ---: | ---: | ---: |")
        for stage in STAGES:
            command = [sys.executable, __file__, "--measure", folder, stage]
            ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            found = json.loads(ran.stdout)
            print(
                f"| {stage} | {found['seconds']:.2f} | {found['rss']:.0f} | {found['peak']:.0f} |"
            )
            if "sample" in found:
                print(
                    f"| a sample then: {found['sample']:.2f} ms; a spawned worker is sent "
                    f"{found['pickled']:.0f} MB | | | |"
                )


if __name__ == "__main__":
    main()
