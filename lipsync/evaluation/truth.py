"""Likeness of a dub to the true pictures, where the face speaks its own speech."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
import torch

from lipsync.evaluation.videos import LOOK_SIZE, Stretch, frames_of
from lipsync.faces.crops import crop
from lipsync.metrics.picture import PictureQuality
from lipsync.metrics.quality import landmark_distance

_BATCH = 32  # frames compared at a time


def likeness(generated: Stretch, real: Stretch) -> dict[str, float]:
    """PSNR, SSIM and MS-SSIM on the whole face and its lower half, and the mouth's corners.

    Both are cropped by the real video's steady square, frame by frame at the same time. A dub is
    shown the very frame that it paints, so these numbers flatter one that copies: read them beside
    ``swapped_audio``.

    Args:
        generated: the dub.
        real: the video that was dubbed.

    Returns:
        Measure -> mean over the frames that both have; empty where there are none.
    """
    metric = PictureQuality()
    pictures = zip(_crops(generated, real), _crops(real, real), strict=False)
    while lot := list(islice(pictures, _BATCH)):
        pred, target = (
            torch.from_numpy(np.stack(side)).permute(0, 3, 1, 2).float() / 255
            for side in zip(*lot, strict=True)
        )
        metric.update(pred, target)
    if not metric.pictures:
        return {}
    found = metric.compute()
    found.pop("pictures")
    numbers = {name: float(value) for name, value in found.items()}
    corners = mouth_corners(generated, real)
    return numbers if np.isnan(corners) else numbers | {"mouth_corners": corners}


def mouth_corners(generated: Stretch, real: Stretch) -> float:
    """Distance of the mouth's two corners from the true ones, as a share of the eyes' distance.

    NaN where a detector gives no landmarks.
    """
    if generated.landmarks is None or real.landmarks is None:
        return float("nan")
    start = max(generated.start, real.start)
    end = min(generated.start + len(generated.landmarks), real.start + len(real.landmarks))
    if end <= start:
        return float("nan")
    made, true = (s.landmarks[start - s.start : end - s.start] for s in (generated, real))
    eyes = np.linalg.norm(true[:, 0] - true[:, 1], axis=1)
    return landmark_distance(made[:, 3:], true[:, 3:], eyes)


def _crops(video: Stretch, framing: Stretch) -> Iterator[np.ndarray]:
    """The video's frames in the time of ``framing``, cut by its square."""
    for frame in islice(frames_of(video.path), framing.start, framing.end):
        square = framing.square
        box = np.array([0, 0, *frame.shape[1::-1]], float) if square is None else square
        yield crop(frame, box, LOOK_SIZE)
