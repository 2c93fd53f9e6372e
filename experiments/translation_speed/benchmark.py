"""How long does each stage of a translation take, and how much memory is needed?

    python experiments/translation_speed/benchmark.py --video talk.mp4 --to es

Every run is a new command with an empty work folder, so imports and loading of models are included.
Prints the median seconds of each stage and of the whole run, its CPU seconds (which other load on
the machine hardly changes), and the peak memory.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from lipsync.media import VideoWriter, probe, read_audio, read_frames, resample_frames


def main() -> None:
    """Time the command on one video, several times."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--video", type=Path, required=True)
    parser.add_argument("--to", default="es")
    parser.add_argument(
        "--seconds", type=float, default=10.0, help="length of the video in seconds"
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("more", nargs="*", help="further options of lipsync translate, after --")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        video = of_length(options.video, Path(folder) / "talk.mp4", options.seconds)
        runs = [
            one_run(video, Path(folder) / f"run{k}", options.to, options.more)
            for k in range(options.runs)
        ]
    for stage in runs[0]["seconds"]:
        print(f"{stage:<28} {statistics.median(run['seconds'][stage] for run in runs):7.1f} s")
    print(f"{'CPU time, all cores':<28} {statistics.median(run['cpu'] for run in runs):7.1f} s")
    print(f"{'peak memory':<28} {max(run['memory'] for run in runs) / 1024**3:7.2f} GB")


def of_length(source: Path, target: Path, seconds: float) -> Path:
    """The video, cut or repeated to last ``seconds``."""
    info, wave = probe(source), read_audio(source, 16_000)
    frames = list(resample_frames(read_frames(source), info.fps))
    count = round(seconds * info.fps)
    samples = round(len(frames) / info.fps * 16_000)  # per repetition, in picture and sound
    round_of_sound = np.pad(wave[:samples], (0, max(0, samples - len(wave))))
    sound = np.resize(round_of_sound, round(seconds * 16_000))
    with VideoWriter(target, info.fps, (info.width, info.height), audio=sound) as writer:
        for k in range(count):
            writer.write(frames[k % len(frames)])
    return target


def one_run(video: Path, folder: Path, to: str, more: list[str]) -> dict:
    """Seconds of each stage and of the whole run, CPU seconds, and peak memory in bytes."""
    folder.mkdir()
    command = [sys.executable, "-m", "lipsync", "translate", str(video), "--to", to]
    command += ["-o", str(folder / "out.mp4"), "--json", *more]
    began = time.perf_counter()
    with (folder / "out.json").open("wb") as out:
        process = subprocess.Popen(command, stdout=out)
        _, status, usage = os.wait4(process.pid, 0)
    whole = time.perf_counter() - began
    if status:
        sys.exit(f"the command failed: {' '.join(command)}")
    seconds = json.loads((folder / "out.json").read_text())["seconds"]
    seconds["start, imports, checks"] = whole - sum(seconds.values())
    cpu = usage.ru_utime + usage.ru_stime
    return {"seconds": seconds | {"whole": whole}, "cpu": cpu, "memory": usage.ru_maxrss * 1024}


if __name__ == "__main__":
    main()
