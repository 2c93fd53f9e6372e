"""Planted swaps: one person is replaced by another of a folder; how many swaps are detected?

    python experiments/shot_cuts/swaps.py FOLDER --seconds 10

FOLDER holds videos, each showing the same single face throughout.
"""

from __future__ import annotations

import argparse
from itertools import islice, permutations
from pathlib import Path

import numpy as np

from data_prep.scan import scan
from lipsync.faces.detect import CenterFace
from lipsync.faces.identity import describe, find_changes
from lipsync.faces.roll import RollAwareDetector
from lipsync.media import HeldFrames

STRIDE, SIDE = 5, 3  # frames between detections, and detections on either side of a swap


def looks(path: Path, frames: int, detector: RollAwareDetector) -> list[np.ndarray | None]:
    found = []
    for frame in islice(HeldFrames(path, 25, 0), 0, frames, STRIDE):
        faces = detector.detect(frame)
        if faces:
            largest = max(faces, key=lambda face: float(np.prod(face.box[2:] - face.box[:2])))
            found.append(describe(frame, largest.landmarks))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=10)
    arguments = parser.parse_args()
    detector, rng = RollAwareDetector(CenterFace()), np.random.default_rng(0)
    frames = round(25 * arguments.seconds)
    people = {one.name: looks(one.path, frames, detector) for one in scan(arguments.folder)}
    people = {name: found for name, found in people.items() if len(found) > 2 * SIDE}
    total = sum(len(found) - 1 for found in people.values())
    false = {name: len(find_changes(found)) for name, found in people.items()}
    print(f"taken for swaps: {sum(false.values())} of {total} looks")
    print("\n".join(f"  {name}: {count}" for name, count in false.items() if count))
    hits = count = 0
    for one, other in permutations(people.values(), 2):
        a, b = rng.integers(SIDE, len(one) - 1), rng.integers(0, len(other) - SIDE)
        hits += SIDE in find_changes([*one[a - SIDE : a], *other[b : b + SIDE]])
        count += 1
    print(f"planted swaps found: {hits} of {count}")


if __name__ == "__main__":
    main()
