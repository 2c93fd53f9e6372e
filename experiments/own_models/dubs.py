"""Write folders for `lipsync bench`: GRID's test and unseen clips, dubbed by several models.

python experiments/own_models/dubs.py GRID OUT MODEL...

``OUT/known`` has 18 clips of ``test`` (every third whose name encodes a sentence), ``OUT/new`` all
clips of ``unseen``. Each is dubbed with the speech of the clip half the list further on, and with
silence. Existing files are kept.
"""

from __future__ import annotations

import argparse
import csv
import shutil
from pathlib import Path

import numpy as np

from lipsync.data.sentences import grid_sentence
from lipsync.dubbing import dub
from lipsync.media import write_audio
from lipsync.media.loudness import read_speech

RATE, SECONDS = 16000, 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("grid", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("models", nargs="+")
    args = parser.parse_args()
    lists = {
        split: (args.grid / "filelists" / f"{split}.txt").read_text().split()
        for split in ("test", "unseen")
    }
    known = [key for key in lists["test"] if grid_sentence(key)][::3][:18]
    for name, keys in (("known", known), ("new", lists["unseen"])):
        write_clips(args.grid, args.output / name, keys, with_text=name == "known")
        for model in args.models:
            make_dubs(args.output / name, model)


def write_clips(grid: Path, folder: Path, keys: list[str], with_text: bool) -> None:
    """Write the real videos, the new sounds, and clips.csv with their texts."""
    for part in ("real", "sound"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    rows = []
    for place, key in enumerate(keys):
        name, other = key.replace("/", "_"), keys[(place + len(keys) // 2 + 1) % len(keys)]
        shutil.copyfile(grid / f"{key}.mp4", folder / "real" / f"{name}.mp4")
        write_audio(folder / "sound" / f"{name}.wav", read_speech(grid / f"{other}.mp4"), RATE)
        texts = {"text": grid_sentence(other), "real_text": grid_sentence(key)}
        rows.append({"name": name} | (texts if with_text else {}))
    with (folder / "clips.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def make_dubs(folder: Path, model: str) -> None:
    """Write a model's dubs with the new speech and with silence."""
    silence = folder / "silence.wav"
    write_audio(silence, np.zeros(SECONDS * RATE, np.float32), RATE)
    own = folder / Path(model).stem
    (own / "silent").mkdir(parents=True, exist_ok=True)
    for video in sorted((folder / "real").glob("*.mp4")):
        sound = folder / "sound" / f"{video.stem}.wav"
        for audio, output in ((sound, own / video.name), (silence, own / "silent" / video.name)):
            if not output.exists():
                dub(video, audio, output, model=model)


if __name__ == "__main__":
    main()
