"""Planted cuts: how many does each detector find, how many are false, and how long does it take?

    pip install scenedetect
    python experiments/shot_cuts/benchmark.py --seeds 6

PySceneDetect's detectors get the same frames as ours, one at a time, with default options except
that shots may have any length (``min_scene_len=1``).
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable

import numpy as np
from planted import Planted, heads, kinds

from lipsync.faces.shots import ShotMeter, find_cuts

Detector = Callable[[list[np.ndarray]], list[int]]


def ours(frames: list[np.ndarray]) -> list[int]:
    meter = ShotMeter()
    for frame in frames:
        meter.add(frame)
    return find_cuts(meter.steps)


def theirs(names: tuple[str, ...]) -> Detector:
    """One or several of PySceneDetect's detectors, together."""
    import scenedetect
    from scenedetect import FrameTimecode

    def find(frames: list[np.ndarray]) -> list[int]:
        cuts: set[int] = set()
        for name in names:
            detector = getattr(scenedetect, name)(min_scene_len=1)
            at = FrameTimecode(0, fps=25.0)
            for number, frame in enumerate(frames):
                at = FrameTimecode(number, fps=25.0)
                found = detector.process_frame(at, np.ascontiguousarray(frame[..., ::-1]))
                cuts |= {one.frame_num for one in found}
            cuts |= {one.frame_num for one in detector.post_process(at)}
        return sorted(cut for cut in cuts if cut > 0)

    return find


def score(found: list[int], planted: Planted) -> tuple[int, int]:
    """Number of planted cuts that are found, and of detections outside any of them."""
    _, cuts = planted
    hits = sum(any(low <= cut <= high for cut in found) for low, high in cuts)
    extra = sum(not any(low <= cut <= high for low, high in cuts) for cut in found)
    return hits, extra


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=6)
    arguments = parser.parse_args()
    detectors: dict[str, Detector] = {
        "ours": ours,
        "Content": theirs(("ContentDetector",)),
        "Adaptive": theirs(("AdaptiveDetector",)),
        "Hash": theirs(("HashDetector",)),
        "Histogram": theirs(("HistogramDetector",)),
        "Adapt.+Thresh.": theirs(("AdaptiveDetector", "ThresholdDetector")),
    }
    people, table, took = heads(), defaultdict(lambda: np.zeros(2, int)), defaultdict(float)
    planted_cuts, frames = defaultdict(int), 0
    for seed in range(arguments.seeds):
        for kind, planted in kinds(people, seed).items():
            planted_cuts[kind] += len(planted[1])
            frames += len(planted[0])
            for name, detector in detectors.items():
                start = time.process_time()
                found = detector(planted[0])
                took[name] += time.process_time() - start
                table[kind, name] += score(found, planted)
    print(f"{'found + too many':28}{'planted':>8}" + "".join(f"{name:>16}" for name in detectors))
    for kind, count in planted_cuts.items():
        cells = [f"{table[kind, name][0]} + {table[kind, name][1]}" for name in detectors]
        print(f"{kind:28}{count:8}" + "".join(f"{cell:>16}" for cell in cells))
    cells = [f"{1e3 * took[name] / frames:.2f}" for name in detectors]
    print(f"{'ms per frame, 128 px':36}" + "".join(f"{cell:>16}" for cell in cells))


if __name__ == "__main__":
    main()
