"""Are rotated heads dubbed as well as upright ones? Rotates clips, dubs them, and rotates back.

python -m experiments.lips_code.turned FOLDER MODEL [--count 6] [--angles 0 20 35 60]

Each face is dubbed with the speech of another clip, and the distance is scored. At every angle, the
dub of the upright clip is rotated there and back as well, so both are resampled alike.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import cv2
import numpy as np

from lipsync.dubbing import dub
from lipsync.evaluation.lists import random_pairs
from lipsync.evaluation.videos import DEFAULT_JUDGE, Scoring
from lipsync.media import VideoWriter
from lipsync.media.frames import probe, read_frames
from lipsync.media.loudness import read_speech

SCALE = 2  # rotated pictures are upscaled by this factor, to lose little in resampling


def picture_size(video: Path) -> tuple[int, int]:
    info = probe(video)
    return info.width, info.height


def turn(video: Path, output: Path, angle: float, back: tuple[int, int] | None = None) -> None:
    """Write a video rotated by ``angle`` degrees; ``back`` is the original size, to rotate back."""
    width, height = picture_size(video)
    side = round(SCALE * np.hypot(width, height) / 2) * 2
    size, scale = ((side, side), SCALE) if back is None else (back, 1 / SCALE)
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, scale)
    matrix[:, 2] += (np.array(size) - (width, height)) / 2
    how = {"flags": cv2.INTER_CUBIC, "borderMode": cv2.BORDER_REPLICATE}
    with VideoWriter(output, 25, size, crf=4) as writer:
        for _, frame in read_frames(video):
            writer.write(cv2.warpAffine(frame, matrix, size, **how))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("model")
    parser.add_argument("--count", type=int, default=6)
    parser.add_argument("--angles", type=float, nargs="+", default=[0, 20, 35, 60])
    args = parser.parse_args()
    scoring = Scoring.from_names(DEFAULT_JUDGE, "centerface")
    pairs = random_pairs(sorted(args.folder.glob("*.mp4")), args.count)
    print(" angle  distance  upright dub, turned there and back  change")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)

        def scored(video: Path, sound: Path) -> float:
            found = scoring.measure(scoring.stretch(video), [read_speech(sound)])
            return found.scores[0].result.distance

        for angle in args.angles:
            rows = []
            for number, pair in enumerate(pairs):
                files = [folder / f"{number}-{angle:g}-{k}.mp4" for k in range(5)]
                size = picture_size(pair.video)
                turn(pair.video, files[0], angle)
                dub(files[0], pair.audio, files[1], model=args.model, crf=4)
                turn(files[1], files[2], -angle, size)
                upright = folder / f"{number}.mp4"
                if not upright.exists():
                    dub(pair.video, pair.audio, upright, model=args.model, crf=4)
                turn(upright, files[3], angle)
                turn(files[3], files[4], -angle, size)
                rows.append([scored(files[2], pair.audio), scored(files[4], pair.audio)])
            ours, upright_one = np.mean(rows, axis=0)
            change = ours / upright_one - 1
            print(f"{angle:6g}  {ours:8.3f}  {upright_one:8.3f}  {change:+.1%}", flush=True)


if __name__ == "__main__":
    main()
