"""Simulated paths of faces: how often do tracks break, and how often do they swap faces?

    python experiments/faces_at_any_size/tracks.py

Two faces of 100 pixels are detected in every fifth frame of four seconds. One detection in twenty
is missed, and box edges are off by three pixels (standard deviation). "Last box" links detections
by their overlap with the last box alone.
"""

from __future__ import annotations

import numpy as np

import lipsync.faces.tracks as tracks
from lipsync.faces.detect import Detection, iou

STRIDE, FRAMES, SIDE, RUNS = 5, 100, 100.0, 200
LANDMARKS = np.full((5, 2), np.nan, np.float32)


def paths(kind: str, rng: np.random.Generator) -> np.ndarray:
    """Centres of two faces, (2, frames, 2)."""
    t = np.arange(FRAMES)[:, None]
    start = np.array([[300.0, 300.0], [900.0, 300.0]]) + rng.normal(0, 20, (2, 2))
    if kind == "still":
        return np.stack([np.repeat(one[None], FRAMES, 0) for one in start])
    if kind == "13 px per frame":
        return np.stack([start[0] - [0, 200] + t * [13, 0], start[1] + [0, 200] - t * [13, 0]])
    if kind == "crossing at 6 px":
        return np.stack([start[0] + t * [6, 0], start[1] + [0, 40] - t * [6, 0]])
    if kind == "swaying":
        sway = 60 * np.sin(2 * np.pi * t / rng.uniform(20, 40) + rng.uniform(0, 6)) * [1, 0.2]
        return np.stack([start[0] + sway, start[1] - sway])
    if kind == "swaying side by side":
        sway = 40 * np.sin(2 * np.pi * t / rng.uniform(20, 40) + rng.uniform(0, 6)) * [1, 0.2]
        return np.stack([start[0] + sway, start[0] + [130, 0] + sway])
    raise ValueError(kind)


def run(kind: str, seed: int) -> tuple[int, int]:
    """Number of tracks in excess of two, and of swaps between the faces within tracks."""
    rng = np.random.default_rng(seed)
    places, seen, who = paths(kind, rng), [], {}
    for frame in [*range(0, FRAMES, STRIDE)]:
        faces = []
        for person in rng.permutation(2):
            if rng.random() < 0.05:
                continue
            box = np.concatenate(
                [places[person, frame] - SIDE / 2, places[person, frame] + SIDE / 2]
            )
            face = Detection((box + rng.normal(0, 3, 4)).astype(np.float32), 0.9, LANDMARKS)
            # the first face hides the second where they overlap
            if faces and iou(faces[0].box, face.box[None])[0] > 0.5:
                continue
            who[id(face)] = person
            faces.append(face)
        seen.append((frame, faces))
    found = tracks.link(seen, STRIDE)
    people = [[who[id(face)] for face in track.detections] for track in found]
    return len(found) - 2, sum(int(np.abs(np.diff(one)).sum()) for one in people)


def main() -> None:
    motion = tracks.FaceTrack.at, tracks._nearness
    print(f"{'':24}{'last box':>22}{'with motion':>22}")
    print(f"{'':24}" + f"{'breaks':>11}{'changes':>11}" * 2)
    for kind in (
        "still", "13 px per frame", "crossing at 6 px", "swaying", "swaying side by side",
    ):  # fmt: skip
        cells = []
        for moving in (False, True):
            if not moving:
                tracks.FaceTrack.at = lambda self, frame: self.detections[-1].box
                tracks._nearness = lambda box, boxes: np.zeros(len(boxes))
            else:
                tracks.FaceTrack.at, tracks._nearness = motion
            cells.append(np.mean([run(kind, seed) for seed in range(RUNS)], axis=0))
        print(f"{kind:24}" + "".join(f"{a:11.2f}{b:11.2f}" for a, b in cells))


if __name__ == "__main__":
    main()
