"""Are small faces found in large frames, alone and beside larger ones?

    python experiments/faces_at_any_size/small.py

A portrait (scikit-image's, NASA) is pasted onto a blotchy background. For each way of detection,
prints how many pasted faces are found, how many false detections there are, and the CPU time
relative to one detection at the smallest scale.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import cv2
import numpy as np
from skimage import data

from lipsync.faces.detect import CenterFace, Detection, iou

SIZES = ((1280, 720), (1920, 1080), (3840, 2160))
RUNS = 4


def planted(
    size: tuple[int, int], heights: tuple[int, ...], face: Detection, seed: int
) -> tuple[np.ndarray, list[np.ndarray]]:
    """A frame, and the boxes of the faces pasted into it."""
    rng, portrait, (width, height) = np.random.default_rng(seed), data.astronaut(), size
    ground = rng.integers(60, 180, (height // 40, width // 40, 3), dtype=np.uint8)
    frame = cv2.resize(ground, size, interpolation=cv2.INTER_CUBIC)
    x, boxes = 20, []
    for wanted in heights:
        scale = wanted / (face.box[3] - face.box[1])
        small = cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        small = small[: height - 10, : width - x]
        y = int(rng.integers(0, height - len(small)))
        frame[y : y + len(small), x : x + small.shape[1]] = small
        boxes.append(face.box * scale + [x, y, x, y])
        x += small.shape[1] + int(rng.integers(5, 30))
    return frame, boxes


def cpu(call: Callable[[], list[Detection]]) -> tuple[list[Detection], float]:
    start = time.process_time()
    return call(), time.process_time() - start


def main() -> None:
    detector = CenterFace(threads=1)
    (face,) = detector.detect(data.astronaut())
    print(f"{'':30}{'first size':>20}{'all, whole':>20}{'all, near known':>20}")
    print(f"{'':30}" + f"{'found other  time':>20}" * 3)
    for size in SIZES:
        for heights in ((40,), (40, size[1] // 4), (40, 60, size[1] // 3)):
            table = np.zeros((3, 3))
            for seed in range(RUNS):
                frame, boxes = planted(size, heights, face, seed)
                _, coarse = cpu(lambda: detector._detect_at(frame, detector.side / size[0]))  # noqa: B023
                first = cpu(lambda: detector.detect(frame))  # noqa: B023
                whole = cpu(lambda: detector.detect_all(frame))  # noqa: B023
                near = cpu(lambda: detector.detect_all(frame, whole[0]))  # noqa: B023
                for row, (found, took) in zip(table, (first, whole, near), strict=True):
                    known = np.stack([one.box for one in found])
                    hits = sum(iou(box, known).max() > 0.5 for box in boxes)
                    row += [hits, len(found) - hits, took / coarse / RUNS]
            name = f"{size[1]}p, {' + '.join(map(str, heights))} px"
            cells = [f"{a:.0f}/{RUNS * len(heights)} {b:6.0f} {c:6.1f}" for a, b, c in table]
            print(f"{name:30}" + "".join(f"{cell:>20}" for cell in cells))


if __name__ == "__main__":
    main()
