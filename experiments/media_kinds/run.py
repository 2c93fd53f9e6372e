"""Kinds of media: is each read correctly, its face found, and dubbed in sync, shape and colour?

    python experiments/media_kinds/run.py -o kinds.csv        # all, about five minutes
    python experiments/media_kinds/run.py --only "PQ" "HLG"

Each file is dubbed with its own sound (still pictures with a WAV). Measured on the file as read and
on the dub: the number of frames, the time between a patch that turns white and the start of a tone,
the roundness and position of a disc, and four colours.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from card import BEGIN, HEIGHT, SECONDS, WIDTH, Card, colour_error, flash, roundness, tone
from kinds import PICTURES, VIDEOS, make, times

from lipsync.dubbing import dub
from lipsync.dubbing.source import open_source
from lipsync.errors import LipsyncError, MediaError
from lipsync.faces.detect import get_detector
from lipsync.generators.lips import load_generator
from lipsync.media import read_audio, read_frames, write_audio

MOST_SECONDS, MOST_ROUND, MOST_OFF, MOST_COLOUR = 0.02, 0.04, 2.0, 8.0
COLUMNS = ("kind", "file", "frames", "face", "late_ms", "disc", "disc_off", "colour", "verdict")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=None, metavar="KIND")
    parser.add_argument("--model", default="wav2lip-gan-grid")
    parser.add_argument("-o", type=Path, help="a CSV file")
    args = parser.parse_args()
    card, rows = Card(), []
    tools = {"model": load_generator(args.model, "cpu")[0], "detector": get_detector("centerface")}
    for name in args.only or [*VIDEOS, *PICTURES]:
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            row = measure(Path(folder), name, card, tools)
        rows.append(row)
        took = time.perf_counter() - began
        print(" | ".join(str(row[column]) for column in COLUMNS), f"| {took:.1f} s", flush=True)
    good = sum(row["verdict"] == "right" for row in rows)
    print(f"{good} of {len(rows)} right")
    if args.o is not None:
        with args.o.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
    sys.exit(good < len(rows))


def measure(folder: Path, name: str, card: Card, tools: dict) -> dict:
    """Test one kind; returns its row of the table."""
    row = dict.fromkeys(COLUMNS, "") | {"kind": name}
    try:
        path, moving = make(folder, name, card)
    except MediaError as error:
        return row | {"verdict": f"not made: {error.problem}; {error.remedy}"}
    row["file"] = path.suffix[1:]
    output, sound = folder / "dubbed.mkv", path
    if name in PICTURES:
        sound = folder / "sound.wav"
        write_audio(sound, np.interp(np.arange(0, SECONDS, 1 / 16_000),
                                     np.arange(len(card.wave)) / 48_000, card.wave))  # fmt: skip
    try:
        frames = [frame for _, frame in open_source(path).frames()]
        result = dub(path, sound, output, crf=10, **tools)
    except LipsyncError as error:
        return row | {"verdict": str(error).removeprefix(f"{path}: ")}
    shown = list(read_frames(output))
    row["frames"] = f"{len(frames)}/{result.frames}"
    row["face"] = f"{result.faces_found / result.frames:.0%}"
    problems = []
    if frames[0].shape[:2] != (HEIGHT, WIDTH) or shown[0][1].shape[:2] != (HEIGHT, WIDTH):
        problems.append(f"size {frames[0].shape[1]}x{frames[0].shape[0]}")
    if result.faces_found < 0.95 * result.frames:
        problems.append("face")
    if abs(result.seconds - SECONDS) > 0.045:
        problems.append(f"{result.seconds:.2f} s")
    if moving:
        white, heard = flash(shown), tone(read_audio(output))
        own = times(name)
        turns = next(time for time in own if time >= BEGIN - 0.004)  # the first white frame
        late = 1000 * (heard - BEGIN - (white - turns)) if white is not None else np.inf
        row["late_ms"] = f"{late:.1f}"
        if not abs(late) <= 1000 * MOST_SECONDS or abs(heard - BEGIN) > 0.045:
            problems.append("time")
        if len(frames) != len(own):
            problems.append(f"{len(own)} frames")
    if not any(problem.startswith("size") for problem in problems):
        round_, off = roundness(shown[min(5, len(shown) - 1)][1])
        error = max(
            colour_error(frames[min(5, len(frames) - 1)]),
            colour_error(shown[min(5, len(shown) - 1)][1]),
        )
        row |= {"disc": f"{round_:.3f}", "disc_off": f"{off:.1f}", "colour": f"{error:.1f}"}
        if abs(round_ - 1) > MOST_ROUND or off > MOST_OFF:
            problems.append("geometry")
        if error > MOST_COLOUR:
            problems.append("colour")
    row["verdict"] = "wrong: " + ", ".join(problems) if problems else "right"
    return row


if __name__ == "__main__":
    main()
