"""Can the judge tell whether a visible face is the one speaking?

python experiments/who_speaks/seen.py data/grid/s*/*a.mp4
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import numpy as np

from lipsync.dubbing.detections import default_stride
from lipsync.dubbing.source import open_source
from lipsync.dubbing.syncing import judge_faces
from lipsync.faces.detect import get_detector
from lipsync.translation.speakers import chance_score

ABSENT = -100.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", nargs="+", type=Path, help="videos of one person speaking")
    parser.add_argument("--others", type=int, default=4, help="sounds of other clips per face")
    options = parser.parse_args()
    detector, rng = get_detector("centerface"), random.Random(0)
    rows: list[tuple[float, float, bool]] = []  # seconds in view, score, own sound
    for clip in options.clips:
        others = [one for one in options.clips if one.parent != clip.parent]
        source, known = open_source(clip), None
        for sound in [clip, *rng.sample(others, min(options.others, len(others)))]:
            stride = default_stride(float(source.fps))
            known, times, shots = judge_faces(source, detector, stride, known, sound)
            for shot in shots:
                for track, worth in zip(shot.tracks, shot.scores, strict=True):
                    seconds = float(times[track.frames[-1]] - times[track.frames[0]])
                    if seconds > 1:
                        mean = float(worth[worth > ABSENT].mean())
                        rows.append((seconds, mean, sound == clip))
        print(clip.name, *(f"{mean:.2f}" for _, mean, _ in rows[-1 - options.others :]), flush=True)
    print("| seconds in view | faces | own sound, seen to speak | others' sound, seen to speak |")
    print("| --- | ---: | ---: | ---: |")
    for least, most in ((0, 4), (4, 1e9)):
        cells = []
        for own in (True, False):
            part = [(s, w) for s, w, o in rows if o == own and least <= s < most]
            seen = [worth > chance_score(seconds) for seconds, worth in part]
            mean = np.mean([worth for _, worth in part])
            cells.append(f"{mean:.2f}, {sum(seen)} of {len(seen)}" if part else "-")
        count = sum(o and least <= s < most for s, _, o in rows)
        span = f"under {most:g}" if most < 1e9 else f"{least:g} and more"
        print(f"| {span} | {count} | {cells[0]} | {cells[1]} |")


if __name__ == "__main__":
    main()
