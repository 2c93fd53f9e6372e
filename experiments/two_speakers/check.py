"""Compare a translation of the film made by :mod:`film` with what is known about it.

    python experiments/two_speakers/check.py film.mp4 film-es.mp4 -o sheet.png

Prints, for each line, whether its speaker and face were found correctly, when it is spoken, and how
much the lower face of each head changes meanwhile; and the pitch of each speaker before and after.
Also writes a contact sheet for inspection.
"""

from __future__ import annotations

import argparse
import json
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from lipsync.media import read_audio, read_frames
from lipsync.voice.pitch import SAMPLE_RATE, track_pitch

FPS, COLUMNS = 25, 12
LOWER = slice(150, 270)  # rows of the lower half of a face in GRID's pictures
ACROSS = slice(90, 270)  # columns, from the left edge of a head's picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("film", type=Path)
    parser.add_argument("dubbed", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True, help="contact sheet")
    args = parser.parse_args()
    truth = json.loads(args.film.with_suffix(".json").read_text())
    work = args.dubbed.with_suffix(".work")
    (found,), (fitted,) = work.rglob("speakers.json"), work.rglob("fit.json")
    turns, placed = json.loads(found.read_text())["turns"], json.loads(fitted.read_text())["lines"]
    frames = zip(read_frames(args.film), read_frames(args.dubbed), strict=False)
    pairs = [(old, new) for (_, old), (_, new) in frames]
    width = pairs[0][0].shape[1] // 2
    change = np.array([[_change(old, new, side * width) for side in (0, 1)] for old, new in pairs])
    owner: dict[str, str] = {}
    print("line  said by  found    face         was            is now         speed  left, right")
    for turn in turns:
        row = max(truth, key=lambda t: min(t["end"], turn["end"]) - max(t["start"], turn["start"]))
        owner.setdefault(turn["speaker"], row["who"])
        face = turn["face"] and ("left" if int(turn["face"].split(",")[0]) < width else "right")
        now = placed[turn["line"] - 1]
        inside = slice(round(now["start"] * FPS), round(now["end"] * FPS))
        left, right = change[inside].mean(axis=0)
        who = turn["speaker"] + ("" if owner[turn["speaker"]] == row["who"] else " wrong")
        seen = row["who"] if row["who"] != "voice" else None
        shown = (face or "none") + ("" if face == seen else " wrong")
        was, is_now = (f"{t['start']:6.2f}-{t['end']:6.2f}" for t in (turn, now))
        print(
            f"{turn['line']:>4}  {row['who']:<7}  {who:<7}  {shown:<11}  {was}  {is_now}"
            f"  {now['speed']:5.2f}  {left:6.2f} {right:6.2f}"
        )
    said = np.zeros(len(pairs), bool)
    for turn in turns:
        now = placed[turn["line"] - 1]
        begin, end = min(turn["start"], now["start"]) - 0.3, max(turn["end"], now["end"]) + 0.3
        said[max(0, round(begin * FPS)) : round(end * FPS)] |= turn["face"] is not None
    quiet = change[~said]
    print(f"most that a face changes where no visible person speaks: {quiet.max(initial=0):.2f}")
    old, new = (read_audio(path, SAMPLE_RATE) for path in (args.film, args.dubbed))
    for who, name in owner.items():
        own = [turn for turn in turns if turn["speaker"] == who]
        was = _pitch(old, [(turn["start"], turn["end"]) for turn in own])
        now = [placed[line - 1] for line in sorted({turn["line"] for turn in own})]
        became = _pitch(new, [(line["start"], line["end"]) for line in now])
        print(f"{who} ({name}): pitch {was:.0f} Hz, now {became:.0f} Hz")
    _sheet(pairs, args.output)


def _change(old: np.ndarray, new: np.ndarray, left: int) -> float:
    cut = LOWER, slice(left + ACROSS.start, left + ACROSS.stop)
    return float(np.abs(old[cut].astype(float) - new[cut]).mean())


def _pitch(wave: np.ndarray, spans: list[tuple[float, float]]) -> float:
    """Median pitch over the voiced parts of some spans, in Hz."""
    parts = [wave[round(a * SAMPLE_RATE) : round(b * SAMPLE_RATE)] for a, b in spans]
    pitch = np.concatenate([track_pitch(part) for part in parts if len(part)])
    return float(np.median(pitch[pitch > 0]))


def _sheet(pairs: list[tuple[np.ndarray, np.ndarray]], path: Path) -> None:
    """Evenly spaced frames of the film above those of the dub, in three rows of pairs."""
    numbers = np.linspace(10, len(pairs) - 10, 3 * COLUMNS // 2).astype(int)
    columns = [np.concatenate(pairs[k], axis=0) for k in numbers]
    edges = range(0, len(columns) + 1, COLUMNS // 2)
    rows = [np.concatenate(columns[a:b], axis=1) for a, b in pairwise(edges)]
    cv2.imwrite(str(path), np.concatenate(rows, axis=0)[..., ::-1])


if __name__ == "__main__":
    main()
