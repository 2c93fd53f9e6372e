"""How quickly does a command respond? The minimum over several starts, with files cached.

Measures CPU time, which other load on the machine hardly changes.

python experiments/startup_speed/benchmark.py [--runs 11] [--at another/checkout]
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

STARTS = {
    "python alone": ["-c", "pass"],
    "import lipsync": ["-c", "import lipsync"],
    "lipsync --help": ["-m", "lipsync", "--help"],
    "lipsync dub --help": ["-m", "lipsync", "dub", "--help"],
    "lipsync, a misspelt option": ["-m", "lipsync", "dub", "a", "b", "-o", "c", "--modle", "d"],
    "lipsync dub, no such file": ["-m", "lipsync", "dub", "none.mp4", "none.wav", "-o", "x.mp4"],
    "import lipsync.dubbing": ["-c", "import lipsync.dubbing"],
    "load a bundled model": [
        "-c",
        "from lipsync.checkpoints import load_model; load_model('wav2lip-gan-grid')",
    ],
    "python train.py --help": ["{root}/train.py", "--help"],
    "train.py, a misspelt option": ["{root}/train.py", "model=wavlip"],
    "python -m data_prep --help": ["-m", "data_prep", "--help"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=11)
    parser.add_argument("--at", type=Path, default=Path(__file__).parents[2])
    options = parser.parse_args()
    root = options.at.resolve()
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    print("| command | s |\n| --- | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        for name, words in STARTS.items():
            command = [sys.executable, *(word.format(root=root) for word in words)]
            seconds = [timed(command, folder, environment) for _ in range(options.runs + 1)][1:]
            print(f"| {name} | {min(seconds):.2f} |", flush=True)


def timed(command: list[str], folder: str, environment: dict[str, str]) -> float:
    """CPU seconds of a command."""
    began = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime


if __name__ == "__main__":
    main()
