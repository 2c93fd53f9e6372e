"""Face restoration of dubbed faces, in the FFHQ alignment that restorers expect."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from lipsync.dubbing.blend import match_colours
from lipsync.dubbing.faces import Face
from lipsync.dubbing.restorer import Restorer
from lipsync.faces.align import TEMPLATE, aligned_transforms, crop_aligned
from lipsync.faces.framing import Framing

# Eyes, nose tip and mouth corners in aligned FFHQ images, on which restorers are trained, as
# fractions of the side.
FFHQ = (
    np.array(
        [
            [192.98138, 239.94708],
            [318.90277, 240.19360],
            [256.63416, 314.01935],
            [201.26117, 371.41043],
            [313.08905, 371.15118],
        ]
    )
    / 512
)
_MAX_SIDE = 512  # maximum side in pixels of what is pasted
_STEP = 32  # sides are rounded up to multiples of this, to limit the number of sizes


def restore_faces(
    restorer: Restorer,
    pictures: Iterable[np.ndarray],
    faces: Sequence[Face],
    framing: Framing,
    match: bool,
) -> list[np.ndarray]:
    """Restore faces, and crop them like the generator's.

    Args:
        restorer: the network.
        pictures: for each face its frame with the generated face pasted in, uint8 (H, W, 3).
        faces: positions of the faces.
        framing: the generator's framing.
        match: match colours along the mask to those before restoration.

    Returns:
        float32 (S', S', 3) in [0, 1] for each face, where S' is the size of the crop in the frame,
        at most 512.
    """
    squares = [ffhq_square(face, framing) for face in faces]
    side = restorer.side
    inputs = [
        crop_aligned(picture, square, side, cv2.INTER_CUBIC)
        for picture, square in zip(pictures, squares, strict=True)
    ]
    restored = []
    rows = zip(restorer.restore(np.stack(inputs)), inputs, squares, faces, strict=True)
    for picture, before, square, face in rows:
        after = np.clip(_cut_crop(picture, square, face.transform), 0, 1)
        if match:
            before = _cut_crop(before, square, face.transform)
            after = match_colours(after, before, framing.mask)
        restored.append(after)
    return restored


def ffhq_square(face: Face, framing: Framing) -> np.ndarray:
    """Transform of a face's FFHQ square, float64 (2, 3): from unit square to frame.

    Derived from the crop, which is temporally smoothed, if the framing is aligned by landmarks;
    otherwise from the landmarks, if known.
    """
    template = getattr(framing, "template", TEMPLATE)
    marks = template @ face.transform[:, :2].T + face.transform[:, 2]
    if not framing.needs_landmarks and face.landmarks is not None:
        marks = np.where(np.isfinite(face.landmarks).all(), face.landmarks, marks)
    return aligned_transforms(marks[None], FFHQ, radius=0)[0]


def _cut_crop(picture: np.ndarray, square: np.ndarray, transform: np.ndarray) -> np.ndarray:
    """Crop a face from an image (S, S, 3) that covers ``square``."""
    whole = np.vstack([square, [0, 0, 1]])
    inside = np.linalg.solve(whole, np.vstack([transform, [0, 0, 1]]))[:2]
    across = float(np.hypot(*transform[:, 0]))
    size = min(_MAX_SIDE, _STEP * int(np.ceil(across / _STEP)))
    return crop_aligned(picture, inside * picture.shape[0], size, cv2.INTER_CUBIC)
