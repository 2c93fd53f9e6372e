"""Dub clips with speech in other languages, and make contact sheets for inspection.

    python experiments/dubbing_wild/sheets.py CLIPS SPEECH -o FOLDER

Each clip is dubbed with the next sound in turn. FOLDER gets the videos and, for each, a contact
sheet of pairs (source above, dub below): the whole frame at a small size, and the face at a large
one. The sheets show the people in the clips, so publish neither the sheets nor the videos.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from lipsync.dubbing import DubbedFrame, dub_frames
from lipsync.dubbing.options import DEFAULT_MODEL
from lipsync.errors import LipsyncError
from lipsync.faces.crops import crop
from lipsync.faces.framing import Framing

COLUMNS = 12
FACE, WHOLE = 150, 100  # side, in pixels


def column(frame: DubbedFrame) -> np.ndarray:
    """A column of four pictures: whole frame, whole dubbed frame, face, dubbed face."""
    height, width = frame.original.shape[:2]
    side = max(height, width)
    middle, half = np.array([width, height, width, height]) / 2, side / 2
    whole = middle + np.array([-half, -half, half, half])
    parts = []
    for picture in (frame.original, frame.picture):
        small = crop(picture, whole, WHOLE)
        parts.append(cv2.copyMakeBorder(small, 0, 0, 0, FACE - WHOLE, cv2.BORDER_CONSTANT))
    for picture in (frame.original, frame.picture):
        blank = np.zeros((FACE, FACE, 3), np.uint8)
        parts.append(Framing.cut(picture, frame.transforms[0], FACE) if frame.dubbed else blank)
    return np.concatenate(parts, axis=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path, help="folder of videos")
    parser.add_argument("speech", type=Path, help="folder of sound files")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    sounds = sorted(p for p in options.speech.rglob("*") if p.suffix in {".wav", ".mp3", ".flac"})
    clips = sorted(p for p in options.clips.iterdir() if p.suffix in {".mp4", ".mov", ".mkv"})
    for number, clip in enumerate(clips):
        sound = sounds[number % len(sounds)]
        try:
            columns, dubbed, count = [], 0, 0
            for frame in dub_frames(clip, sound, model=options.model, length="trim"):
                dubbed, count = dubbed + frame.dubbed, count + 1
                if frame.number % 9 == 0:
                    columns.append(column(frame))
        except LipsyncError as error:
            print(error, flush=True)
            continue
        every = max(1, len(columns) // COLUMNS)
        sheet = np.concatenate(columns[::every][:COLUMNS], axis=1)
        cv2.imwrite(str(options.output / f"{clip.stem}.png"), sheet[..., ::-1])
        print(f"{clip.name} + {sound.name}: {dubbed} of {count} frames dubbed", flush=True)


if __name__ == "__main__":
    main()
